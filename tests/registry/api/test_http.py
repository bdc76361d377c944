"""What somebody with curl sees: problems, headers, health, documents in step with the code."""

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from registry.index.access import IndexState
from registry.settings import Settings
from sdk.bounded_connections import listen
from sdk.errors import ProblemError
from sdk.models import Problem, Role
from tests.checks import DOCUMENT, openapi_text
from tests.pictures import encoded
from tests.world import World

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def http(world: World) -> httpx2.Client:
    return httpx2.Client(base_url=world.url)


def problem_of(response: httpx2.Response) -> dict[str, object]:
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, object] = response.json()
    assert set(document) >= {"type", "title", "status", "detail", "code"}
    assert document["type"] == f"urn:trueprint:problem:{document['code']}"
    assert document["status"] == response.status_code
    return document


def test_every_error_is_a_problem_document_with_a_stable_code(world: World, http: httpx2.Client) -> None:
    with http:
        assert problem_of(http.get("/nowhere"))["code"] == "not_found"
        assert problem_of(http.put("/v1/records"))["code"] == "method_not_allowed"
        assert problem_of(http.get("/v1/records/nothing"))["code"] == "unknown_record"
        assert problem_of(http.get("/v1/publishers/nobody"))["code"] == "unknown_publisher"
        assert (
            problem_of(http.get("/v1/keys/none/validity?at=2026-01-01T00:00:00Z"))["code"] == "unknown_key"
        )
        answer = http.post("/v1/match", files={"media": encoded("coffee")})
        assert answer.headers["www-authenticate"] == "Bearer"
        assert problem_of(answer)["code"] == "not_authenticated"
        for path in ("/v1/records/%00", "/v1/records?before=99999999999999999999", "/v1/keys/%00/validity"):
            assert problem_of(http.get(path))["code"] == "invalid_request"
        wrong = http.post("/v1/match", headers={"Authorization": "Bearer trueprint_wrong_key"})
        assert problem_of(wrong)["code"] == "not_authenticated"


def test_a_body_over_the_limit_is_refused_by_its_header_and_by_counting(http: httpx2.Client) -> None:
    too_much = 202 << 20

    def pieces() -> Iterator[bytes]:  # chunked: no Content-Length tells beforehand
        yield b'--b\r\nContent-Disposition: form-data; name="media"; filename="m"\r\n\r\n'
        for _ in range(202):
            yield bytes(1 << 20)
        yield b"\r\n--b--\r\n"

    with http:
        declared = http.post("/lookup", files={"media": bytes(too_much)})
        assert problem_of(declared)["code"] == "media_too_large"
        form = {"content-type": "multipart/form-data; boundary=b"}
        counted = http.post("/lookup", content=pieces(), headers=form)
        assert problem_of(counted)["code"] == "media_too_large"
        assert http.get("/livez").json() == {"status": "alive"}


def test_the_openapi_document_promises_problems_and_the_sdk_reads_them(http: httpx2.Client) -> None:
    with http:
        document = http.get("/openapi.json").json()
        for operations in document["paths"].values():
            for operation in operations.values():
                assert "application/problem+json" in operation["responses"]["default"]["content"]
        answer = http.post("/v1/match", files={"media": b"x"})
        assert Problem.model_validate_json(answer.content).code == "not_authenticated"


def test_an_invalid_request_names_the_fields_and_never_echoes_what_was_sent(world: World) -> None:
    secret = "a-very-private-value"
    with httpx2.Client(base_url=world.url) as http:
        headers = {"Authorization": f"Bearer {world.operator._http.headers['authorization'].split()[1]}"}
        answer = http.post("/v1/publishers", json={"name": "", "nick": secret}, headers=headers)
    document = problem_of(answer)
    assert document["code"] == "invalid_request"
    assert "contact" in str(document["detail"])
    assert secret not in answer.text


