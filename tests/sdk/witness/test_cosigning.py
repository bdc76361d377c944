import shutil
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk.add_checkpoint import SIZE_MEDIA_TYPE
from sdk.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from sdk.cosignature import CLOCKS_DIFFER_S, verify_cosignatures
from sdk.encodings import parse_json
from sdk.forks import verify_fork
from sdk.merkle import root_of
from sdk.witness.cosigning import Answer, Witness
from sdk.witness.keys import BadWitnessKey, load_signer, new_signer, save_signer
from sdk.witness.logs import WatchedLog
from sdk.witness.state import BadState, State, create_state, name_of
from tests.witnesses import SmallLog, signer, witness

LOG, FORK, STRANGER = SmallLog(), SmallLog(mark="other"), SmallLog("stranger.example", 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


def stored(folder: Path) -> str:
    return (folder / name_of(LOG.origin)).read_text(encoding="utf-8")


def size_of(folder: Path) -> int:
    return verify_checkpoint(stored(folder), LOG.vkey).size


def ask(asked: Witness, old: int, size: int, log: SmallLog = LOG) -> Answer:
    return asked.add_checkpoint(log.request(old, size).body())


def restarted(folder: Path, clock: float | None = None) -> Witness:
    logs = {LOG.origin: WatchedLog(LOG.origin, LOG.vkey)}
    return Witness(signer(), logs, State(folder), *([] if clock is None else [lambda: clock]))


def test_every_size_that_extends_the_last_is_cosigned_and_was_stored_when_it_is_answered(
    folder: Path,
) -> None:
    asked = witness(folder, LOG.vkey)
    old = 0
    for size in (0, 1, 2, 3, 127, 128, 129, 200, 255, 256, 256):
        answer = ask(asked, old, size)
        assert answer.status == 200
        (found,) = verify_cosignatures(LOG.note(size) + answer.body, [asked.key])
        assert stored(folder) == LOG.note(size) + found.line + "\n"
        old = size


def test_statuses_are_those_of_the_specification(folder: Path) -> None:
    asked = witness(folder, LOG.vkey)
    assert ask(asked, 0, 5).status == 200
    request = LOG.request(5, 9)
    unsigned = request.note[: request.note.index("\n\n") + 2] + STRANGER.note(1).split("\n\n")[1]
    assert asked.add_checkpoint(b"old 5\n\nnonsense").status == 400
    assert ask(asked, 9, 9) == Answer(409, "5\n", SIZE_MEDIA_TYPE)
    assert asked.add_checkpoint(replace(request, old_size=10).body()).status == 400
    assert ask(asked, 0, 9) == Answer(409, "5\n", SIZE_MEDIA_TYPE)
    assert ask(asked, 3, 4) == Answer(409, "5\n", SIZE_MEDIA_TYPE)  # a rollback
    assert ask(asked, 0, 1, STRANGER).status == 404
    assert asked.add_checkpoint(replace(request, note=unsigned).body()).status == 403
    assert asked.add_checkpoint(replace(request, proof=request.proof[:-1]).body()).status == 422
    assert ask(asked, 5, 9, FORK).status == 422
    assert ask(asked, 5, 5, FORK).status == 422
    assert size_of(folder) == 5
    assert ask(asked, 5, 9).status == 200


def test_an_empty_tree_has_the_root_of_the_empty_tree(folder: Path) -> None:
    note = sign_checkpoint(Checkpoint(LOG.origin, 0, bytes(32)), LOG.key)
    asked = witness(folder, LOG.vkey)
    assert asked.add_checkpoint(replace(LOG.request(0, 0), note=note).body()).status == 422
    assert asked.newest(name_of(LOG.origin)) is None


def test_two_trees_of_one_size_are_kept_as_evidence_and_a_wrong_proof_is_none(folder: Path) -> None:
    asked = witness(folder, LOG.vkey)
    ask(asked, 0, 5)
    ask(asked, 5, 9, FORK)
    evidence = folder / f"{name_of(LOG.origin)}.fork.json"
    assert not evidence.exists()
    ask(asked, 5, 5, FORK)
    first = evidence.read_text()
    older, newer = verify_fork(parse_json(first.encode()), LOG.vkey)
    assert {older.root, newer.root} == {root_of(log.leaves[:5]) for log in (LOG, FORK)}
    ask(asked, 5, 5, SmallLog(mark="third"))
    assert evidence.read_text() == first


def test_of_many_who_extend_one_size_at_a_time_one_is_cosigned(folder: Path) -> None:
    asked = witness(folder, LOG.vkey)
    ask(asked, 0, 4)
    start = threading.Barrier(8)

    def extend(number: int) -> int:
        start.wait()
        return ask(asked, 4, 5 + number).status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(extend, range(8)))
    assert sorted(statuses) == [200] + [409] * 7


