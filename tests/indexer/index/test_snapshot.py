"""What is on disk is used when it is whole, and otherwise read again, as little as possible."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.fingerprints.kinds import DESCRIPTOR, PDQ, Kind
from indexer.index import segmented_index, segments
from indexer.index.plain_files import BadFiles, read_arrays, write_arrays
from indexer.index.port import rows_of
from indexer.index.segmented_index import SegmentedIndex
from indexer.index.snapshot import Loaded, load_snapshot, take_snapshot, write_snapshot

TAIL = 16


@pytest.fixture(autouse=True)
def _accelerate_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "LEAST_ROWS", 1)
    # Nothing is merged, since the test needs several segments.
    monkeypatch.setattr(segmented_index, "MOST_ROWS", dict.fromkeys(segmented_index.MOST_ROWS, 0))


def codes(count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (count, 32), np.uint8)


def empty(folder: Path, kind: Kind = PDQ, registry: str = "registry-1") -> SegmentedIndex:
    return SegmentedIndex(kind, folder, registry, tail_rows=TAIL)


def save(index: SegmentedIndex, position: int) -> Path:
    return write_snapshot(index, take_snapshot(index, position))


def filled(folder: Path) -> SegmentedIndex:
    """Three sealed segments of 16 rows and a tail of two; some rows are dead."""
    index = empty(folder)
    index.add(np.arange(50), codes(50))
    index.compact()
    index.remove(np.array([3, 20, 21, 49]))
    return index


def same_rows(one: SegmentedIndex, other: SegmentedIndex) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(rows_of(one), rows_of(other), strict=True))


def test_what_was_saved_is_loaded_with_its_dead(tmp_path: Path) -> None:
    index = filled(tmp_path)
    assert [segment.is_sealed for segment in index.segments] == [True, True, True, False]
    save(index, 12)
    again = empty(tmp_path)
    assert load_snapshot(again) == Loaded(12)
    assert same_rows(index, again)
    assert again.within(codes(50), 0) == index.within(codes(50), 0)
    again.add(np.array([100]), codes(1, 9))
    again.remove(np.array([5, 100]))
    assert {5, 100}.isdisjoint(rows_of(again)[0].tolist())


def test_vectors_come_back_as_they_were(tmp_path: Path) -> None:
    raw = np.random.default_rng(1).normal(size=(40, 256)).astype(np.float32)
    rows = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
    index = empty(tmp_path, DESCRIPTOR)
    index.add(np.arange(40), rows)
    index.compact()
    save(index, 1)
    again = empty(tmp_path, DESCRIPTOR)
    assert load_snapshot(again) == Loaded(1)
    assert np.array_equal(rows_of(again)[1], rows)
    assert again.nearest(rows[:9], 3) == index.nearest(rows[:9], 3)


@pytest.mark.parametrize("name", ["ids.bin", "values.bin", "alive.bin", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_damaged_generation_makes_way_for_the_one_before_it(
    tmp_path: Path, name: str, damage: str
) -> None:
    index = filled(tmp_path)
    save(index, 11)
    index.remove(np.array([7]))
    destroy(save(index, 12) / name, damage)
    again = empty(tmp_path)
    assert load_snapshot(again) == Loaded(11)
    assert 7 in rows_of(again)[0]


@pytest.mark.parametrize("name", ["ids.bin", "values.bin", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_of_a_damaged_segment_its_own_rows_alone_are_missing(
    tmp_path: Path, name: str, damage: str
) -> None:
    index = filled(tmp_path)
    save(index, 12)
    middle = index.segments[1].name
    assert middle is not None
    destroy(tmp_path / middle / name, damage)
    again = empty(tmp_path)
    assert load_snapshot(again) == Loaded(12, missing=((16, 31),))
    left = rows_of(again)[0]
    assert left.tolist() == [*range(3), *range(4, 16), *range(32, 49)]


@pytest.mark.parametrize("kind", [PDQ, DESCRIPTOR], ids=lambda kind: kind.name)
def test_what_was_derived_is_derived_again_when_it_is_torn(tmp_path: Path, kind: Kind) -> None:
    index = empty(tmp_path, kind)
    values = codes(40) if kind is PDQ else np.eye(256, dtype=np.float32)[:40]
    index.add(np.arange(40), values)
    index.compact()
    save(index, 1)
    torn = [file for file in tmp_path.rglob("*.bin") if file.parent.name in ("multi-index", "fast-scan")]
    assert torn
    for file in torn:
        destroy(file, "cut")
    again = empty(tmp_path, kind)
    assert load_snapshot(again) == Loaded(1)
    assert again.segments[0].accelerator is not None
    assert again.nearest(values, 1) == index.nearest(values, 1)


def test_a_snapshot_of_another_registry_kind_or_format_is_refused(tmp_path: Path) -> None:
    generation = save(filled(tmp_path), 12)
    assert load_snapshot(empty(tmp_path, registry="registry-2")) is None
    assert load_snapshot(empty(tmp_path, DESCRIPTOR)) is None
    manifest = json.loads((generation / "manifest.json").read_text())
    (generation / "manifest.json").write_text(json.dumps(manifest | {"format": 1}))
    assert load_snapshot(empty(tmp_path)) is None


def test_two_generations_are_kept_and_no_segment_that_nothing_names(tmp_path: Path) -> None:
    index = filled(tmp_path)
    for position in (1, 2):
        save(index, position)
    index.remove(np.arange(16))
    index.compact()  # the first segment is gone, and the generations still name it
    save(index, 3)
    names = sorted(path.name[-2:] for path in tmp_path.glob("generation-*"))
    assert names == ["02", "03"]
    assert len(list(tmp_path.glob("segment-*"))) > len(index.segments) - 1
    save(index, 4)
    kept = {segment.name for segment in index.segments if segment.name}
    assert {path.name for path in tmp_path.glob("segment-*")} == kept


def test_files_hold_no_pickle_and_no_other_array(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a", {}, {"one": np.arange(4, dtype=np.uint32)})
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    for described in (
        {"dtype": "|O"},
        {"dtype": "<f8", "shape": [2]},
        {"shape": [-4]},
        {"shape": "x"},
        {"sha256": "0"},
    ):
        changed = manifest | {"arrays": {"one": manifest["arrays"]["one"] | described}}
        (tmp_path / "a" / "manifest.json").write_text(json.dumps(changed))
        with pytest.raises(BadFiles):
            read_arrays(tmp_path / "a", {})


DIES = """
import os, signal, sys
from pathlib import Path
import numpy as np
from indexer.index import segmented_index, segments
from tests.indexer.index.test_snapshot import codes, empty, save
segments.LEAST_ROWS = 1
steps = 0
def counted(real):
    def call(*args):
        global steps
        steps += 1
        if steps == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args)
    return call
os.fsync, os.rename = counted(os.fsync), counted(os.rename)
index = empty(Path(sys.argv[1]))
index.add(np.arange(20), codes(20))
index.compact()
save(index, 1)
index.add(np.arange(20, 50), codes(50)[20:])
index.compact()
save(index, 2)
"""


@pytest.mark.slow
def test_death_at_every_step_leaves_what_was_complete(tmp_path: Path) -> None:
    """Every file and folder that is made durable is a place to die at."""
    for deadly in range(1, 200):
        folder = tmp_path / str(deadly)
        command = [sys.executable, "-c", DIES, str(folder), str(deadly)]
        code = subprocess.run(command, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}).returncode
        again = empty(folder)
        loaded = load_snapshot(again)
        rows = {None: 0, Loaded(1): 20, Loaded(2): 50}[loaded]
        assert np.array_equal(rows_of(again)[1], codes(50)[:rows])
        assert not list(folder.rglob(".*"))  # nothing half written is left
        if code == 0:
            assert rows == 50
            break
    else:
        pytest.fail("it never came to its end")
    assert deadly > 30


def destroy(file: Path, damage: str) -> None:
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(content[:-1] if damage == "cut" else bytes([content[0] ^ 1]) + content[1:])
