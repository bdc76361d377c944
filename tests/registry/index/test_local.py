"""The index follows the rows: at once, on every node, after every kind of stop."""

import secrets
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from indexer.index import segmented_index, segments
from indexer.index.engines import host_of
from registry.app import Further, create_app, running_services
from registry.cli.home import listening
from registry.errors import StartRefused
from registry.index import mapped
from registry.index.local import LocalIndex
from registry.services import Services
from sdk.client import Client
from sdk.local import local_registration
from sdk.models import FingerprintQuery, FingerprintValue
from sdk.records import AssetClass
from tests.pictures import encoded
from tests.waiting import soon
from tests.world import DatabaseServer, SeededEmbedder, World, own_index

SUBJECTS = ("coffee", "cat", "astronaut", "rocket")


@pytest.fixture
def short_tails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row becomes a segment of its own, with its accelerator."""
    monkeypatch.setattr(segmented_index, "TAIL_ROWS", dict.fromkeys(segmented_index.TAIL_ROWS, 1))
    monkeypatch.setattr(segmented_index, "MOST_ROWS", dict.fromkeys(segmented_index.MOST_ROWS, 0))
    monkeypatch.setattr(segments, "LEAST_ROWS", 1)


def compact(services: Services) -> None:
    for kind in services.index.kinds:
        index = own_index(services, kind)
        host = host_of(index)
        assert host is not None
        host.compact()


def rows_within(services: Services, seconds: float, rows: int) -> None:
    deadline = time.monotonic() + seconds
    while len(own_index(services)) != rows:
        assert time.monotonic() < deadline, "the other node did not follow"
        time.sleep(0.01)


def test_another_node_is_told_of_a_change_and_does_not_wait_for_its_next_look(world: World) -> None:
    desk = world.enrol("Daily Example")
    patient = world.settings.model_copy(update={"poll_interval_s": 60})
    with running_services(patient, world.engine, SeededEmbedder()) as other:
        record = world.register(desk, encoded("coffee")).record
        rows_within(other, 1.0, 1)
        desk.client.withdraw(record.id)
        rows_within(other, 1.0, 0)


@pytest.mark.usefixtures("short_tails")
def test_of_a_torn_segment_only_its_rows_are_read_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.restart()
    desk = world.enrol("Daily Example")
    for subject in SUBJECTS:
        world.register(desk, encoded(subject))
    compact(world.services)
    world.stop()
    torn = sorted(world.settings.index_folder.rglob("pdq.v1/segment-*/values.bin"))
    assert len(torn) == len(SUBJECTS) - 1  # the last row lies in the tail
    torn[1].write_bytes(torn[1].read_bytes()[:-3])
    caplog.set_level("INFO")
    world.start()
    assert "pdq.v1: 1 rows were read from the database" in caplog.text
    assert "tp-desc.v2" not in caplog.text
    for subject in SUBJECTS:
        assert world.again(desk).client.match(encoded(subject, quality=50)).matches
    world.audit()


@pytest.mark.usefixtures("short_tails")
@pytest.mark.parametrize("lost", ["generation-*/manifest.json", "segment-*/ids.bin", "**/*"])
def test_whatever_is_lost_is_read_from_the_rows(world: World, lost: str) -> None:
    world.restart()
    desk = world.enrol("Daily Example")
    records = [world.register(desk, encoded(subject)).record for subject in SUBJECTS]
    compact(world.services)
    desk.client.withdraw(records[1].id)
    world.stop()
    for file in Path(world.settings.index_folder).glob(f"*/*/{lost}"):
        if file.is_file():
            file.unlink()
    world.start()
    assert world.again(desk).client.match(encoded("coffee", quality=50)).matches
    assert world.again(desk).client.match(encoded("cat", quality=50)).matches == ()
    world.audit()


def test_what_changed_while_a_node_was_away_is_taken_up(world: World) -> None:
    desk = world.enrol("Daily Example")
    first = world.register(desk, encoded("coffee")).record
    home = world.settings.model_copy(update={"home": world.settings.home / "other"})
    keys = home.home / "keys"
    keys.parent.mkdir()
    keys.symlink_to(world.settings.key_folder)
    shutil.copy(world.settings.checkpoint_file, home.checkpoint_file)
    with running_services(home, world.engine, SeededEmbedder()):
        pass
    desk.client.withdraw(first.id)
    world.register(desk, encoded("cat"))
    with running_services(home, world.engine, SeededEmbedder()) as again:
        assert len(own_index(again)) == 1


def test_files_of_a_later_history_are_not_believed(world: World) -> None:
    """The database was put back to an earlier moment; the files were not."""
    desk = world.enrol("Daily Example")
    world.register(desk, encoded("coffee"))
    world.register(desk, encoded("cat"))
    world.stop()
    world.tamper("DELETE FROM index_change WHERE seq = (SELECT max(seq) FROM index_change)")
    world.start()
    ids = np.concatenate([ids for ids, _ in own_index(world.services).blocks()])
    assert len(ids) == len(set(ids.tolist())) == 2


def test_the_count_that_answers_tell_is_right_and_an_audit_counts_again(world: World) -> None:
    desk = world.enrol("Daily Example")
    records = [world.register(desk, encoded(subject)).record for subject in SUBJECTS]
    desk.client.withdraw(records[0].id)
    desk.client.withdraw(records[0].id)  # once more changes nothing
    desk.client.erase(records[0].id)
    desk.client.erase(records[1].id)
    assert desk.client.match(encoded("rocket")).index.records_searched == len(SUBJECTS) - 2
    world.audit()
    world.tamper("UPDATE log_head SET active_records = active_records + 1")
    assert ["the head counts 3" in finding.detail for finding in world.operator.audit().findings] == [True]


def test_processes_of_one_home_keep_their_files_apart(world: World) -> None:
    with ExitStack() as stack:
        stack.enter_context(running_services(world.settings, world.engine, SeededEmbedder()))
        taken = {path.name for path in world.settings.index_folder.iterdir() if path.is_dir()}
        assert taken == {"0", "1"}
    with running_services(world.settings, world.engine, SeededEmbedder()):
        taken = {path.name for path in world.settings.index_folder.iterdir() if path.is_dir()}
        assert taken == {"0", "1"}


def test_two_packages_of_faiss_are_refused_at_start_with_the_cure(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.stop()
    both = ["faiss-cpu", "faiss-gpu"]
    monkeypatch.setattr("indexer.index.faiss_package.installed_flavours", lambda: both)
    with pytest.raises(StartRefused, match="own the same folder; uninstall all of them"):
        world.start()
    monkeypatch.undo()
    world.start()


@pytest.fixture(params=["pgvector", "milvus"])
def shared_world(request: pytest.FixtureRequest, world: World) -> World:
    """A world whose index lies in an engine that other nodes use too."""
    update = {"index": request.param, "poll_interval_s": 60.0}
    if request.param == "milvus":
        update["milvus"] = request.getfixturevalue("milvus")
    world.settings = world.settings.model_copy(update=update)
    return world


def test_nodes_that_share_an_engine_see_each_others_changes_at_once(shared_world: World) -> None:
    world = shared_world
    desk = world.enrol("Daily Example")
    world.register(desk, encoded("coffee"))  # before the engine is used: it is filled at the start
    world.restart()
    desk = world.again(desk)
    with ExitStack() as stack:
        node = stack.enter_context(running_services(world.settings, world.engine, SeededEmbedder()))
        url = stack.enter_context(listening(create_app(node)))
        other = stack.enter_context(Client(url, desk.api_key.secret))
        assert other.match(encoded("coffee", quality=60)).matches
        record = world.register(desk, encoded("cat")).record
        answer = other.match(encoded("cat", quality=60))
        assert [match.record.id for match in answer.matches] == [record.id]
        assert answer.index.lag == 0
        desk.client.withdraw(record.id)
        assert other.match(encoded("cat")).matches == ()
    # A node died after it wrote to the engine and before it wrote down how far it had come.
    world.tamper("UPDATE index_position SET position = 1 WHERE position > 1")
    world.restart()
    world.register(world.again(desk), encoded("rocket"))
    world.audit()


@pytest.mark.parametrize("index", ["cpu", "pgvector"])
def test_more_requests_than_connections_wait_for_each_other_and_end(
    database_server: DatabaseServer, home: Path, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who holds the index's lock must not wait for a connection, nor who has one for a second."""
    monkeypatch.setattr("registry.storage.db.POOL_SIZE", 1)
    with World(database_server, home, index=index) as world, ThreadPoolExecutor(16) as pool:
        desk = world.enrol("Daily Example")

        def register_and_match(_: int) -> bool:
            code = FingerprintValue(value=f"pdq.v1:{secrets.token_hex(32)}", quality=100)
            digest = secrets.token_hex(32)
            issuer, key = desk.publisher.issuer, desk.key
            request = local_registration([code], issuer, AssetClass.AUTHENTIC, digest, "an asset", key)
            desk.client.register_fingerprints(request)
            found = desk.client.match_fingerprints(FingerprintQuery(fingerprints=(code,)))
            return len(found.matches) == 1

        started = time.monotonic()
        assert all(pool.map(register_and_match, range(96)))
        assert time.monotonic() - started < 30  # a connection that is waited for in vain takes that long
        world.audit()


