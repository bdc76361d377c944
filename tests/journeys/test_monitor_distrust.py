"""Whoever follows a log loses no checkpoint that it signed, whatever it hides and whoever answers."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sdk.checkpoint import verifier_key
from sdk.cli.kept_log import folder_name
from sdk.errors import Unreachable
from sdk.log_keys import RETIREMENT, SUCCESSION, KeyChange
from sdk.models import CommittedNote, LogKeys
from tests.journeys.test_monitor import trueprint
from tests.logs import KEY, ORIGIN, PRIVATE_KEY, entries_of, mirrored, note_over

NEXT_PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(bytes([8]) * 32)
NEXT_KEY = verifier_key(NEXT_PRIVATE_KEY, ORIGIN)
FORKED = note_over([*entries_of(350), b"another"])
PINNED = ("--log-key", KEY.text())


class Served:
    """A log's files at an address; `instead` replaces what begins so by a status or other bytes."""

    def __init__(self, folder: Path) -> None:
        self.instead: dict[str, int | bytes] = {}
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                file = folder / self.path.lstrip("/")
                content: int | bytes = file.read_bytes() if file.is_file() else 404
                for path, other in served.instead.items():
                    content = other if self.path.startswith(path) else content
                if content == 0:
                    return  # the connection is closed
                self.send_response(content if isinstance(content, int) else 200)
                self.end_headers()
                if isinstance(content, bytes):
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    log = Served(mirrored(entries_of(300), tmp_path / "log"))
    yield log
    log.close()


def test_a_fork_whose_tiles_are_not_answered_is_found_later(served: Served, tmp_path: Path) -> None:
    look = ("monitor", served.url, "--state", tmp_path / "state", *PINNED)
    assert trueprint(*look).exit_code == 0
    served.instead = {"/checkpoint": FORKED.encode(), "/tile": 503}
    for _ in range(2):
        done = trueprint(*look)
        assert isinstance(done.exception, Unreachable), "which is exit code 4: nothing is said of the log"
    [kept] = (tmp_path / "state").glob("shown-*")
    assert kept.read_text() == FORKED
    served.instead = {}
    mirrored(entries_of(400), tmp_path / "log")
    done = trueprint(*look)
    assert done.exit_code == 3
    assert "forked" in done.output


def test_a_checkpoint_of_this_history_is_not_kept(served: Served, tmp_path: Path) -> None:
    look = ("monitor", served.url, "--state", tmp_path / "state", *PINNED)
    assert trueprint(*look).exit_code == 0
    served.instead = {"/tile": 503}
    mirrored(entries_of(400), tmp_path / "log")
    assert isinstance(trueprint(*look).exception, Unreachable)
    served.instead = {}
    mirrored(entries_of(500), tmp_path / "log")
    assert trueprint(*look).exit_code == 0
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["state.json"]


@pytest.mark.parametrize("keys", [0, 503, b"[]", b"{"])
def test_a_stranger_s_checkpoint_is_a_finding_also_where_no_keys_are_told(
    served: Served, tmp_path: Path, keys: int | bytes
) -> None:
    look = ("monitor", served.url, "--state", tmp_path / "state", *PINNED)
    assert trueprint(*look).exit_code == 0
    stranger = note_over(entries_of(301), NEXT_PRIVATE_KEY)
    served.instead = {"/checkpoint": stranger.encode(), "/v1/log/keys": keys}
    done = trueprint(*look)
    assert done.exit_code == 3, done.output
    assert "bad checkpoint: the checkpoint is not signed by the expected key" in done.output


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """The log's key was succeeded at 380 entries and retired at 390."""
    at, old, new = (
        datetime(2026, 11, 30, tzinfo=UTC),
        (KEY, PRIVATE_KEY.sign),
        (NEXT_KEY, NEXT_PRIVATE_KEY.sign),
    )
    notes = (
        KeyChange(SUCCESSION, ORIGIN, KEY, NEXT_KEY, 380, at).signed([old, new]),
        KeyChange(RETIREMENT, ORIGIN, KEY, NEXT_KEY, 390, at).signed([new]),
    )
    committed = tuple(CommittedNote(note=note, log_index=None, salt=None) for note in notes)
    file = tmp_path / "keys.json"
    file.write_text(LogKeys(origin=ORIGIN, keys=(), notes=committed).model_dump_json())
    return file


def test_what_an_earlier_key_signed_is_held_against_the_log(tmp_path: Path, key_file: Path) -> None:
    log, state = mirrored(entries_of(300), tmp_path / "log"), tmp_path / "state"
    look = ("monitor", log, "--state", state, *PINNED, "--log-keys", key_file)
    assert trueprint(*look).exit_code == 0
    (log / "checkpoint").write_text(FORKED)
    assert "not served" in trueprint(*look).output
    (log / "checkpoint").unlink()
    mirrored(entries_of(400), log, NEXT_PRIVATE_KEY)
    for _ in range(2):
        done = trueprint(*look)
        assert done.exit_code == 3, done.output
        assert "forked" in done.output
        assert "signed by another key" in done.output
    [kept] = state.glob("shown-*")
    for size in (0, 1, 256, 351, 390):
        kept.write_text(note_over(entries_of(size)))
        assert trueprint(*look).exit_code == 0, size
        assert not kept.exists()
    kept.write_text(note_over(entries_of(391)))
    assert "does not sign trees of 391 entries" in trueprint(*look).output


