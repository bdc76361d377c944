"""Whoever follows a log finds every way in which it does not keep to one history."""

import copy
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from sdk.checkpoint import BadCheckpoint
from sdk.compact_range import CompactRange
from sdk.errors import Unreachable
from sdk.forks import BadEvidence, fork_evidence, verify_fork
from sdk.log_monitor import Fault, Finding, Followed, compare, follow, proof_between
from sdk.log_reader import HttpSource
from sdk.log_state import BadState, load_state, save_state
from sdk.merkle import BadProof, leaf_hash, root_of
from tests.logs import KEY, ServedLog, entries_of, note_over

START = Followed()


def followed(entries: list[bytes], before: Followed = START) -> Followed:
    after, findings = follow(ServedLog(entries).reader(), KEY, before)
    assert findings == ()
    return after


def finding(log: ServedLog, before: Followed = START) -> Finding:
    after, findings = follow(log.reader(), KEY, before)
    assert after == before, "what was followed stays where everything held"
    assert len(findings) == 1
    return findings[0]


@given(st.lists(st.integers(0, 300), max_size=6))
def test_a_tree_that_grows_has_the_root_of_the_whole(steps: list[int]) -> None:
    entries, tree = entries_of(sum(steps)), CompactRange()
    for entry in entries:
        tree.append(leaf_hash(entry))
    assert tree.root() == root_of([leaf_hash(entry) for entry in entries])
    assert CompactRange(tree.size, tree.hashes).root() == tree.root()


def test_a_tree_is_not_made_of_too_few_hashes() -> None:
    with pytest.raises(BadProof):
        CompactRange(3, [bytes(32)])
    with pytest.raises(BadProof):
        CompactRange(1, [bytes(31)])


def test_a_log_is_followed_across_tiles_and_no_full_bundle_is_read_twice() -> None:
    entries, before = entries_of(1000), START
    for size in (0, 0, 1, 3, 255, 256, 257, 512, 999, 1000):
        log = ServedLog(entries[:size])
        before, findings = follow(log.reader(), KEY, before)
        assert findings == ()
        assert before.tree.size == size
        read = [path for path in log.asked if path != "checkpoint"]
        assert len(read) <= 2, f"at {size} only what is new is read"


@pytest.mark.parametrize(("before", "after"), [(4, 9), (5, 9), (256, 300), (300, 300), (7, 1000), (1, 2)])
def test_a_fork_is_found_and_its_evidence_holds_by_itself(before: int, after: int) -> None:
    seen = followed(entries_of(before))
    found = finding(ServedLog(entries_of(after, "another")), seen)
    assert found.fault == Fault.FORKED
    older, newer = verify_fork(found.evidence, KEY)
    assert (older.size, newer.size) == (before, after)
    assert verify_fork(found.evidence) == (older, newer), "the key is in it"


def test_a_log_that_forked_and_went_back_is_found_too() -> None:
    seen = followed(entries_of(9))
    log = ServedLog(entries_of(9), note_over(entries_of(5, "another")))
    found = finding(log, seen)
    assert found.fault == Fault.FORKED
    assert [checkpoint.size for checkpoint in verify_fork(found.evidence, KEY)] == [5, 9]


def test_a_restored_old_copy_is_found_and_is_no_fork_by_itself() -> None:
    found = finding(ServedLog(entries_of(5)), followed(entries_of(9)))
    assert found.fault == Fault.WENT_BACK
    assert found.evidence is None


def test_a_changed_entry_is_found() -> None:
    entries = entries_of(300)
    log = ServedLog([*entries[:280], b"changed", *entries[281:]], note_over(entries))
    log.instead = {
        path: ServedLog(entries).read(path, 1 << 20)
        for path in ("tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1")
    }
    assert finding(log, followed(entries[:270])).fault == Fault.BAD_ENTRIES
    assert finding(log).fault == Fault.BAD_ENTRIES


@pytest.mark.parametrize(
    "instead",
    [
        {"tile/entries/001.p/44": None},
        {"tile/entries/001.p/44": b"\x00\x01a"},
        {"tile/entries/001.p/44": b"\x00\x09short"},
        {"tile/entries/001.p/44": bytes(1 << 25)},
    ],
)
def test_what_is_missing_or_damaged_is_found(instead: dict[str, bytes | None]) -> None:
    log = ServedLog(entries_of(300))
    log.instead = instead
    found = finding(log, followed(entries_of(270)))
    assert found.fault == Fault.NOT_SERVED


def test_a_partial_bundle_may_be_gone_once_the_full_one_is_there() -> None:
    log = ServedLog(entries_of(300), note_over(entries_of(200)))
    log.instead = {"tile/entries/000.p/200": None}
    after, findings = follow(log.reader(), KEY, START)
    assert findings == ()
    assert after.tree.size == 200


