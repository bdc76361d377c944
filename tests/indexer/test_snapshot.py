import json
from pathlib import Path

import numpy as np
import pytest

from indexer.fingerprints.kinds import DESCRIPTOR, PDQ
from indexer.index.snapshot import BadSnapshot, load_newest, load_snapshot, save_snapshot

IDS = np.array([3, 5, 9], np.int64)
CODES = np.arange(96, dtype=np.uint8).reshape(3, 32)


def saved(folder: Path, through: int = 12) -> Path:
    return save_snapshot(folder, "registry-1", PDQ, (IDS, CODES), through)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    saved(tmp_path)
    found = load_newest(tmp_path, "registry-1", PDQ)
    assert found is not None
    manifest, ids, codes = found
    assert manifest.through_change == 12
    assert np.array_equal(ids, IDS)
    assert np.array_equal(codes, CODES)


@pytest.mark.parametrize("name", ["ids.bin", "values.bin", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_damaged_snapshot_is_refused_and_the_older_generation_is_used(
    tmp_path: Path, name: str, damage: str
) -> None:
    saved(tmp_path, 11)
    newest = saved(tmp_path, 12)
    file, content = newest / name, (newest / name).read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(content[:-1] if damage == "cut" else bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(BadSnapshot):
        load_snapshot(newest, "registry-1", PDQ)
    found = load_newest(tmp_path, "registry-1", PDQ)
    assert found is not None
    assert found[0].through_change == 11


def test_a_snapshot_of_another_registry_or_kind_is_refused(tmp_path: Path) -> None:
    generation = saved(tmp_path)
    with pytest.raises(BadSnapshot):
        load_snapshot(generation, "registry-2", PDQ)
    with pytest.raises(BadSnapshot):
        load_snapshot(generation, "registry-1", DESCRIPTOR)
    manifest = json.loads((generation / "manifest.json").read_text())
    (generation / "manifest.json").write_text(json.dumps(manifest | {"format": 2}))
    with pytest.raises(BadSnapshot):
        load_snapshot(generation, "registry-1", PDQ)


def test_two_generations_are_kept(tmp_path: Path) -> None:
    for through in (1, 2, 3):
        saved(tmp_path, through)
    assert [path.name[-2:] for path in sorted(tmp_path.iterdir())] == ["02", "03"]
