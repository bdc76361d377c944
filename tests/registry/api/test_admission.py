"""Who is let in, and what is received of the others: in process, with bodies that count what is taken."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

import httpx2
import pytest
from anyio.to_thread import current_default_thread_limiter

from registry.api import admission, body_limit, deps
from registry.app import JSON_BYTES, create_app
from sdk.models import Role
from tests.pictures import encoded
from tests.world import DatabaseServer, World

T = TypeVar("T")
FORM = {"content-type": "multipart/form-data; boundary=b"}
PIECE = b"x" * 65536


@pytest.fixture(scope="module")
def world(database_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("admitted")
    with World(database_server, home, video_workers=0, lookups_per_minute=3) as made:
        yield made


def asked(world: World, story: Callable[[httpx2.AsyncClient], Awaitable[T]]) -> T:
    async def run() -> T:
        transport = httpx2.ASGITransport(create_app(world.services))
        async with httpx2.AsyncClient(base_url="http://localhost", transport=transport, timeout=30) as http:
            return await story(http)

    return asyncio.run(run())


class Body:
    """What a client would send, and how much of it was taken."""

    def __init__(self, pieces: int, pause_s: float = 0.0) -> None:
        self._pieces, self._pause_s = pieces, pause_s
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="media"; filename="m"\r\n\r\n'
        for _ in range(self._pieces):
            await asyncio.sleep(self._pause_s)
            self.taken += 1
            yield PIECE


@pytest.mark.parametrize("path", ["/v1/match", "/v1/records", "/v1/records/fingerprints", "/v1/publishers"])
def test_nothing_is_received_of_a_body_before_its_key_is_known(world: World, path: str) -> None:
    for headers in ({}, {"authorization": "Bearer trueprint_no_key"}):
        body = Body(20)

        async def story(http: httpx2.AsyncClient) -> httpx2.Response:
            return await http.post(path, content=body, headers=FORM | headers)  # noqa: B023

        answer = asked(world, story)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
        assert body.taken == 0


@pytest.mark.parametrize(
    ("looked_up_again_s", "code"), [(0.0, "not_authenticated"), (60.0, "unsupported_media")]
)
def test_a_key_is_looked_up_again_only_where_its_body_took_long(
    world: World, monkeypatch: pytest.MonkeyPatch, looked_up_again_s: float, code: str
) -> None:
    monkeypatch.setattr(deps, "LOOKED_UP_AGAIN_S", looked_up_again_s)
    key = world.enrol(f"Revoked {code}", Role.PLATFORM).api_key

    async def body() -> AsyncIterator[bytes]:
        async for piece in Body(1):
            yield piece
        await asyncio.to_thread(world.operator.revoke_api_key, key.id)
        yield b"\r\n--b--\r\n"

    async def story(http: httpx2.AsyncClient) -> httpx2.Response:
        headers = FORM | {"authorization": f"Bearer {key.secret}"}
        return await http.post("/v1/match", content=body(), headers=headers)

    assert asked(world, story).json()["code"] == code


def test_a_key_without_the_scope_sends_no_picture(world: World) -> None:
    key, body = world.enrol("Chat", Role.PLATFORM).api_key.secret, Body(20)

    async def story(http: httpx2.AsyncClient) -> httpx2.Response:
        headers = FORM | {"authorization": f"Bearer {key}"}
        return await http.post("/v1/records", content=body, headers=headers)

    answer = asked(world, story)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert body.taken == 0


def test_json_is_bounded_also_where_pictures_are_taken(world: World) -> None:
    key, body = world.enrol("Mail", Role.PLATFORM).api_key.secret, Body(200)
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}

    async def story(http: httpx2.AsyncClient) -> list[httpx2.Response]:
        declared = await http.post("/v1/match/fingerprints", content=bytes(JSON_BYTES + 1), headers=headers)
        counted = await http.post("/v1/match/fingerprints", content=body, headers=headers)
        form = {"content-type": "application/x-www-form-urlencoded"}
        at_lookup = await http.post("/lookup", content=bytes(JSON_BYTES + 1), headers=form)
        return [declared, counted, at_lookup]

    assert [answer.json()["code"] for answer in asked(world, story)] == ["media_too_large"] * 3
    assert body.taken * len(PIECE) <= JSON_BYTES + 2 * len(PIECE)


def test_a_body_that_does_not_come_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    key = world.enrol("Video", Role.PLATFORM).api_key.secret
    headers = FORM | {"authorization": f"Bearer {key}"}

    async def story(http: httpx2.AsyncClient) -> list[httpx2.Response]:
        monkeypatch.setattr(body_limit, "SILENCE_S", 0.02)
        silent = await http.post("/v1/match", content=Body(3, pause_s=5), headers=headers)
        monkeypatch.setattr(body_limit, "SILENCE_S", 5)
        monkeypatch.setattr(body_limit, "GRACE_S", 0.0)
        monkeypatch.setattr(body_limit, "LEAST_BYTES_PER_S", 1 << 30)
        slow = await http.post("/v1/match", content=Body(100, pause_s=0.01), headers=headers)
        return [silent, slow]

    for answer in asked(world, story):
        assert (answer.status_code, answer.json()["code"]) == (408, "too_slow")
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("others", [0, 1])
def test_who_sends_slowly_to_the_page_makes_way_for_who_waits(
    database_server: DatabaseServer, home: Path, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    monkeypatch.setattr(body_limit, "GRACE_S", 0.0)
    monkeypatch.setattr(body_limit, "LEAST_BYTES_PER_S", 0)
    monkeypatch.setattr(body_limit, "LEAST_BYTES_PER_S_WHERE_OTHERS_WAIT", 1 << 30)

    async def story(http: httpx2.AsyncClient) -> list[httpx2.Response]:
        body = Body(400 if others else 10, pause_s=0.02)
        slow = asyncio.create_task(http.post("/lookup", content=body, headers=FORM))
        while not (body.taken or slow.done()):
            await asyncio.sleep(0.01)
        quick = [http.post("/lookup", files={"media": encoded("coffee")}) for _ in range(others)]
        return list(await asyncio.gather(slow, *quick))

    with World(database_server, home, lookups=1) as world:
        slow, *waited = asked(world, story)
    assert [answer.status_code for answer in waited] == [200] * others
    assert slow.status_code == (408 if others else 422), slow.text


def test_the_page_is_asked_only_so_often_by_one_address(world: World) -> None:
    async def story(http: httpx2.AsyncClient) -> list[httpx2.Response]:
        return [await http.post("/lookup", files={"media": b"no picture"}) for _ in range(4)]

    *first, fourth = asked(world, story)
    assert [answer.status_code for answer in first] == [415] * 3
    assert (fourth.status_code, fourth.json()["code"]) == (429, "lookups_exceeded")
    assert int(fourth.headers["retry-after"]) > 0


def test_health_needs_no_worker_thread(world: World) -> None:
    async def story(http: httpx2.AsyncClient) -> list[httpx2.Response]:
        limiter = current_default_thread_limiter()
        async with AsyncExitStack() as taken:
            for number in range(int(limiter.total_tokens)):
                await limiter.acquire_on_behalf_of(number)
                taken.callback(limiter.release_on_behalf_of, number)
            return [await http.get(path) for path in ("/livez", "/readyz")]

    assert [answer.status_code for answer in asked(world, story)] == [200, 200]


def test_who_waits_for_a_turn_when_the_server_stops_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "CALLS", 0)  # nobody ever has a turn

    async def story(http: httpx2.AsyncClient) -> httpx2.Response:
        waiting = asyncio.create_task(http.get("/v1/log"))
        await asyncio.sleep(0.1)
        waiting.cancel()  # as the server does
        return await waiting

    answer = asked(world, story)
    assert (answer.status_code, answer.json()["code"]) == (503, "stopping")