@pytest.mark.parametrize("note", ["", "no checkpoint\n", "a\n1\nAAAA\n\n\u2014 a AAAAAAAA\n"])
def test_a_checkpoint_that_is_none_is_found(note: str) -> None:
    log = ServedLog(entries_of(3))
    log.instead = {"checkpoint": note.encode()}
    assert finding(log).fault == Fault.BAD_CHECKPOINT
    log.instead = {"checkpoint": b"\xff"}
    assert finding(log).fault == Fault.BAD_CHECKPOINT


def test_a_checkpoint_of_another_key_is_found() -> None:
    stranger = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)
    log = ServedLog(entries_of(3), note_over(entries_of(3), stranger))
    assert finding(log).fault == Fault.BAD_CHECKPOINT


def test_a_checkpoint_from_elsewhere_is_held_against_the_log() -> None:
    entries = entries_of(600)
    log, seen = ServedLog(entries), followed(entries)
    for size in (0, 1, 2, 255, 256, 511, 512, 600):
        assert compare(log.reader(), KEY, seen, note_over(entries[:size])) is None
    for size in (1, 2, 255, 256, 512, 600):
        other = compare(log.reader(), KEY, seen, note_over(entries_of(size, "another")))
        assert other is not None
        assert other.fault == Fault.FORKED
        verify_fork(other.evidence, KEY)
    hidden = compare(log.reader(), KEY, seen, note_over(entries_of(601)))
    assert hidden is not None
    assert hidden.fault == Fault.WENT_BACK
    with pytest.raises(BadCheckpoint):
        compare(log.reader(), KEY, seen, "not a note")


def evidence_of(before: int, after: int) -> dict[str, Any]:
    evidence = finding(ServedLog(entries_of(after, "another")), followed(entries_of(before))).evidence
    assert evidence is not None
    return evidence


@pytest.mark.parametrize(("before", "after"), [(5, 9), (4, 9), (5, 5)])
def test_evidence_that_was_changed_does_not_hold(before: int, after: int) -> None:
    evidence = evidence_of(before, after)
    other = note_over(entries_of(8))
    changes: list[dict[str, Any]] = [
        {"kind": "another"},
        {"more": 1},
        {"older": evidence["newer"]},
        {"older": other},
        {"newer": evidence["older"]},
        {"newer": None},
        {"proof": None},
        {"proof": [*evidence["proof"], "AAAA"]},
        {"proof": [*evidence["proof"], evidence["logKey"]]},
        {"proof": [*evidence["proof"], 7]},
        {"logKey": "registry.example/log+00000000+AAAA"},
    ]
    if evidence["proof"]:
        changes += [{"proof": []}, {"proof": evidence["proof"][:-1]}]
    for change in changes:
        with pytest.raises(BadEvidence):
            verify_fork({**copy.deepcopy(evidence), **change})
    nothing: Any
    for nothing in (None, [], "text", {}):
        with pytest.raises(BadEvidence):
            verify_fork(nothing)


@pytest.mark.parametrize(("before", "after"), [(0, 9), (4, 9), (5, 9), (9, 9)])
def test_two_checkpoints_of_one_history_are_no_evidence(before: int, after: int) -> None:
    entries = entries_of(after)
    proof = proof_between(ServedLog(entries).reader().tile_reader(after), before, after)
    with pytest.raises(BadEvidence):
        fork_evidence(KEY, note_over(entries[:before]), note_over(entries), proof)


def test_what_was_followed_is_remembered_and_damage_to_it_noticed(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "state.json"
    assert load_state(file) is None
    seen = followed(entries_of(300))
    save_state(file, KEY, seen)
    loaded = load_state(file)
    assert loaded is not None
    assert loaded[0] == KEY
    assert (loaded[1].note, loaded[1].tree.hashes) == (seen.note, seen.tree.hashes)
    whole = file.read_bytes()
    for damaged in (b"", b"{}", b"[]", whole[:-40], whole.replace(b"300", b"301"), b'{"logKey": 7}'):
        file.write_bytes(damaged)
        with pytest.raises(BadState):
            load_state(file)


class Dripping(BaseHTTPRequestHandler):
    """Sends one byte at a time: of the body, or of a header that never ends."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        rest = b"X: " if "header" in self.path else b"Content-Length: 9999\r\n\r\n"
        with suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\n" + rest)
            while True:
                self.wfile.write(b"a")
                time.sleep(0.02)


@pytest.mark.parametrize("what", ["header", "body"])
def test_a_resource_that_comes_drop_by_drop_is_given_up(what: str) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Dripping) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        source = HttpSource(f"http://127.0.0.1:{server.server_port}/{what}", whole_within_s=0.2)
        for _ in range(2):  # the second has a connection of its own
            with pytest.raises(Unreachable, match=r"not answered as a whole within 0\.2 s"):
                source.read("checkpoint", 1 << 16)
        source.close()
        server.shutdown()
