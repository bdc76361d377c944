"""What a small platform copies from examples/middleware does what docs/middleware.md says."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook

from examples.middleware import discord_bot
from examples.middleware.discord_bot import Action, Verb
from examples.middleware.fastapi_app import create_app
from sdk import AsyncClient, gate_calls
from sdk.models import DecisionLabel, NewApiKey, NewDecisionReview, Outcome, Role, Scope
from tests.pictures import encoded
from tests.portraits import astronaut, swapped
from tests.videos import original
from tests.waiting import SOON_S, soon
from tests.world import DatabaseServer, Party, World

EXAMPLES = Path(__file__).parents[2] / "examples"
NODE = shutil.which("node")
FASTAPI_APP, NODE_APP = "fastapi", "node"
NOWHERE = "http://127.0.0.1:9"  # the port "discard", where nobody listens
PRIVATE_NAME = "holiday-of-alice.jpg"


class Town:
    """A registry that knows a portrait, and a chat service with a policy."""

    def __init__(self, world: World) -> None:
        self.world = world
        paper = world.enrol("Daily Example")
        world.register(paper, encoded(astronaut(), "PNG"), "a portrait")
        self.service: Party = world.enrol("Chat", Role.PLATFORM)
        # The scopes that docs/middleware.md names, and no others.
        self.key = self._key(Scope.GATE, Scope.READ_DECISIONS)
        self.bots_key = self._key(Scope.GATE)
        self.secret = world.client(self.key).webhook_secret()
        policy = (EXAMPLES / "policies" / "chat.yaml").read_text("utf-8")
        self.service.client.send(gate_calls.add_pack(policy))
        self.service.client.send(gate_calls.activate("chat", "our first policy"))

    def _key(self, *scopes: Scope) -> str:
        new = NewApiKey(publisher=self.service.publisher.id, scopes=scopes)
        return self.world.operator.issue_api_key(new).secret

    def asking(self) -> AsyncClient:
        return AsyncClient(self.world.url, self.bots_key)


@dataclass
class Platform:
    """A running example."""

    kind: str
    url: str
    uploads: Path

    def upload(self, content: bytes) -> httpx2.Response:
        headers = {"Accept-Language": "de"}
        if self.kind == NODE_APP:
            return httpx2.post(f"{self.url}/upload", content=content, headers=headers, timeout=60)
        files = {"file": (PRIVATE_NAME, content)}
        return httpx2.post(f"{self.url}/upload", files=files, headers=headers, timeout=60)

    def tell(self, body: str, headers: dict[str, str]) -> int:
        return httpx2.post(f"{self.url}/webhooks/trueprint", content=body, headers=headers).status_code

    def published(self, ref: str) -> Path:
        return self.uploads / "published" / ref

    def held(self, ref: str) -> Path:
        return self.uploads / "held" / ref


@pytest.fixture(scope="module")
def town(database_server: DatabaseServer, scratch: Path) -> Iterator[Town]:
    folder = Path(tempfile.mkdtemp(dir=scratch))
    with World(database_server, folder, webhooks_to_private_networks=True) as world:
        yield Town(world)
        world.audit()


@pytest.fixture(scope="module", params=[FASTAPI_APP, NODE_APP])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == NODE_APP and NODE is None:
        pytest.skip("node is not installed")
    return str(request.param)


@pytest.fixture(scope="module")
def platform(kind: str, town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with running(kind, town, tmp_path_factory.mktemp(kind)) as made:
        yield made


@contextmanager
def running(kind: str, town: Town, uploads: Path, **more: str) -> Iterator[Platform]:
    """Runs an example on a free port, with the settings that its page names."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = {
            "TRUEPRINT_URL": town.world.url,
            "TRUEPRINT_API_KEY": town.key,
            "TRUEPRINT_WEBHOOK_SECRET": town.secret,
            "WEBHOOK_URL": f"{url}/webhooks/trueprint",
            "UPLOADS": str(uploads),
            **more,
        }
        if kind == FASTAPI_APP:
            with serving(settings, listener):
                yield Platform(kind, url, uploads)
            return
    with child(settings | {"PORT": url.rpartition(":")[2]}, uploads):
        yield Platform(kind, url, uploads)


