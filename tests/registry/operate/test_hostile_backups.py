"""A backup that somebody made to do harm is refused: what is in it can become rows and previews alone."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from registry.errors import BadBackup
from registry.operate.backup import make_backup
from registry.operate.backup_format import (
    BLOBS,
    MANIFEST,
    MANIFEST_DIGEST,
    ROWS,
    BackupFile,
    digest_of,
    read_manifest,
    write_manifest,
)
from registry.operate.rehearsal import rehearse
from registry.operate.restore import checkpoint_of_old_home, restore_backup
from registry.operate.whole_folder import whole_folder
from registry.settings import Settings
from registry.storage import db
from tests.pictures import encoded
from tests.waiting import soon
from tests.world import World

ACTS = f"{ROWS}/act.copy.gz"


@pytest.fixture(scope="module")
def good(world_of_module: World, scratch: Path) -> Path:
    desk = world_of_module.enrol("Daily Example")
    world_of_module.register(desk, encoded("coffee"), "coffee")
    make_backup(world_of_module.settings, world_of_module.engine, scratch / "good")
    return scratch / "good"


@pytest.fixture
def copy(good: Path, home: Path) -> Path:
    return Path(shutil.copytree(good, home / "copy"))


def described_anew(backup: Path) -> None:
    """Whoever writes a backup writes digests that fit."""
    manifest = read_manifest(backup)
    for name in (MANIFEST, MANIFEST_DIGEST):
        (backup / name).unlink()
    files = tuple(
        BackupFile(name=name, bytes=(backup / name).stat().st_size, sha256=digest_of(backup / name))
        for name in sorted(
            path.relative_to(backup).as_posix() for path in backup.rglob("*") if path.is_file()
        )
    )
    write_manifest(backup, manifest.model_copy(update={"files": files}))


def require_refused(backup: Path, new: Settings, told: str) -> None:
    """It is refused with these words, and what it was to be restored into can be used once more."""
    described_anew(backup)
    with pytest.raises(BadBackup, match=told):
        restore_backup(backup, new, nothing_newer=True)
    assert new.database_url is not None
    engine = db.connect(new.database_url)
    assert db.is_empty(engine)
    engine.dispose()
    assert not new.home.exists()


def columns_of(file: Path) -> list[str]:
    with gzip.open(file) as stored:
        found: list[str] = json.loads(stored.readline())
        return found


def with_columns(*columns: str) -> Callable[[Path], None]:
    def write(backup: Path) -> None:
        (backup / ACTS).write_bytes(gzip.compress(json.dumps(columns).encode() + b"\n"))

    return write


def with_sql(backup: Path) -> None:
    columns = json.dumps(columns_of(backup / ACTS)).encode()
    (backup / ACTS).write_bytes(gzip.compress(columns + b"\nCREATE TABLE harm (id int);\n"))


def with_a_table_of_its_own(backup: Path) -> None:
    (backup / ROWS / "harm.copy.gz").write_bytes(gzip.compress(b"[]\n"))


def cut(backup: Path) -> None:
    os.truncate(backup / ACTS, 40)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (with_sql, "holds no rows of its table"),
        (with_columns("number) FROM PROGRAM 'touch /tmp/harm' --"), "has other columns"),
        (with_columns("password"), "has other columns"),
        (with_a_table_of_its_own, "is of no table"),
        (lambda backup: (backup / ACTS).unlink(), "is missing"),
        (lambda backup: (backup / ACTS).write_bytes(b"CREATE TABLE harm (id int)"), "is no file of rows"),
        (lambda backup: (backup / ACTS).write_bytes(gzip.compress(b"{}\n")), "has other columns"),
        (cut, "is no file of rows"),
    ],
    ids=[
        "sql",
        "columns that are sql",
        "unknown columns",
        "unknown table",
        "missing",
        "text",
        "no list",
        "cut",
    ],
)
def test_nothing_but_rows_of_known_tables_is_read(
    copy: Path, new: Settings, harm: Callable[[Path], None], told: str
) -> None:
    harm(copy)
    require_refused(copy, new, told)


def test_the_numbers_that_the_database_gives_go_on(good: Path, new: Settings) -> None:
    restore_backup(good, new, nothing_newer=True)
    assert new.database_url is not None
    engine = db.connect(new.database_url)
    with engine.connect() as connection:
        last = connection.scalar(text("SELECT last_value FROM fingerprint_id_seq"))
        assert last == read_manifest(good).sequences["fingerprint_id_seq"]
        assert last >= connection.scalar(text("SELECT max(id) FROM fingerprint"))
    engine.dispose()


def test_a_sequence_and_a_migration_that_nobody_knows_are_refused(
    copy: Path, new: Settings, home: Path
) -> None:
    manifest = read_manifest(copy)
    for change, told in (
        ({"sequences": {"pg_catalog.harm": 7}}, "a sequence that is none"),
        ({"migration": "9999"}, "at migration 9999, which this program does not know"),
        ({"migration": "head"}, "at migration head"),
    ):
        for name in (MANIFEST, MANIFEST_DIGEST):
            (copy / name).unlink()
        write_manifest(copy, manifest.model_copy(update=change))
        with pytest.raises(BadBackup, match=told):
            restore_backup(copy, new, nothing_newer=True)


def archive_of(backup: Path, entry: tarfile.TarInfo) -> None:
    with tarfile.open(backup / BLOBS, mode="w") as tar:
        tar.addfile(entry)


def sparse(backup: Path) -> None:
    """A file of three gigabytes that has four bytes in the archive, as old GNU tar writes it."""
    entry = tarfile.TarInfo("previews/ab/" + "ab" * 16)
    header = bytearray(entry.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"%011o\0" % 4
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[386:410] = b"%011o\0%011o\0" % (3 << 30, 4)  # the one piece of it: where, and how long
    header[483:495] = b"\x80" + (3 << 30 | 4).to_bytes(11, "big")  # its whole length
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (backup / BLOBS).write_bytes(header + b"long" + bytes(508) + bytes(1024))
    with tarfile.open(backup / BLOBS) as tar:
        [found] = tar
        assert found.issparse()
        assert found.size > 3 << 30


def pax_sparse(backup: Path) -> None:
    """Three gigabytes in no bytes, as newer tars write it."""
    entry = tarfile.TarInfo("previews/ab/" + "ab" * 16)
    entry.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(3 << 30)}
    archive_of(backup, entry)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda backup: archive_of(backup, tarfile.TarInfo("another/name")), "not named as previews are"),
        (sparse, "not named as previews are"),
        (pax_sparse, "not named as previews are"),
        (lambda backup: (backup / BLOBS).write_bytes(b"no archive" * 99), "no archive of previews"),
    ],
    ids=["another name", "sparse", "newer sparse", "no archive"],
)
def test_previews_that_are_none_leave_the_database_empty(
    copy: Path, new: Settings, harm: Callable[[Path], None], told: str
) -> None:
    harm(copy)
    require_refused(copy, new, told)
    [wrong] = rehearse(copy, new.home.parent / "rehearsed").wrong
    assert "previews" in wrong


def test_a_private_key_that_somebody_added_is_refused(copy: Path, new: Settings) -> None:
    (copy / "keys").mkdir()
    (copy / "keys" / "log-2.pem").write_text("the next key of the log would be this one")
    described_anew(copy)
    with pytest.raises(BadBackup, match="says that it has none"):
        restore_backup(copy, new, nothing_newer=True)
    [wrong] = rehearse(copy, new.home.parent / "rehearsed").wrong
    assert "private keys" in wrong


@pytest.mark.parametrize("name", [MANIFEST, MANIFEST_DIGEST])
def test_a_manifest_that_is_a_link_or_never_ends_is_not_read(copy: Path, name: str) -> None:
    (copy / name).unlink()
    (copy / name).symlink_to("/dev/zero")
    with pytest.raises(BadBackup, match="cannot be read"):
        read_manifest(copy)
    (copy / name).unlink()
    os.mkfifo(copy / name)
    with pytest.raises(BadBackup, match="cannot be read"):
        read_manifest(copy)


def test_numbers_that_are_used_up_are_refused_and_those_that_are_missing_follow_from_the_rows(
    copy: Path, new: Settings
) -> None:
    manifest = read_manifest(copy)

    def with_sequences(sequences: dict[str, int]) -> None:
        for name in (MANIFEST, MANIFEST_DIGEST):
            (copy / name).unlink()
        write_manifest(copy, manifest.model_copy(update={"sequences": sequences}))

    with_sequences({"fingerprint_id_seq": (1 << 63) - 1})
    with pytest.raises(BadBackup, match="used up"):
        restore_backup(copy, new, nothing_newer=True)
    with_sequences({})
    restore_backup(copy, new, nothing_newer=True)
    assert new.database_url is not None
    engine = db.connect(new.database_url)
    with engine.connect() as connection:
        last, newest = connection.execute(
            text("SELECT last_value, (SELECT max(id) FROM fingerprint) FROM fingerprint_id_seq")
        ).one()
        assert last == newest
    engine.dispose()


@pytest.mark.parametrize("named", ["/" + "x" * 5000, "/nowhere\0"])
def test_a_home_that_nobody_can_have_had_says_nothing(good: Path, named: str) -> None:
    manifest = read_manifest(good).model_copy(update={"home": named})
    assert checkpoint_of_old_home(manifest) == (None, None)


def test_the_next_restore_removes_what_a_killed_one_left_and_nothing_in_use(
    home: Path,
) -> None:
    target = home / "restored[1]"
    program = (
        "import sys, time, pathlib\n"
        "from registry.operate.whole_folder import whole_folder\n"
        "with whole_folder(pathlib.Path(sys.argv[1])) as part:\n"
        "    (part / 'key').write_text('secret')\n"
        "    time.sleep(600)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", program, str(target)])
    try:
        assert soon(lambda: any(part.joinpath("key").exists() for part in home.glob(".restored*.part")))
        with whole_folder(target) as part:
            assert len(list(home.glob(".restored*.part"))) == 2
        assert target.is_dir()
    finally:
        other.kill()
        other.wait()
    target.rmdir()
    of_others = [home / ".restored[1].letters.of.mine.part", home / ".restored[1].abcdefgh.part"]
    of_others[0].mkdir()
    of_others[1].write_text("a file")
    with whole_folder(target) as part:
        assert set(home.glob(".restored*.part")) == {part, *of_others}
