"""Statements reach the DSA Transparency Database once each, whatever breaks on the way."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import sdk.cli.dsa
import sdk.dsa
from sdk.client import Client
from sdk.dsa import (
    MOST_TRIES,
    BadAddress,
    BadToken,
    DatabaseAway,
    NotTheDatabase,
    RefusedStatement,
    Sent,
    send_statements,
)
from sdk.dsa_memory import BadMemory
from sdk.errors import SdkError
from tests.registry.gate.dsa_database import DsaDatabase, flaws_of

TOKEN = "7|ybqkCFX7ZkIFoLxtI0VAk1JBzMR9jVk4c4EU"
SENDING_PROGRAM = """
import json, sys
from pathlib import Path
from sdk.dsa import send_statements
address, token, memory, statements = sys.argv[1:]
print(send_statements(json.loads(statements), address, token, Path(memory)))
"""


def statement(number: int, **more: Any) -> dict[str, Any]:
    made = {
        "decision_visibility": ["DECISION_VISIBILITY_CONTENT_LABELLED"],
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
        "incompatible_content_ground": "Terms on manipulated media",
        "incompatible_content_explanation": "It is altered.",
        "content_type": ["CONTENT_TYPE_IMAGE"],
        "category": "STATEMENT_CATEGORY_OTHER_VIOLATION_TC",
        "content_date": "2026-12-01",
        "application_date": "2026-12-01",
        "decision_facts": "It was compared with registered media.",
        "source_type": "SOURCE_VOLUNTARY",
        "automated_detection": "Yes",
        "automated_decision": "AUTOMATED_DECISION_FULLY",
        "puid": f"decision-{number}",
    }
    return made | more


def statements(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [statement(number) for number in range(start, start + count)]


class Pauses:
    """Waits for nothing, and keeps how long it should have."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def database() -> Iterator[DsaDatabase]:
    with DsaDatabase(TOKEN) as running:
        yield running


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "sent" / "memory"


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


def posts(database: DsaDatabase) -> list[tuple[str, int]]:
    return [(path, count) for method, path, count in database.requests if method == "POST"]


def test_the_statements_of_these_tests_are_valid() -> None:
    assert flaws_of(statement(0)) == []


def test_statements_are_sent_in_batches_and_remembered(database: DsaDatabase, memory: Path) -> None:
    assert send_statements(iter(statements(250)), database.address, TOKEN, memory) == Sent(sent=250)
    batch = "/api/v1/statements"
    assert posts(database) == [(batch, 100), (batch, 100), (batch, 50)]
    assert list(database.stored.values()) == statements(250)
    asked = len(database.requests)
    again = send_statements(statements(251), database.address, TOKEN, memory)
    assert again == Sent(sent=1, remembered=250)
    assert len(database.requests) == asked + 1
    assert oct(memory.stat().st_mode & 0o777) == "0o600"
    assert TOKEN not in memory.read_text()


def test_nothing_to_send_asks_nothing(database: DsaDatabase, memory: Path) -> None:
    assert send_statements([], database.address, TOKEN, memory) == Sent()
    assert database.requests == []


def test_one_statement_twice_is_sent_once(database: DsaDatabase, memory: Path) -> None:
    sent = send_statements([*statements(3), *statements(3)], database.address, TOKEN, memory)
    assert sent == Sent(sent=3, remembered=3)
    assert posts(database) == [("/api/v1/statements", 3)]


def test_a_bad_statement_does_not_hold_up_its_batch(database: DsaDatabase, memory: Path) -> None:
    some = statements(4)
    some[2] = statement(2, decision_facts="a" * 5001)
    sent = send_statements(some, database.address, TOKEN, memory)
    assert sent.sent == 3
    assert sent.refused == (
        RefusedStatement("decision-2", "decision_facts: has 5001 characters, more than 5000"),
    )
    assert list(database.stored) == ["decision-0", "decision-1", "decision-3"]
    some[2] = statement(2)
    more = send_statements([*some, *statements(2, start=4)], database.address, TOKEN, memory)
    assert more == Sent(sent=3, remembered=3), "what was refused is sent again: it may be mended"
    assert posts(database)[-2:] == [("/api/v1/statements", 2), ("/api/v1/statement", 1)]