@pytest.mark.parametrize(
    ("path", "sent", "detail"),
    [
        ("/v1/publishers", {"json": 5}, "body: must be an object with named fields"),
        ("/v1/publishers", {"content": b"{nope"}, "body: is not JSON"),
        (
            "/v1/match/fingerprints",
            {"json": {"fingerprints": [5]}},
            "fingerprints.0: must be an object with named fields",
        ),
        ("/v1/api-keys", {"json": {"publisher": None, "scopes": ["match"]}}, "publisher: must be text"),
        (
            "/v1/api-keys",
            {"content": b'{"publisher": "\\ud800", "scopes": ["match"]}'},
            "a value holds characters that are no text",
        ),
        ("/v1/match", {"data": {"media": "no file"}}, "media: must be a file"),
    ],
)
def test_an_invalid_request_is_explained_without_a_word_of_python(
    world: World, path: str, sent: dict[str, Any], detail: str
) -> None:
    headers = {"Authorization": world.operator._http.headers["authorization"]}
    if "content" in sent:
        headers["Content-Type"] = "application/json"
    with httpx2.Client(base_url=world.url, headers=headers) as http:
        document = problem_of(http.post(path, **sent))
    assert (document["status"], document["code"]) == (422, "invalid_request")
    assert str(document["detail"]).startswith(detail)
    for word in ("nstance", "dict", "tuple", "Type", "class", "object to", "None", "Upload", "Input"):
        assert word not in str(document), word


def test_an_upload_over_the_limit_is_refused(world: World) -> None:
    desk = world.enrol("A platform", Role.PLATFORM)
    too_large = b"\xff\xd8" + bytes(world.services.uploads.decoders.images.limits.image.max_bytes)
    with pytest.raises(ProblemError, match="too large") as error:
        desk.client.match(too_large)
    assert error.value.code == "media_too_large"


def test_tiles_and_checkpoint_have_the_headers_of_the_specification(
    world: World, http: httpx2.Client
) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded("coffee"))
    size = world.operator.log_state().size
    with http:
        checkpoint = http.get("/log/checkpoint")
        assert checkpoint.headers["content-type"] == "text/plain; charset=utf-8"
        assert checkpoint.headers["cache-control"] == "no-cache"
        assert checkpoint.headers["access-control-allow-origin"] == "*"
        tile = http.get(f"/log/tile/0/000.p/{size}")
        assert tile.headers["content-type"] == "application/octet-stream"
        assert tile.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert len(tile.content) == 32 * size
        for path in (
            f"0/000.p/{size + 1}",
            "0/000",
            "0/000.p/0",
            "0/000.p/256",
            "00/000",
            "64/000",
            "0/0",
            "0/x000/000",
            "1/000.p/1",
            "entries/001.p/1",
        ):
            assert problem_of(http.get(f"/log/tile/{path}"))["status"] == 404


def test_health_says_alive_and_ready(http: httpx2.Client) -> None:
    with http:
        assert http.get("/livez").json() == {"status": "alive"}
        assert http.get("/readyz").json() == {"status": "ready"}


def test_an_index_that_follows_no_more_is_not_ready(
    world: World, http: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = IndexState(position=4, lag=3, age_s=11.0)
    monkeypatch.setattr(type(world.services.index), "state", lambda *_: behind)
    with http:
        answer = http.get("/readyz")
    assert (answer.status_code, problem_of(answer)["code"]) == (503, "index_stale")


def test_doctor_tells_what_runs(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded("coffee"))
    report = world.operator.status()
    assert report.records == 1
    assert report.fingerprints == {"pdq.v1": 8, "phash64.v1": 1, "tp-desc.v2": 1}
    assert "PostgreSQL" in report.database
    assert report.freshness.lag == 0
    assert {"memory_and_time", "no_new_descriptors"} <= {it.name for it in report.isolation if it.holds}
    assert all(it.stops and it.holds == (it.why_not is None) for it in report.isolation)


def test_the_checked_in_openapi_document_is_that_of_the_code() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == openapi_text(), "run `make openapi`"


def test_every_operation_has_a_stable_id() -> None:
    paths = json.loads(DOCUMENT.read_text(encoding="utf-8"))["paths"]
    ids = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", operation_id) for operation_id in ids)


def test_every_setting_stands_in_the_docs() -> None:
    settings = (DOCS / "settings.md").read_text(encoding="utf-8")
    for name in Settings.model_fields:
        assert f"`TRUEPRINT_{name.upper()}`" in settings, name


def test_an_answer_does_not_wait_for_its_first_half_to_be_acknowledged() -> None:
    async def accepted_without_delay() -> int:
        with listen("127.0.0.1", 0) as listener:
            told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

            def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                connection = writer.get_extra_info("socket")
                told.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                writer.close()

            server = await asyncio.start_server(connected, sock=listener)
            async with server:
                _, writer = await asyncio.open_connection(*listener.getsockname()[:2])
                delay_is_off = await told
                writer.close()
            return delay_is_off

    assert asyncio.run(accepted_without_delay())