def test_a_receipt_of_an_earlier_key_is_held_against_the_log(tmp_path: Path, key_file: Path) -> None:
    log, state = mirrored(entries_of(400), tmp_path / "log", NEXT_PRIVATE_KEY), tmp_path / "state"
    claim = tmp_path / "claim"
    look = ("monitor", log, "--state", state, "--log-key", NEXT_KEY.text(), "--log-keys", key_file)
    claim.write_text(note_over(entries_of(350)))
    assert trueprint(*look, "--against", claim).exit_code == 0
    claim.write_text(FORKED)
    assert "forked" in trueprint(*look, "--against", claim).output
    assert [path.read_text() for path in state.glob("shown-*")] == [FORKED]


def test_a_receipt_of_the_next_key_is_held_against_the_log(tmp_path: Path, key_file: Path) -> None:
    log, claim = mirrored(entries_of(388), tmp_path / "log"), tmp_path / "claim"
    look = ("monitor", log, "--state", tmp_path / "state", *PINNED, "--log-keys", key_file)
    claim.write_text(note_over(entries_of(385), NEXT_PRIVATE_KEY))
    assert trueprint(*look, "--against", claim).exit_code == 0
    claim.write_text(note_over([*entries_of(385), b"another"], NEXT_PRIVATE_KEY))
    assert "forked" in trueprint(*look, "--against", claim).output


def test_a_retired_key_is_not_believed_for_more_entries(tmp_path: Path, key_file: Path) -> None:
    log = mirrored(entries_of(390), tmp_path / "log")
    look = ("monitor", log, "--state", tmp_path / "state", *PINNED, "--log-keys", key_file)
    assert trueprint(*look).exit_code == 0
    mirrored([*entries_of(390), b"of a thief"], log)
    done = trueprint(*look)
    assert done.exit_code == 3
    assert "bad checkpoint" in done.output
    assert "retired at 390" in done.output
    assert list((tmp_path / "state").glob("shown-*")) == []


def test_what_a_retired_key_signed_is_a_finding_where_the_log_is_mirrored(
    tmp_path: Path, key_file: Path
) -> None:
    log, mirror = mirrored(entries_of(395), tmp_path / "log"), tmp_path / "mirror"
    look = ("monitor", log, "--state", tmp_path / "state", "--mirror", mirror, *PINNED)
    assert trueprint(*look).exit_code == 0
    (log / "checkpoint").unlink()
    mirrored(entries_of(400), log, NEXT_PRIVATE_KEY)
    done = trueprint(*look, "--log-keys", key_file)
    assert done.exit_code == 3, done.output
    assert "does not sign trees of 395 entries" in done.output


@pytest.mark.parametrize("content", [b"\xff", b"cut", FORKED[:-9].encode()])
def test_a_kept_checkpoint_that_is_damaged_is_said(tmp_path: Path, content: bytes) -> None:
    log, state = mirrored(entries_of(3), tmp_path / "log"), tmp_path / "state"
    state.mkdir()
    (state / "shown-a").write_bytes(content)
    done = trueprint("monitor", log, "--state", state, *PINNED)
    assert done.exit_code == 3
    assert "shown-a" in done.output


def test_a_checkpoint_and_a_fork_are_kept_once_and_no_more_than_a_hundred(tmp_path: Path) -> None:
    log, state = mirrored(entries_of(300), tmp_path / "log"), tmp_path / "state"
    look = ("monitor", log, "--state", state, *PINNED)
    assert trueprint(*look).exit_code == 0
    for name in ("a", "b"):
        (log / "checkpoint").write_text(f"{FORKED}\u2014 {name} AAAAAAAA\n")
        assert trueprint(*look).exit_code == 3
    assert len(list(state.glob("shown-*"))) == 1
    (log / "checkpoint").write_text(note_over(entries_of(300)))
    mirrored(entries_of(400), log)
    assert [trueprint(*look).exit_code for _ in range(2)] == [3, 3]
    assert len(list(state.glob("fork-*"))) == 1
    for number in range(99):
        (state / f"shown-{number}").write_text(FORKED)
    (log / "checkpoint").write_text(note_over([*entries_of(600), b"another"]))
    assert "no more are kept" in trueprint(*look).output
    assert len(list(state.glob("shown-*"))) == 100


@pytest.mark.parametrize("place", ["address", "folder", "folder of no state"])
def test_looking_again_goes_on_past_a_checkpoint_that_is_none(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    checkpoint = tmp_path / "log" / "checkpoint"
    honest = checkpoint.read_bytes()
    steps: list[Callable[[], object]] = [
        lambda: checkpoint.write_bytes(b"\xff"),
        lambda: checkpoint.write_bytes(b"a" * (1 << 17)),
        lambda: checkpoint.write_bytes(honest),
        lambda: checkpoint.write_text(note_over(entries_of(300), NEXT_PRIVATE_KEY)),
    ]
    left = steps.copy()
    monkeypatch.setattr("sdk.cli.follow.time.sleep", lambda _: left.pop(0)())
    log = served.url if place == "address" else tmp_path / "log"
    state = () if place == "folder of no state" else ("--state", tmp_path / "state")
    checkpoint.unlink()
    done = trueprint("monitor", log, *PINNED, *state, "--every", 1)
    assert (done.exit_code, left) == (3, []), done.output
    for said in (
        "is not there",
        "is no text",
        "is longer",
        "one history",
        "not signed by the expected key",
    ):
        assert said in done.output


def test_what_is_remembered_of_every_log_has_a_folder_of_its_own() -> None:
    origins = (
        "registry.example",
        "registry.example/log",
        "registry.example_log",
        "REGISTRY.example",
        "\u00e9",
    )
    odd = ("..", ".", "a/../..", "\\", "x" * 300, "x" * 301, "/etc")
    names = [folder_name(origin) for origin in (*origins, *odd)]
    assert names[0] == "registry.example"
    assert len({name.lower() for name in names}) == len(names)
    assert all(os.path.basename(name) == name and name.strip(".") and len(name) < 150 for name in names)
