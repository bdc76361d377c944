"""Snapshots of an index on disk: which sealed segments it has, which of their rows are dead, and its tail.

The two newest generations are kept, with the segments that they name. What cannot be trusted is not used:
where a generation is torn or of another registry, the one before it is loaded; where a segment is torn, the
range of its ids is returned, so that only those rows are read again.
"""

import json
import logging
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from indexer.index.plain_files import (
    MANIFEST,
    Arrays,
    BadFiles,
    read_arrays,
    remove_leftovers,
    write_arrays,
)
from indexer.index.port import dtype_of
from indexer.index.segmented_index import SegmentedIndex
from indexer.index.segments import Marks, Segment, open_segment

GENERATIONS_KEPT = 2
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """How far a snapshot could be trusted."""

    position: int  # the changes up to and including this one are in the snapshot
    missing: tuple[tuple[int, int], ...] = ()  # ranges of ids that must be read again, both ends included


@dataclass(frozen=True)
class Snapshot:
    """An index at one moment: taken while nothing changes it, and written while changes go on."""

    position: int  # number of the last change that the index had applied
    segments: tuple["_SegmentEntry", ...]  # the sealed ones
    arrays: Arrays  # rows that are in no sealed segment, and the marks of all sealed segments


def take_snapshot(index: SegmentedIndex, position: int) -> Snapshot:
    """Copy what is not in files yet. Nothing may change the index meanwhile; searches may go on."""
    sealed = [segment for segment in index.segments if segment.is_sealed]
    tails = [(segment, segment.live_places()) for segment in index.segments if not segment.is_sealed]
    marks = [np.zeros(0, np.bool_), *(segment.alive for segment in sealed)]
    arrays = {
        "ids": np.concatenate([segment.ids[places] for segment, places in tails]),
        "values": np.concatenate([segment.values[places] for segment, places in tails]),
        "alive": np.packbits(np.concatenate(marks)),
    }
    return Snapshot(position, tuple(_entry_of(segment) for segment in sealed), arrays)


def write_snapshot(index: SegmentedIndex, snapshot: Snapshot) -> Path:
    """Write a generation durably, then remove old ones.

    Meanwhile the index may change, but must not be compacted. For an index that never had a row nothing is
    written.
    """
    index.folder.mkdir(parents=True, exist_ok=True)
    generation = index.folder / f"generation-{snapshot.position:020d}"
    facts = {
        "registry": index.registry,
        "kind": index.kind.name,
        "position": snapshot.position,
        "segments": [asdict(entry) for entry in snapshot.segments],
    }
    if snapshot.segments or len(snapshot.arrays["ids"]) or _generations(index.folder):
        write_arrays(generation, facts, snapshot.arrays)
    _remove_old(index.folder, index)
    return generation


def load_snapshot(index: SegmentedIndex, *, is_ours: bool = True) -> Loaded | None:
    """Fill an empty index with the newest generation that can be trusted, or leave it empty.

    `is_ours`: no other process writes to the folder, so that what a killed one left can be removed.
    """
    if is_ours:
        remove_leftovers(index.folder)
    for generation in _generations(index.folder):
        with suppress(BadFiles):
            return _load(index, generation, is_ours)
    return None


def _load(index: SegmentedIndex, generation: Path, is_ours: bool) -> Loaded:
    expected = {"registry": index.registry, "kind": index.kind.name}
    manifest, arrays = read_arrays(generation, expected)
    try:
        # Generations that were written before the word changed are as good.
        position = int(manifest["position"] if "position" in manifest else manifest["through_change"])
        entries = [_SegmentEntry(**entry) for entry in manifest["segments"]]
        ids, values, packed = arrays["ids"], arrays["values"], arrays["alive"]
        alive = np.unpackbits(packed, count=sum(entry.rows for entry in entries)).astype(np.bool_)
    except (KeyError, TypeError, ValueError) as error:
        raise BadFiles(f"{generation.name}: {error}") from error
    if values.shape != (len(ids), index.segments[-1].values.shape[1]):
        raise BadFiles(f"{generation.name}: its arrays do not fit each other")
    sealed: list[Segment] = []
    missing: list[tuple[int, int]] = []
    start = 0
    for entry in entries:
        marks = alive[start : start + entry.rows]
        start += entry.rows
        try:
            sealed.append(_open(index, entry, marks, is_ours))
        except BadFiles as error:
            _log.warning("a segment of %s is read again from its rows: %s", index.kind.name, error)
            missing.append((entry.first_id, entry.last_id))
    index.adopt(sealed)
    index.add(ids, values.astype(dtype_of(index.kind)))
    return Loaded(position, tuple(missing))


@dataclass(frozen=True)
class _SegmentEntry:
    """What a generation says of a sealed segment."""

    name: str
    rows: int
    first_id: int
    last_id: int


def _entry_of(segment: Segment) -> _SegmentEntry:
    assert segment.name is not None
    return _SegmentEntry(segment.name, segment.count, int(segment.ids.min()), int(segment.ids.max()))


def _open(index: SegmentedIndex, entry: _SegmentEntry, marks: Marks, is_ours: bool) -> Segment:
    """Raises BadFiles unless the files hold what the generation says."""
    segment = open_segment(
        index.folder,
        entry.name,
        index.registry,
        index.kind,
        accelerate=index.accelerates,
        is_ours=is_ours,
    )
    if _entry_of(segment) != entry:
        raise BadFiles(f"{entry.name}: it holds other rows than its generation says")
    segment.mark(marks)
    return segment


def newest_position(folder: Path) -> int:
    """The position that the newest generations of all indexes under a folder have; 0 where there is none.

    An index that never had a row has no generation. While they are written, one after the other, that of
    the last.
    """
    newest: dict[str, int] = {}
    for path in folder.glob("*/generation-*"):
        position = path.name.partition("-")[2]
        if position.isdecimal():
            newest[path.parent.name] = max(int(position), newest.get(path.parent.name, 0))
    return min(newest.values(), default=0)


def _generations(folder: Path) -> list[Path]:
    return sorted(folder.glob("generation-*"), reverse=True)


def _remove_old(folder: Path, index: SegmentedIndex) -> None:
    """Remove all but the newest generations, and the segments that neither they nor the index name."""
    generations = _generations(folder)
    for old in generations[GENERATIONS_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    named = {segment.name for segment in index.segments}
    for generation in generations[:GENERATIONS_KEPT]:
        with suppress(OSError, ValueError, TypeError, KeyError):
            manifest = json.loads((generation / MANIFEST).read_text())
            named |= {entry["name"] for entry in manifest["segments"]}
    for segment in folder.glob("segment-*"):
        if segment.name not in named:
            shutil.rmtree(segment, ignore_errors=True)