@pytest.mark.parametrize("puid", [None, "", "urn:uuid:1", "../../user", "a b", "a" * 501, 7])
def test_a_name_that_no_statement_can_have_is_never_sent(
    database: DsaDatabase, memory: Path, puid: Any
) -> None:
    sent = send_statements([statement(0, puid=puid), statement(1)], database.address, TOKEN, memory)
    assert sent.sent == 1
    assert [one.puid for one in sent.refused] == [""]
    assert posts(database) == [("/api/v1/statements", 1)]


def test_what_somebody_else_sent_is_there_already(database: DsaDatabase, memory: Path) -> None:
    send_statements(statements(2), database.address, TOKEN, memory.with_name("another"))
    sent = send_statements(statements(4), database.address, TOKEN, memory)
    assert sent == Sent(sent=2, already_there=2)
    assert len(database.stored) == 4


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_busy_database_is_asked_again_ever_more_slowly(
    database: DsaDatabase, memory: Path, pauses: Pauses, status: int
) -> None:
    database.fail(4, status)
    sent = send_statements(statements(3), database.address, TOKEN, memory, pause=pauses)
    assert sent == Sent(sent=3)
    waited = pauses.seconds
    assert len(waited) == 4
    if status == 429:
        assert all(2**tries <= seconds <= 1.5 * 2**tries for tries, seconds in enumerate(waited))
    assert posts(database) == [("/api/v1/statements", 3)]


def test_a_database_that_says_when_is_asked_then(
    database: DsaDatabase, memory: Path, pauses: Pauses
) -> None:
    database.fail(2, 429, retry_after="40")
    database.fail(1, 503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT")
    assert send_statements(statements(1), database.address, TOKEN, memory, pause=pauses) == Sent(sent=1)
    assert [40 <= seconds <= 60 for seconds in pauses.seconds] == [True, True, False]
    database.fail(1, 503, retry_after="86400")
    with pytest.raises(DatabaseAway, match="status 503 and asks for 86400 s; 0 statements were sent"):
        send_statements(statements(2), database.address, TOKEN, memory, pause=pauses)
    assert len(pauses.seconds) == 3


def test_who_does_not_answer_is_given_up_and_gone_on_with_later(
    database: DsaDatabase, memory: Path, pauses: Pauses
) -> None:
    some = statements(150)

    def broken_after_the_first() -> Iterator[dict[str, Any]]:
        for number, one in enumerate(some):
            if number == 149:
                database.fail(MOST_TRIES)
            yield one

    with pytest.raises(DatabaseAway, match="100 statements were sent before and are remembered"):
        send_statements(broken_after_the_first(), database.address, TOKEN, memory, pause=pauses)
    assert len(pauses.seconds) == MOST_TRIES - 1
    assert send_statements(some, database.address, TOKEN, memory) == Sent(sent=50, remembered=100)
    assert list(database.stored.values()) == some


@pytest.mark.parametrize("lookups_lag", [False, True])
@pytest.mark.parametrize("stored", [False, True])
def test_a_lost_answer_neither_loses_nor_doubles_a_statement(
    database: DsaDatabase, memory: Path, pauses: Pauses, stored: bool, lookups_lag: bool
) -> None:
    database.lookups_lag = lookups_lag
    database.drop(2, stored=stored)
    sent = send_statements(statements(5), database.address, TOKEN, memory, pause=pauses)
    assert sent == (Sent(already_there=5) if stored else Sent(sent=5))
    assert list(database.stored.values()) == statements(5)
    if stored and not lookups_lag:
        assert posts(database) == [("/api/v1/statements", 5)], "it asked before it sent them again"
    assert send_statements(statements(5), database.address, TOKEN, memory) == Sent(remembered=5)


def test_who_is_killed_between_storing_and_remembering_sends_nothing_twice(
    database: DsaDatabase, memory: Path
) -> None:
    database.may_answer.clear()
    command = [sys.executable, "-c", SENDING_PROGRAM, database.address, TOKEN, str(memory)]
    with subprocess.Popen([*command, json.dumps(statements(3))], stdout=subprocess.DEVNULL) as sender:
        assert database.stored_one.wait(60)
        os.kill(sender.pid, signal.SIGKILL)
    database.may_answer.set()
    assert "there" not in memory.read_text()
    sent = send_statements(statements(4), database.address, TOKEN, memory)
    assert sent == Sent(sent=1, already_there=3)
    assert posts(database) == [("/api/v1/statements", 3), ("/api/v1/statements", 1)]
    assert list(database.stored.values()) == statements(4)


def test_who_was_killed_before_sending_loses_nothing(database: DsaDatabase, memory: Path) -> None:
    memory.parent.mkdir()
    memory.write_text(f"database {database.address}\nsending decision-0\nsending decision-9\n")
    sent = send_statements(statements(2), database.address, TOKEN, memory)
    assert sent == Sent(sent=2, missing=("decision-9",)), "it has no statement of that name to send"
    assert send_statements(statements(10), database.address, TOKEN, memory) == Sent(sent=8, remembered=2)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 400))