@contextmanager
def serving(settings: dict[str, str], listener: socket.socket) -> Iterator[None]:
    config = uvicorn.Config(create_app(settings), log_level="warning", access_log=False, lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    assert soon(lambda: server.started)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def child(settings: dict[str, str], uploads: Path) -> Iterator[None]:
    assert NODE is not None
    command = [NODE, str(EXAMPLES / "middleware" / "node" / "server.mjs")]
    with (
        (uploads / "log").open("a") as log,
        subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"], **settings},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            assert "listening" in process.stdout.readline()
            yield
        finally:
            process.terminate()


def test_a_face_swap_is_refused_with_its_reasons_and_not_stored(platform: Platform) -> None:
    answer = platform.upload(encoded(swapped(), quality=85))
    told = answer.json()
    assert (answer.status_code, told["outcome"]) == (451, "refuse")
    assert any("Gesicht" in paragraph for paragraph in told["reasons"])
    assert told["explained_at"].startswith("http")
    assert not platform.published(told["ref"]).exists()
    assert not platform.held(told["ref"]).exists()


def test_a_picture_that_nobody_registered_is_published(platform: Platform) -> None:
    content = encoded("rocket")
    answer = platform.upload(content)
    assert (answer.status_code, answer.json()["outcome"]) == (200, "allow")
    assert platform.published(answer.json()["ref"]).read_bytes() == content


def test_a_video_is_held_until_the_registry_tells_that_it_is_done(platform: Platform, town: Town) -> None:
    content = original("coffee")
    answer = platform.upload(content)
    assert (answer.status_code, answer.json()["outcome"]) == (202, "hold")
    ref = answer.json()["ref"]
    assert soon(lambda: platform.published(ref).exists())
    assert platform.published(ref).read_bytes() == content
    assert soon(lambda: undelivered(town.world) == 0)
    assert not platform.held(ref).exists()


def undelivered(world: World) -> int:
    """How many deliveries to webhooks are to be tried (again): one that was taken leaves the queue."""
    query = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'deliver_webhook'"
    with world.engine.connect() as connection:
        return int(connection.execute(text(query)).scalar_one())


def signed(secret: str, body: str, at: datetime | None = None) -> dict[str, str]:
    at = at or datetime.now(UTC)
    return {
        "webhook-id": "one",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("one", at, body),
    }


def test_only_what_the_registry_signed_just_now_is_believed(platform: Platform, town: Town) -> None:
    job = {
        "id": "j",
        "kind": "gate",
        "status": "failed",
        "progress": 1,
        "created_at": "2026-01-01T00:00:00Z",
    }
    body = json.dumps(job | {"events": "/v1/jobs/j/events"})
    good = signed(town.secret, body)
    assert platform.tell(body, good) == 204
    rotated = f"v1,AAAA v2,AAAA {good['webhook-signature']}"
    assert platform.tell(body, good | {"webhook-signature": rotated}) == 204
    refused = {
        "nothing is signed": {},
        "another secret": signed("whsec_" + "A" * 43 + "=", body),
        "another body": signed(town.secret, body + " "),
        "another time": good | {"webhook-timestamp": str(int(time.time()) + 7)},
        "another id": good | {"webhook-id": "two"},
        "an old one": signed(town.secret, body, datetime.now(UTC) - timedelta(hours=1)),
        "no number": good | {"webhook-timestamp": "soon"},
        "no signature": good | {"webhook-signature": "v1"},
        "half a signature": good | {"webhook-signature": good["webhook-signature"][:20]},
    }
    assert {why: platform.tell(body, headers) for why, headers in refused.items()} == dict.fromkeys(
        refused, 401
    )


def test_what_a_person_decided_meanwhile_is_done(kind: str, town: Town, tmp_path: Path) -> None:
    no_media = b"no picture at all"
    with running(kind, town, tmp_path) as platform:
        answers = [platform.upload(no_media) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    kept, removed = (answer.json()["ref"] for answer in answers)
    moderator = town.world.client(town.service.api_key.secret)
    for ref, outcome in ((kept, Outcome.ALLOW), (removed, Outcome.REFUSE)):
        (decision,) = moderator.list_decisions(content_ref=ref).decisions
        said = NewDecisionReview(by="Mia", reason="I looked.", confirmed=False, outcome=outcome)
        moderator.send(gate_calls.review_decision(decision.id, said))
    with running(kind, town, tmp_path) as platform:
        assert soon(lambda: platform.published(kept).exists())
        assert soon(lambda: not platform.held(removed).exists())
    assert not platform.published(removed).exists()


def test_a_key_that_the_registry_does_not_know_ends_in_on_failure(
    kind: str, town: Town, tmp_path: Path
) -> None:
    with running(kind, town, tmp_path, TRUEPRINT_API_KEY="tp_wrong") as platform:
        answer = platform.upload(encoded("coins"))
    assert answer.status_code == 202
    assert platform.held(answer.json()["ref"]).exists()


@pytest.mark.parametrize(("on_failure", "status", "stored"), [("allow", 200, True), ("refuse", 503, False)])
def test_without_a_registry_the_platforms_own_setting_decides(
    kind: str, town: Town, tmp_path: Path, on_failure: str, status: int, stored: bool
) -> None:
    with running(kind, town, tmp_path, TRUEPRINT_URL=NOWHERE, ON_FAILURE=on_failure) as platform:
        assert platform.upload(encoded("coins")).status_code == status
    assert any((tmp_path / "published").iterdir()) is stored
    assert not any((tmp_path / "held").iterdir())


def test_what_is_held_while_the_registry_is_stopped_is_asked_about_when_it_is_back(
    kind: str, town: Town, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stranger, swap = encoded("cat"), encoded(swapped(), quality=85)
    with running(kind, town, tmp_path) as platform:
        town.world.stop()
        answers = [platform.upload(content) for content in (stranger, swap)]
    assert [answer.status_code for answer in answers] == [202, 202]
    first, second = (answer.json()["ref"] for answer in answers)
    assert platform.held(first).read_bytes() == stranger
    log = tmp_path / "log"
    logged = log.read_text() if log.exists() else caplog.text
    assert first in logged
    assert PRIVATE_NAME not in logged
    assert not re.search("somebody|tp_", logged)
    town.world.start()
    with running(kind, town, tmp_path) as platform:
        assert soon(lambda: platform.published(first).exists())
        assert soon(lambda: not platform.held(second).exists())
    assert not platform.published(second).exists()


# The bot. Where discord.py is installed, it is also run on that.


async def moderated(content: bytes, client: AsyncClient, **more: Any) -> Action:
    async with client:
        return await discord_bot.moderate(
            content, content_ref=f"m{hash(content)}", author="17", text="look", client=client, **more
        )


def test_the_bot_deletes_a_face_swap_and_says_why(town: Town) -> None:
    action = asyncio.run(moderated(encoded(swapped(), quality=85), town.asking()))
    assert action.verb is Verb.DELETE
    assert "another face" in action.for_author
    assert "/decisions/" in action.for_moderators


def test_the_bot_keeps_a_picture_that_nobody_registered(town: Town) -> None:
    assert asyncio.run(moderated(encoded("rocket"), town.asking())).verb is Verb.KEEP


def test_the_bot_waits_for_a_video(town: Town) -> None:
    assert asyncio.run(moderated(original("coffee"), town.asking())).verb is Verb.KEEP


def test_the_bot_tells_moderators_what_was_not_decided(town: Town) -> None:
    away = asyncio.run(moderated(encoded("rocket"), AsyncClient(NOWHERE, "tp_key")))
    assert away == Action(Verb.REPORT, for_moderators="no decision: the registry does not answer")
    wrong = asyncio.run(moderated(encoded("rocket"), AsyncClient(town.world.url, "tp_wrong")))
    assert (wrong.verb, wrong.for_moderators[:12]) == (Verb.REPORT, "no decision:")
    unread = asyncio.run(moderated(b"no picture", town.asking(), on_failure=Verb.DELETE))
    assert unread.verb is Verb.DELETE


@pytest.mark.parametrize("outcome", Outcome)
def test_the_bot_knows_what_to_do_about_every_outcome(town: Town, outcome: Outcome) -> None:
    moderator = town.world.client(town.service.api_key.secret)
    (decision, *_) = moderator.list_decisions(limit=1).decisions or (moderator.gate(encoded("rocket")),)
    decided = decision.model_copy(update={"outcome": outcome, "failure": None, "label": None})
    assert discord_bot.action_of(decided, Verb.REPORT).verb is {
        Outcome.ALLOW: Verb.KEEP,
        Outcome.REFUSE: Verb.DELETE,
    }.get(outcome, Verb.REPORT)
    label = DecisionLabel(key="altered", text="Altered", language="en")
    labelled = discord_bot.action_of(decided.model_copy(update={"label": label}), Verb.REPORT)
    assert (labelled.verb is Verb.LABEL) is (outcome in (Outcome.LABEL, Outcome.DEMOTE))
    assert labelled.for_readers == "Altered"


@dataclass
class SaidBy:
    """Stands for whom or what a bot may send to: a member, a channel."""

    name: str
    done: list[str]
    bot: bool = False
    id: int = 17

    async def send(self, words: str) -> None:
        self.done.append(f"{self.name}: {words}")


@dataclass
class File:
    """Stands for `discord.Attachment`."""

    content: bytes
    content_type: str | None = "image/jpeg"
    id: int = 1445372718000000005

    @property
    def size(self) -> int:
        return len(self.content)

    async def read(self) -> bytes:
        return self.content


@dataclass
class Message:
    """Stands for `discord.Message`: the methods of it that the bot calls."""

    author: SaidBy
    attachments: list[File]
    done: list[str] = field(default_factory=list)
    id: int = 1445372718000000003
    content: str = "look"
    jump_url: str = "https://discord.com/channels/1/2/3"

    async def delete(self) -> None:
        self.done.append("deleted")

    async def reply(self, words: str, *, mention_author: bool) -> None:
        self.done.append(f"reply: {words}")


async def seen(town: Town, *files: File, of_a_bot: bool = False) -> list[str]:
    done: list[str] = []
    message = Message(SaidBy("author", done, bot=of_a_bot), list(files), done)
    async with town.asking() as client:
        await discord_bot.on_message(message, client, SaidBy("moderators", done))
    return done


def test_one_bad_file_is_enough_and_moderators_hear_of_it_first(town: Town) -> None:
    swap = File(encoded(swapped(), quality=85), id=1445372718000000006)
    first, second, third = asyncio.run(seen(town, File(encoded("rocket")), swap))
    assert first.startswith("moderators: delete https://discord.com/channels/1/2/3: refuse: A person in")
    assert second == "deleted"
    assert third.startswith("author: Your message was deleted. A person in")


def test_the_bot_is_silent_about_texts_bots_and_strangers(town: Town) -> None:
    swap = encoded(swapped(), quality=85)
    assert asyncio.run(seen(town, File(b"%PDF", "application/pdf"), File(encoded("rocket")))) == []
    assert asyncio.run(seen(town, File(swap, None))) == []
    assert asyncio.run(seen(town, File(swap), of_a_bot=True)) == []


def test_the_bot_works_with_the_classes_of_discord_py(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings(action="ignore"):  # of its imports
        discord = pytest.importorskip("discord", reason="discord.py is not installed")
    done = asyncio.run(in_discord(discord, town, encoded(swapped(), quality=85), monkeypatch))
    assert [one.split(" ")[:2] for one in done] == [
        ["GET", "/swap.jpg"],
        ["POST", "/channels/7/messages"],
        ["DELETE", "/channels/2/messages/1445372718000000004"],
        ["POST", "/users/@me/channels"],
        ["POST", "/channels/9/messages"],
    ]
    assert "delete https://discord.com/channels/1/2/1445372718000000004: refuse: A person" in done[1]
    assert "Your message was deleted. A person in" in done[4]


USER: dict[str, Any] = {"discriminator": "0", "avatar": None}
BOT_USER = USER | {"id": "50", "username": "gate", "bot": True}
ALICE = USER | {"id": "17", "username": "alice"}
MESSAGE: dict[str, Any] = {
    "embeds": [],
    "mentions": [],
    "mention_roles": [],
    "mention_everyone": False,
    "pinned": False,
    "tts": False,
    "type": 0,
    "timestamp": "2026-01-01T00:00:00+00:00",
    "edited_timestamp": None,
    "components": [],
}
CHANNEL: dict[str, Any] = {"type": 0, "name": "c", "position": 0, "permission_overwrites": []}
APPLICATION = {
    "id": "50",
    "name": "gate",
    "icon": None,
    "description": "",
    "verify_key": "",
    "owner": BOT_USER,
}
DISCORD = {  # what its service answers
    "/users/@me": BOT_USER,
    "/oauth2/applications/@me": APPLICATION | {"bot_public": False, "bot_require_code_grant": False},
    "/users/@me/channels": {"id": "9", "type": 1, "recipients": [ALICE]},
    "/channels/7/messages": MESSAGE
    | {"id": "98", "channel_id": "7", "content": "", "attachments": [], "author": BOT_USER},
    "/channels/9/messages": MESSAGE
    | {"id": "99", "channel_id": "9", "content": "", "attachments": [], "author": BOT_USER},
}


async def in_discord(
    discord: Any, town: Town, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """What discord.py asks of its service, here a stand-in, when a message with this file comes in."""
    web = pytest.importorskip("aiohttp.web")
    done: list[str] = []

    async def answer(request: Any) -> Any:
        done.append(f"{request.method} {request.path} {await request.text()}")
        if request.path == "/swap.jpg":
            return web.Response(body=content)
        if request.method == "DELETE":
            return web.Response(status=204)
        return web.Response(
            body=json.dumps(DISCORD[request.path]).encode(), content_type="application/json"
        )

    service = web.Application()
    service.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(service)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = "http://{}:{}".format(*runner.addresses[0])
    monkeypatch.setattr(discord.http.Route, "BASE", url)
    async with town.asking() as client, discord_bot.bot(client, 7) as made:
        await made.login("token")
        done.clear()
        state = made._connection
        channels = [CHANNEL | {"id": "2"}, CHANNEL | {"id": "7"}]
        state._add_guild(discord.Guild(data={"id": "1", "name": "g", "channels": channels}, state=state))
        at = f"{url}/swap.jpg"
        file = {"id": "1445372718000000005", "filename": "swap.jpg", "size": len(content), "url": at}
        came = {"id": "1445372718000000004", "channel_id": "2", "guild_id": "1", "content": "look"}
        files = [file | {"proxy_url": at, "content_type": "image/jpeg"}]
        state.parse_message_create(MESSAGE | came | {"author": ALICE, "attachments": files})
        async with asyncio.timeout(SOON_S):
            while len(done) < 5:
                await asyncio.sleep(0.02)
    await runner.cleanup()
    return done
