import threading
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlmodel import Session

from registry.app import running_services
from registry.errors import LogDiverged, LogRolledBack, MissingKey, RegistryError
from registry.log.published import prove, prove_consistency, read_tile_resource
from registry.log.transparency_log import head_of, tile_reader
from registry.operate.bootstrap import initialise, open_log, take_as_published
from registry.operate.key_rotation import rotate_log_key
from registry.storage import db
from registry.storage.db import snapshot, transaction
from sdk.checkpoint import verify_checkpoint
from sdk.merkle import leaf_hash, verify_consistency, verify_inclusion
from sdk.tiles import tree_root
from sdk.tlog_proof import parse_tlog_proof
from tests.world import DatabaseServer, SeededEmbedder, World


def append(world: World, count: int) -> None:
    with transaction(world.engine) as session:
        for number in range(count):
            world.services.log.append(session, "test", str(number).encode())


def test_entries_tiles_and_proofs_hold_across_the_tile_boundary(world: World) -> None:
    sizes, roots = [], []
    for count in (1, 253, 1, 1, 1, 2, 260):
        append(world, count)
        with transaction(world.engine) as session:
            head = head_of(session)
            checkpoint = verify_checkpoint(head.checkpoint, world.services.log.key)
            assert (checkpoint.size, checkpoint.root) == (head.size, head.root)
            sizes.append(head.size)
            roots.append(head.root)
    with transaction(world.engine) as session:
        for index in (0, 1, 254, 255, 256, 257, sizes[-1] - 1):
            entry, proof = prove(session, world.services.log, index)
            _, hashes, _ = parse_tlog_proof(proof)
            verify_inclusion(leaf_hash(entry), index, sizes[-1], hashes, roots[-1])
        for old, old_root in zip(sizes, roots, strict=True):
            hashes = prove_consistency(session, world.services.log, old, sizes[-1])
            verify_consistency(old, sizes[-1], hashes, old_root, roots[-1])
            assert tree_root(tile_reader(session), old) == old_root
        assert len(read_tile_resource(session, world.services.log, 0, 0, 256)) == 8192
        assert len(read_tile_resource(session, world.services.log, 0, 0, 17)) == 17 * 32
    world.services.log.publish(session)
    world.audit()


def test_many_writers_at_once_make_one_line_of_entries(world: World) -> None:
    threads = [threading.Thread(target=append, args=(world, 5)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with transaction(world.engine) as session:
        assert head_of(session).size == 30
    world.audit()


def test_a_head_that_was_moved_behind_the_writers_back_stops_it(world: World) -> None:
    append(world, 3)
    world.tamper("UPDATE log_head SET size = size + 1")  # another writer, that does not take the lock
    with pytest.raises(LogDiverged):
        append(world, 1)
    world.tamper("UPDATE log_head SET size = size - 1")
    world.audit()


def restarted(world: World) -> None:
    with running_services(world.settings, world.engine, SeededEmbedder()):
        pass


def test_a_log_older_than_its_published_checkpoint_refuses_to_start(world: World) -> None:
    append(world, 2)
    with transaction(world.engine) as session:
        old = head_of(session).checkpoint, head_of(session).root
    append(world, 3)
    with transaction(world.engine) as session:
        world.services.log.publish(session)
    world.stop()
    world.tamper("DELETE FROM log_entry WHERE index >= 2")
    world.tamper("UPDATE log_tile SET hashes = substring(hashes from 1 for 64)")
    world.tamper("UPDATE log_head SET size = 2, checkpoint = :note, root = :root", note=old[0], root=old[1])
    with pytest.raises(LogRolledBack, match="an old backup was restored"):
        restarted(world)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE log_head SET size = size + 1", "differ"),
        ("UPDATE log_head SET checkpoint = replace(checkpoint, 'localhost', 'elsewhere')", "not signed"),
        ("UPDATE log_tile SET hashes = sha256(hashes)", "root hash"),
    ],
)
def test_a_tampered_log_refuses_to_start(world: World, statement: str, says: str) -> None:
    append(world, 4)
    world.stop()
    world.tamper(statement)
    with pytest.raises(LogRolledBack, match=says):
        restarted(world)


@pytest.mark.parametrize("name", ["log.pem", "answers.pem"])
def test_a_missing_key_refuses_to_start_and_is_never_replaced(world: World, name: str) -> None:
    world.stop()
    path: Path = world.settings.key_folder / name
    path.unlink()
    with pytest.raises(MissingKey):
        restarted(world)
    assert not path.exists()


@pytest.mark.parametrize(
    ("revision", "says"), [("0006", "run `trueprint migrate`"), ("0999", "newer than this program")]
)
def test_a_database_of_another_version_refuses_to_start(world: World, revision: str, says: str) -> None:
    world.stop()
    world.tamper(f"UPDATE alembic_version SET version_num = '{revision}'")
    with pytest.raises(RegistryError, match=says):
        restarted(world)