def test_a_memory_that_was_cut_off_anywhere_is_read_as_far_as_it_is_whole(
    database: DsaDatabase, tmp_path: Path, cut: int
) -> None:
    memory = tmp_path / "memory"
    memory.unlink(missing_ok=True)
    database.stored.clear()
    send_statements(statements(5), database.address, TOKEN, memory)
    memory.write_bytes(memory.read_bytes()[:cut])
    sent = send_statements(statements(5), database.address, TOKEN, memory)
    assert (sent.sent, sent.already_there + sent.remembered, sent.refused) == (0, 5, ())
    assert list(database.stored) == [f"decision-{number}" for number in range(5)]
    assert send_statements(statements(5), database.address, TOKEN, memory) == Sent(remembered=5)


class Killed(BaseException):
    """As the power fails: nothing is tidied up."""


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_however_often_it_is_killed_each_statement_is_there_once(
    database: DsaDatabase, tmp_path: Path, seed: int
) -> None:
    chance, memory, some = random.Random(seed), tmp_path / "memory", statements(7)
    some[3] = statement(3, category="STATEMENT_CATEGORY_DEEPFAKES")
    memory.unlink(missing_ok=True)
    database.stored.clear()
    database.lookups_lag = chance.random() < 0.3
    transport = httpx2.HTTPTransport()

    def sometimes_killed(request: httpx2.Request) -> httpx2.Response:
        if chance.random() < 0.06:
            raise Killed
        response = transport.handle_request(request)
        response.read()
        if chance.random() < 0.06:
            raise Killed
        return response

    for _ in range(60):
        try:
            sent = send_statements(
                some, database.address, TOKEN, memory, transport=httpx2.MockTransport(sometimes_killed)
            )
        except Killed:
            continue
        assert [one.puid for one in sent.refused] == ["decision-3"]
        break
    else:
        pytest.fail("it never came to its end")
    transport.close()
    assert sorted(database.stored) == sorted(one["puid"] for one in some if one is not some[3])