def test_a_witness_that_starts_again_goes_on_where_it_was(folder: Path) -> None:
    first = witness(folder, LOG.vkey)
    ask(first, 0, 7)
    with pytest.raises(BadState, match="in use"):
        restarted(folder)
    first.close()
    again = restarted(folder)
    assert ask(again, 0, 7).status == 409
    assert ask(again, 7, 7, FORK).status == 422
    assert ask(again, 7, 8).status == 200


def test_a_witness_whose_memory_is_lost_or_changed_does_not_cosign(folder: Path) -> None:
    with pytest.raises(BadState, match="make a new key"):
        restarted(folder)
    first = witness(folder, LOG.vkey)
    ask(first, 0, 7)
    file = folder / name_of(LOG.origin)
    ours = file.read_text()
    for changed in (ours.replace("\n7\n", "\n6\n"), LOG.note(6), "", "\ud800"):
        file.write_bytes(changed.encode(errors="surrogatepass"))
        assert ask(first, 7, 8).status == 500
        assert ask(first, 6, 8).status == 500
    file.write_text(ours)
    assert ask(first, 7, 8).status == 200
    shutil.rmtree(folder)
    assert ask(first, 0, 8).status == 500
    assert not folder.exists()


def test_a_witness_whose_folder_is_moved_or_replaced_does_not_cosign(folder: Path) -> None:
    asked = witness(folder, LOG.vkey)
    ask(asked, 0, 7)
    folder.rename(folder.with_name("moved"))
    assert ask(asked, 0, 8).status == ask(asked, 7, 8).status == 500
    assert not folder.exists()
    create_state(folder)
    assert ask(asked, 0, 8).status == ask(asked, 7, 8).status == 500
    assert list(folder.iterdir()) == []
    folder.rmdir()
    folder.with_name("moved").rename(folder)
    assert ask(asked, 7, 8).status == 200


def test_a_clock_that_went_back_makes_no_older_cosignature(folder: Path) -> None:
    create_state(folder)
    at = 2_000_000_000
    for clock, size, status in ((at, 1, 200), (at - 20, 2, 200), (at - CLOCKS_DIFFER_S - 1, 3, 500)):
        asked = restarted(folder, clock)
        answer = ask(asked, size - 1, size)
        assert answer.status == status
        if status == 200:
            (found,) = verify_cosignatures(LOG.note(size) + answer.body, [asked.key])
            assert found.at == at
        asked.close()


def test_what_others_wrote_under_a_checkpoint_is_not_stored(folder: Path) -> None:
    asked = witness(folder, LOG.vkey)
    stranger = STRANGER.note(1).split("\n\n")[1]
    own = ask(asked, 0, 1).body  # resent with the witness's own line, and a stranger's
    again = replace(LOG.request(1, 1), note=LOG.note(1) + own + stranger)
    assert asked.add_checkpoint(again.body()).status == 200
    assert stored(folder).count("\u2014") == 2
    assert "stranger" not in stored(folder)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_order_of_requests_gets_two_trees_cosigned(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _ask_in_any_order(witness(Path(folder) / "state", LOG.vkey), data)


def _ask_in_any_order(asked: Witness, data: st.DataObject) -> None:
    sizes = st.integers(0, 12)
    last, which = 0, None
    for _ in range(data.draw(st.integers(1, 12))):
        log, old, new = data.draw(st.sampled_from([LOG, FORK])), data.draw(sizes), data.draw(sizes)
        if old > new:
            continue
        answer = ask(asked, old, new, log)
        if answer.status == 200:
            assert (old, which in (None, log) or last == 0) == (last, True)
            last, which = new, log if new else None
        elif answer.status == 409:
            assert int(answer.body) == last != old
        else:
            assert answer.status == 422
            assert which is not log
    asked.close()


def test_a_key_is_kept_with_its_name_and_never_overwritten(tmp_path: Path) -> None:
    made, file = new_signer("witness.example/w1"), tmp_path / "key"
    save_signer(made, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_signer(file).key == made.key
    with pytest.raises(FileExistsError):
        save_signer(made, file)
    line = file.read_text()
    secret = line.strip().split("+", 4)[-1]  # which may have a + of its own
    assert len(secret) == 44
    for other in (
        line.replace("w1", "w2"),
        line[:-6],
        "",
        "\u00e9" + line,
        line.replace("PRIVATE", "PUBLIC"),
    ):
        file.write_text(other)
        with pytest.raises(BadWitnessKey) as raised:
            load_signer(file)
        assert secret not in str(raised.value)
    for name in ("", "a b", "a+b"):
        with pytest.raises(BadWitnessKey):
            new_signer(name)