def test_an_empty_database_is_set_up_only_when_told(world: World) -> None:
    append(world, 1)
    with transaction(world.engine) as session:
        world.services.log.publish(session)
    world.stop()
    world.tamper("DROP SCHEMA public CASCADE")
    world.tamper("CREATE SCHEMA public")
    with pytest.raises(RegistryError, match="serve --init"):
        restarted(world)
    with pytest.raises(LogRolledBack, match="the database is empty"):
        initialise(world.settings, world.engine)
    assert db.is_empty(world.engine)


def test_a_database_that_would_lose_writes_refuses_to_start(world: World) -> None:
    world.stop()
    name = world.engine.url.database
    world.tamper(f"ALTER DATABASE {name} SET synchronous_commit = off")
    world.engine.dispose()
    with pytest.raises(RegistryError, match="synchronous_commit"):
        restarted(world)


def test_the_writers_lock_is_taken_once_in_a_transaction_and_again_in_the_next(world: World) -> None:
    locks: list[str] = []

    def heard(_: object, __: object, statement: str, *___: object) -> None:
        if "pg_advisory_xact_lock" in statement:
            locks.append(statement)

    event.listen(world.engine, "before_cursor_execute", heard)
    with Session(world.engine) as session:
        for times in (1, 2):
            world.services.log.lock(session)
            world.services.log.append(session, "test", b"one")
            world.services.log.append(session, "test", b"two")
            session.commit()
            assert len(locks) == times
    assert head_of(session).size == 4


def test_an_entry_costs_few_statements_and_each_tile_is_read_once(world: World) -> None:
    append(world, 257)  # two tiles, and one above them
    statements: list[str] = []

    def heard(_: object, __: object, statement: str, *___: object) -> None:
        statements.append(statement)

    event.listen(world.engine, "before_cursor_execute", heard)
    with transaction(world.engine) as session:
        index, _ = world.services.log.append(session, "test", b"one")
        read = [statement for statement in statements if "FROM log_tile" in statement]
        assert len(read) == 2  # the full one's hash is in the tile above
        assert len(statements) == 8
        prove(session, world.services.log, index)  # as for a receipt: all tiles but the full one are there
    event.remove(world.engine, "before_cursor_execute", heard)
    assert len([statement for statement in statements if "FROM log_tile" in statement]) <= 3
    world.audit()


def test_keys_that_were_seen_are_not_forgotten_by_who_looks_at_an_older_snapshot(world: World) -> None:
    keys = world.services.log.keys
    with snapshot(world.engine) as old:
        head_of(old)  # the snapshot is taken
        by_another = open_log(world.settings)
        with transaction(world.engine) as session:
            by_another.keys.adopt(session)
            rotate_log_key(session, by_another)
        with transaction(world.engine) as session:
            keys.refresh(session)
        newest = keys.current
        assert newest == by_another.key != keys.periods[0].key
        keys.refresh(old)
        assert keys.current == newest
    with transaction(world.engine) as session:
        world.services.log.publish(session)
    world.audit()


def test_the_checkpoint_that_is_published_is_the_newest_not_the_one_seen_before(world: World) -> None:
    with transaction(world.engine) as session:
        assert head_of(session).size == 0
        append(world, 3)  # by another, after this one looked
        world.services.log.publish(session)
    note = world.settings.checkpoint_file.read_text(encoding="utf-8")
    assert verify_checkpoint(note, world.services.log.key).size == 3


@pytest.mark.parametrize("content", [b"\xff\xfe\x00checkpoint", b"", b"text\n", None])
def test_a_checkpoint_file_that_cannot_be_read_is_told_in_a_sentence(
    world: World, content: bytes | None
) -> None:
    append(world, 1)
    with transaction(world.engine) as session:
        world.services.log.publish(session)
    file = world.settings.checkpoint_file
    if content is None:
        file.unlink()
        file.mkdir()
    else:
        file.write_bytes(content)
    with pytest.raises(LogRolledBack, match=str(file)):
        restarted(world)
    (finding,) = world.operator.audit().findings
    assert finding.what == "checkpoint"
    assert str(file) in finding.detail


@pytest.mark.parametrize("content", [b"\xff\xfe\x00checkpoint", b"no checkpoint"])
def test_a_lost_database_beside_a_file_that_is_no_checkpoint_is_told_in_a_sentence(
    database_server: DatabaseServer, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "checkpoint").write_bytes(content)
    with pytest.raises(LogRolledBack, match="checkpoint: "):
        World(database_server, tmp_path)


def test_a_log_whose_published_checkpoint_is_missing_starts_only_when_it_is_said_to_be_lost(
    world: World,
) -> None:
    append(world, 2)
    world.stop()
    world.settings.checkpoint_file.unlink()
    with pytest.raises(LogRolledBack, match="serve --checkpoint-lost"):
        restarted(world)
    assert not world.settings.checkpoint_file.exists()
    take_as_published(world.settings, world.engine)
    world.start()
    world.audit()