def sealed(services: Services) -> int:
    host = host_of(own_index(services))
    assert host is not None
    return sum(segment.is_sealed for segment in host.segments)


@pytest.mark.usefixtures("short_tails")
def test_a_further_process_maps_the_files_of_the_first_and_writes_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "LOOKED_FOR_EVERY_S", 0.05)
    world.restart()
    desk = world.enrol("Daily Example")
    first = world.services.index
    assert isinstance(first, LocalIndex)
    records = [world.register(desk, encoded(subject)).record for subject in SUBJECTS[:2]]
    compact(world.services)
    files = first.files_for_others()
    assert files is not None
    further = Further(files, world.services.noted)
    shutil.rmtree(next(files.path.rglob("multi-index")))  # made from the rows, in memory
    written = sorted(files.path.rglob("*"))
    with running_services(world.settings, world.engine, SeededEmbedder(), further=further) as other:
        assert len(own_index(other)) == 2
        assert sealed(other) == sealed(world.services)
        records.append(world.register(desk, encoded(SUBJECTS[2])).record)
        rows_within(other, 5.0, 3)  # kept in memory meanwhile
        assert sealed(other) == 1
        assert sorted(files.path.rglob("*")) == written
        compact(world.services)
        assert first.files_for_others() is not None
        assert soon(lambda: sealed(other) == sealed(world.services))
        desk.client.withdraw(records[0].id)
        rows_within(other, 5.0, 2)
        with listening(create_app(other)) as url, Client(url, desk.api_key.secret) as client:
            found = [client.match(encoded(subject, quality=50)).matches for subject in SUBJECTS[:3]]
        assert [bool(matches) for matches in found] == [False, True, True]
        written = sorted(files.path.rglob("*"))
    assert sorted(files.path.rglob("*")) == written
    world.audit()