def test_a_wrong_token_is_said_plainly_and_never_shown(
    database: DsaDatabase, memory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    with pytest.raises(BadToken, match=r"127\.0\.0\.1:\d+ refuses the token \(status 401\)") as said:
        send_statements(statements(2), database.address, "8|secret", memory)
    for word in ("two words", "", "zweiß", "line\n"):
        with pytest.raises(BadToken, match="one word") as malformed:
            send_statements(statements(2), database.address, word, memory)
        assert not word or word not in str(malformed.value)
    assert "8|secret" not in str(said.value) + caplog.text + memory.read_text()
    assert database.stored == {}
    assert send_statements(statements(2), database.address, TOKEN, memory) == Sent(sent=2)


@pytest.mark.parametrize(
    "address",
    [
        "http://transparency.dsa.ec.europa.eu",
        "http://127.0.0.1.example",
        "http://10.0.0.1",
        "ftp://127.0.0.1",
        "https://",
        "transparency.dsa.ec.europa.eu",
        "https://name:word@transparency.dsa.ec.europa.eu",
        "https://transparency.dsa.ec.europa.eu/?a=b",
        "https://[::1",
        "https://transparency.dsa.ec.europa.eu:99999",
    ],
)
def test_a_token_goes_nowhere_where_others_listen(memory: Path, address: str) -> None:
    with pytest.raises(BadAddress):
        send_statements(statements(1), address, TOKEN, memory)
    assert not memory.exists()


@pytest.mark.parametrize("ending", ["", "/", "/api/v1", "/api/v1/"])
def test_an_address_may_be_given_as_the_database_writes_it(
    database: DsaDatabase, memory: Path, ending: str
) -> None:
    assert send_statements(statements(1), database.address + ending, TOKEN, memory) == Sent(sent=1)
    assert send_statements(statements(1), database.address, TOKEN, memory) == Sent(remembered=1)


@pytest.mark.parametrize("address", ["https://[::1]:7", "http://[::1]:7/", "http://localhost:7"])
def test_a_loopback_address_may_go_without_https(memory: Path, address: str, pauses: Pauses) -> None:
    refusing = httpx2.MockTransport(lambda _: httpx2.Response(500))
    with pytest.raises(DatabaseAway):
        send_statements(statements(1), address, TOKEN, memory, transport=refusing, pause=pauses)


@pytest.mark.parametrize(
    "response",
    [
        httpx2.Response(200, json={"statements": []}),
        httpx2.Response(204),
        httpx2.Response(302, headers={"Location": "https://elsewhere.example/login"}),
        httpx2.Response(302, json={"puid": "another"}),
        httpx2.Response(201, content=b"<html>"),
        httpx2.Response(201, json={"message": "sign in"}),
        httpx2.Response(201, json={"statements": []}),
        httpx2.Response(201, json={"statements": {"puid": "decision-0"}}),
        httpx2.Response(404, content=b"<html>"),
        httpx2.Response(405),
    ],
)
def test_what_is_not_the_database_is_not_believed(memory: Path, response: httpx2.Response) -> None:
    other = httpx2.MockTransport(lambda _: response)
    with pytest.raises(NotTheDatabase, match="is that the address"):
        send_statements(statements(1), "https://there", TOKEN, memory, transport=other)
    assert memory.read_text() == "database https://there\nsending decision-0\n"


def test_a_redirect_of_a_look_up_does_not_say_that_a_statement_is_there(memory: Path) -> None:
    memory.parent.mkdir()
    memory.write_text("database https://there\nsending decision-0\n")
    login = httpx2.MockTransport(
        lambda _: httpx2.Response(302, headers={"Location": "https://there/login"}, content=b"<html>")
    )
    with pytest.raises(NotTheDatabase):
        send_statements(statements(1), "https://there", TOKEN, memory, transport=login)
    assert "there decision" not in memory.read_text().replace("https://there", "")


@pytest.mark.parametrize("answer", [{"message": "sign in"}, {"puid": "another"}])
def test_a_single_statement_is_there_when_its_own_name_is_answered(
    memory: Path, answer: dict[str, str]
) -> None:
    def refusing_batches(request: httpx2.Request) -> httpx2.Response:
        is_batch = request.url.path.endswith("/statements")
        return httpx2.Response(422, json={"errors": {}}) if is_batch else httpx2.Response(201, json=answer)

    other = httpx2.MockTransport(refusing_batches)
    with pytest.raises(NotTheDatabase, match="status 201"):
        send_statements(statements(1), "https://there", TOKEN, memory, transport=other)
    assert "there decision" not in memory.read_text()


class Dripping(httpx2.SyncByteStream):
    """An answer that comes a byte at a time, and has no end for whoever waits for it."""

    def __init__(self) -> None:
        self.given = 0

    def __iter__(self) -> Iterator[bytes]:
        while self.given < 10_000:
            self.given += 1
            time.sleep(0.001)
            yield b" "


def test_an_answer_that_drips_is_not_waited_for(
    memory: Path, pauses: Pauses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sdk.dsa, "ANSWER_WITHIN_S", 0.01)
    streams: list[Dripping] = []

    def drip(_: httpx2.Request) -> httpx2.Response:
        streams.append(Dripping())
        return httpx2.Response(201, stream=streams[-1])

    with pytest.raises(DatabaseAway, match=r"does not come to an end of its answer within 0\.01 s"):
        send_statements(
            statements(1),
            "https://there",
            TOKEN,
            memory,
            transport=httpx2.MockTransport(drip),
            pause=pauses,
        )
    assert len(streams) == MOST_TRIES
    assert all(one.given < 10_000 for one in streams)
    assert memory.read_text() == "database https://there\nsending decision-0\n"


def test_a_memory_is_of_one_database_and_of_one_run_at_a_time(database: DsaDatabase, memory: Path) -> None:
    send_statements(statements(1), database.address, TOKEN, memory)
    with pytest.raises(BadMemory, match="each database has a file of its own"):
        send_statements(statements(1), "https://transparency.dsa.ec.europa.eu", TOKEN, memory)

    def sends_itself() -> Iterator[dict[str, Any]]:
        with pytest.raises(BadMemory, match="is in use"):
            send_statements(statements(1), database.address, TOKEN, memory)
        yield statement(1)

    assert send_statements(sends_itself(), database.address, TOKEN, memory) == Sent(sent=1)


@pytest.mark.parametrize("line", ["there", "there a b", "gone a", "", "there \x00", "there é", "there a\r"])
def test_a_memory_that_somebody_else_wrote_is_refused(
    database: DsaDatabase, memory: Path, line: str
) -> None:
    memory.parent.mkdir()
    memory.write_bytes(f"database {database.address}\nthere decision-0\n{line}\nthere a\n".encode())
    before = memory.read_bytes()
    with pytest.raises(BadMemory, match="line 3"):
        send_statements(statements(1), database.address, TOKEN, memory)
    assert memory.read_bytes() == before


def test_a_memory_that_cannot_be_kept_sends_nothing(
    database: DsaDatabase, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.mkdir(parents=True)
    with pytest.raises(BadMemory):
        send_statements(statements(1), database.address, TOKEN, memory)
    memory.rmdir()
    (memory.parent / "elsewhere").write_text("of somebody")
    memory.symlink_to(memory.parent / "elsewhere")
    with pytest.raises(BadMemory):
        send_statements(statements(1), database.address, TOKEN, memory)
    memory.unlink()
    send_statements([], database.address, TOKEN, memory)

    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(BadMemory, match="No space left"):
        send_statements(statements(1), database.address, TOKEN, memory)
    assert posts(database) == []


def test_the_words_of_a_refusal_cannot_steer_a_terminal(memory: Path) -> None:
    def refusing(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(422, json={"errors": {"puid": ["\x1b[2J" + "\u202e" + "no" * 900]}})

    sent = send_statements(
        statements(1), "https://there", TOKEN, memory, transport=httpx2.MockTransport(refusing)
    )
    assert sent.refused[0].reason.startswith("puid:  [2J nono")
    assert len(sent.refused[0].reason) == 500


def test_every_error_is_one_of_the_sdk() -> None:
    assert all(issubclass(one, SdkError) for one in (BadAddress, BadToken, DatabaseAway, BadMemory))


class Registry:
    """Pages of statements, as a registry answers with them."""

    def __init__(self, *pages: Sequence[dict[str, Any]]) -> None:
        self.pages, self.asked = pages, list[dict[str, str]]()

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        assert (request.method, request.url.path) == ("GET", "/v1/decisions/statements")
        self.asked.append(dict(request.url.params))
        number = int(request.url.params.get("cursor", 0))
        following = str(number + 1) if number + 1 < len(self.pages) else None
        return httpx2.Response(200, json={"statements": self.pages[number], "next": following})


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    made = Registry([statement(2)], [], [statement(1), statement(0)])

    @contextmanager
    def connected(*_: object) -> Iterator[Client]:
        with Client("https://registry.example", transport=httpx2.MockTransport(made)) as client:
            yield client

    monkeypatch.setattr(sdk.cli.dsa, "connect", connected)
    return made


def run(*arguments: str) -> Any:
    app = typer.Typer()
    sdk.cli.dsa.join(app)
    return CliRunner().invoke(app, ["dsa", *arguments])


def test_export_writes_the_statements_of_all_pages(registry: Registry, tmp_path: Path) -> None:
    expected = [statement(2), statement(1), statement(0)]
    printed = run("export", "--since", "2026-12-01")
    assert printed.exit_code == 0, printed.output
    assert [json.loads(line) for line in printed.stdout.splitlines()] == expected
    asked = {"limit": "100", "since": "2026-12-01T00:00:00+00:00"}
    assert registry.asked == [asked, asked | {"cursor": "1"}, asked | {"cursor": "2"}]
    out = tmp_path / "statements"
    assert run("export", "--out", str(out), "--batches").exit_code == 0
    assert [json.loads(line) for line in out.read_text().splitlines()] == [{"statements": expected}]
    assert os.listdir(tmp_path) == ["statements"]


def test_send_sends_them_and_says_what_became_of_each(
    registry: Registry, database: DsaDatabase, memory: Path, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    options = ["--to", database.address, "--token-file", str(tmp_path / "token"), "--memory", str(memory)]
    done = run("send", *options)
    assert done.exit_code == 0, done.output
    assert "3 sent, 0 were there already, 0 were sent before, 0 refused" in done.stderr
    assert run("send", *options, "--json").stdout == (
        '{"sent": 0, "already_there": 0, "remembered": 3, "refused": 0, "missing": []}\n'
    )
    registry.pages = ([statement(7, category="another")],)
    refused = run("send", *options)
    assert refused.exit_code == 1
    assert refused.stdout.startswith("decision-7: category: 'another' is not allowed")
    assert TOKEN not in done.output + refused.output
