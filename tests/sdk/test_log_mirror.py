"""A mirror has, byte for byte, what the log serves, and nothing of a log that does not hold."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from sdk.log_mirror import Mirror, MirrorFull
from sdk.log_monitor import Followed, follow
from sdk.log_reader import BadResource, open_log
from tests.logs import KEY, ServedLog, entries_of, note_over


def copy(log: ServedLog, folder: Path) -> int:
    """Takes what is new; returns how many findings there were."""
    mirror = Mirror(folder)
    after, findings = follow(log.reader(), KEY, mirror.continued(KEY), mirror.take)
    if not findings:
        mirror.publish(after)
    return len(findings)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_mirror_has_what_the_log_serves_at_every_size(tmp_path: Path) -> None:
    entries = entries_of(66_000)
    for size in (0, 1, 255, 256, 257, 300, 511, 512, 66_000):
        log = ServedLog(entries[:size])
        assert copy(log, tmp_path) == 0
        copied = files(tmp_path)
        if size < 1000:  # the rest is compared once, at the end: the rig computes everything anew
            assert copied == {path: log.read(path, 1 << 25) for path in copied}
    assert copied["tile/1/000"]
    assert copied["tile/2/000.p/1"]
    some = ("tile/0/255", "tile/0/257.p/208", "tile/1/001.p/1", "tile/entries/257.p/208", "checkpoint")
    assert {path: log.read(path, 1 << 25) for path in some} == {path: copied[path] for path in some}


def test_a_mirror_is_followed_like_the_log_itself(tmp_path: Path) -> None:
    copy(ServedLog(entries_of(700)), tmp_path)
    with open_log(str(tmp_path)) as reader:
        after, findings = follow(reader, KEY, Followed())
    assert findings == ()
    assert after.tree.size == 700


def test_a_mirror_that_was_killed_goes_on(tmp_path: Path) -> None:
    entries = entries_of(900)
    copy(ServedLog(entries[:300]), tmp_path)
    killed = Mirror(tmp_path)
    follow(ServedLog(entries[:800]).reader(), KEY, killed.continued(KEY), killed.take)  # and no more
    assert copy(ServedLog(entries), tmp_path) == 0
    copied = files(tmp_path)
    log = ServedLog(entries)
    assert copied == {path: log.read(path, 1 << 25) for path in copied}


def test_entries_that_do_not_hold_leave_the_mirror_as_it_was(tmp_path: Path) -> None:
    entries = entries_of(900)
    copy(ServedLog(entries[:300]), tmp_path)
    served = {"checkpoint", "tile/0/000", "tile/0/001.p/44", "tile/entries/001.p/44"}
    before = {path: content for path, content in files(tmp_path).items() if path in served}
    bad = ServedLog([*entries[:400], b"changed", *entries[401:]], note_over(entries))
    assert copy(bad, tmp_path) == 1
    after = files(tmp_path)
    assert before == {path: after[path] for path in before}
    assert copy(ServedLog(entries), tmp_path) == 0
    assert files(tmp_path)["tile/entries/001"] == ServedLog(entries).read("tile/entries/001", 1 << 25)


def test_what_leads_to_no_checkpoint_is_removed_and_a_full_disk_ends_the_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = entries_of(900)
    copy(ServedLog(entries[:300]), tmp_path)
    before = files(tmp_path)
    mirror = Mirror(tmp_path)
    follow(ServedLog(entries).reader(), KEY, mirror.continued(KEY), mirror.take)
    assert files(tmp_path) != before
    mirror.discard()
    assert files(tmp_path) == before
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    with pytest.raises(MirrorFull):
        follow(ServedLog(entries).reader(), KEY, mirror.continued(KEY), mirror.take)
    mirror.discard()
    assert files(tmp_path) == before


@pytest.mark.parametrize("path", ["tile/0/001.p/44", "tile/entries/001.p/44", "tile/1/000.p/1"])
def test_a_damaged_mirror_is_not_continued(tmp_path: Path, path: str) -> None:
    copy(ServedLog(entries_of(300)), tmp_path)
    content = bytearray((tmp_path / path).read_bytes())
    content[-1] ^= 1
    (tmp_path / path).write_bytes(content)
    with pytest.raises(BadResource):
        Mirror(tmp_path).continued(KEY)


def test_entries_of_a_thief_that_a_killed_look_left_are_gone_at_the_next(tmp_path: Path) -> None:
    entries = entries_of(200)
    copy(ServedLog(entries), tmp_path)
    before = files(tmp_path)
    killed = Mirror(tmp_path)
    stolen = ServedLog([*entries, *entries_of(700, "thief")])
    follow(stolen.reader(), KEY, killed.continued(KEY), killed.take)  # and no more
    assert {"tile/entries/000", "tile/entries/002", "tile/0/002"} <= set(files(tmp_path))
    Mirror(tmp_path).continued(KEY)
    assert files(tmp_path) == before
    first = tmp_path / "first"  # a mirror that has no checkpoint yet
    killed = Mirror(first)
    follow(stolen.reader(), KEY, killed.continued(KEY), killed.take)
    Mirror(first).continued(KEY)
    assert files(first) == {}
