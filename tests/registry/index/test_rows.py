"""Rows come out of the database as arrays, whatever their number, and a wrong one is named."""

import shutil
from collections.abc import Iterator

import numpy as np
import pytest
from sqlmodel import Session, col, select

from indexer.fingerprints.kinds import DESCRIPTOR, PDQ, Kind, unpack_codes, unpack_vectors
from registry.app import running_services
from registry.errors import CorruptRows
from registry.index import rows as module
from registry.index.rows import rows_by_id, stored_rows, stored_rows_among
from registry.storage.models import Fingerprint, Record
from tests.pictures import encoded
from tests.world import SeededEmbedder, World

ROWS = 40


@pytest.fixture
def rows(world: World) -> Iterator[Session]:
    """A session in which one record has many rows of two kinds."""
    record = world.register(world.enrol("Daily Example"), encoded("coffee")).record
    random = np.random.default_rng(0)
    with Session(world.engine) as session:
        for _ in range(ROWS):
            code = random.integers(0, 256, 32, np.uint8).tobytes()
            vector = random.normal(size=DESCRIPTOR.size).astype("<f2").tobytes()
            for kind, value in ((PDQ, code), (DESCRIPTOR, vector)):
                session.add(Fingerprint(record_id=record.id, kind=kind.name, value=value))
        session.flush()
        yield session


def wanted(session: Session, kind: Kind) -> tuple[list[int], np.ndarray]:
    fingerprints = [
        fingerprint
        for fingerprint in session.exec(select(Fingerprint).order_by(col(Fingerprint.id)))
        if fingerprint.kind == kind.name and fingerprint.orientation == 0
    ]
    unpack = unpack_codes if kind is PDQ else unpack_vectors
    return [fingerprint.id or 0 for fingerprint in fingerprints], unpack(
        [fingerprint.value for fingerprint in fingerprints]
    )


@pytest.mark.parametrize("block", [1, 7, ROWS, ROWS + 1, 1000])
@pytest.mark.parametrize("kind", [PDQ, DESCRIPTOR], ids=lambda kind: kind.name)
def test_rows_come_in_blocks_by_rising_id(
    rows: Session, kind: Kind, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_PER_BLOCK", block)
    ids, values = wanted(rows, kind)
    blocks = list(stored_rows(rows, kind))
    assert [len(block_ids) for block_ids, _ in blocks[:-1]] == [block] * (len(blocks) - 1)
    assert np.concatenate([block_ids for block_ids, _ in blocks]).tolist() == ids
    assert np.array_equal(np.concatenate([block_values for _, block_values in blocks]), values)


def test_a_range_of_ids_is_read_alone(rows: Session) -> None:
    ids, _ = wanted(rows, PDQ)
    found = list(stored_rows(rows, PDQ, (ids[3], ids[9])))
    assert np.concatenate([block for block, _ in found]).tolist() == ids[3:10]


def test_some_ids_are_read_alone_and_withdrawn_records_not_at_all(
    rows: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, values = wanted(rows, PDQ)
    monkeypatch.setattr(module, "IDS_AT_ONCE", 3)
    asked = np.array([*ids[3:20:2], 10**12], np.int64)
    found = list(stored_rows_among(rows, PDQ, asked))
    assert [len(block) for block, _ in found] == [3, 3, 3]  # the last of the chunks finds nothing
    assert np.concatenate([block for block, _ in found]).tolist() == ids[3:20:2]
    assert np.array_equal(np.concatenate([block for _, block in found]), values[3:20:2])
    for record in rows.exec(select(Record)):
        record.status = "withdrawn"
    rows.flush()
    assert list(stored_rows(rows, PDQ)) == []
    assert list(stored_rows_among(rows, PDQ, asked)) == []


def test_rows_are_found_by_id_in_all_kinds_at_once(rows: Session) -> None:
    codes, vectors = wanted(rows, PDQ), wanted(rows, DESCRIPTOR)
    asked = [*codes[0][::-3], *vectors[0][:5], 10**12]
    found = rows_by_id(rows, asked, [PDQ.name, DESCRIPTOR.name])
    assert set(found) == {PDQ.name, DESCRIPTOR.name}
    assert found[PDQ.name][0].tolist() == sorted(codes[0][::-3])
    assert np.array_equal(found[DESCRIPTOR.name][1], vectors[1][:5])
    assert set(rows_by_id(rows, asked, [PDQ.name])) == {PDQ.name}
    assert rows_by_id(rows, [], [PDQ.name]) == {}


@pytest.mark.parametrize("value", ["'\\x00'", "value || '\\x00'", "'\\x'"])
def test_a_value_of_another_length_is_named_not_taken(world: World, value: str) -> None:
    record = world.register(world.enrol("Daily Example"), encoded("coffee")).record
    statement = (
        "UPDATE fingerprint SET value = {} WHERE record_id = :id AND kind = 'pdq.v1' AND orientation = 0"
    )
    world.tamper(statement.format(value), id=record.id)
    with Session(world.engine) as session:
        with pytest.raises(CorruptRows, match=r"pdq\.v1"):
            list(stored_rows(session, PDQ))
        upright = select(Fingerprint.id).where(Fingerprint.kind == PDQ.name, Fingerprint.orientation == 0)
        row = session.exec(upright).one() or 0
        with pytest.raises(CorruptRows, match=r"pdq\.v1"):
            rows_by_id(session, [row], ["pdq.v1"])
    findings = world.operator.audit().findings
    assert any("does not have the length" in str(finding) for finding in findings), findings
    # Nowhere to start from but the rows: the start says what is wrong.
    elsewhere = world.settings.model_copy(update={"home": world.settings.home / "other"})
    elsewhere.home.mkdir()
    (elsewhere.home / "keys").symlink_to(world.settings.key_folder)
    shutil.copy(world.settings.checkpoint_file, elsewhere.checkpoint_file)
    with (
        pytest.raises(CorruptRows, match=r"pdq\.v1"),
        running_services(elsewhere, world.engine, SeededEmbedder()),
    ):
        pass
