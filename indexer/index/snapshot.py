"""One moment of an index on disk: which sealed segments it has, what is dead in them, and its tail.

Two generations are kept, and the segments that they name. What cannot be trusted is not used: a generation
that is torn or of another registry makes way for the one before it, and of a torn segment the range of its
ids is told, so that those rows alone are read again.
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
    """What could be trusted."""

    position: int  # every index change up to and including this one is in it
    missing: tuple[tuple[int, int], ...] = ()  # ranges of ids, both ends included, to be read again


@dataclass(frozen=True)
class Moment:
    """What is to be written: taken while nothing changes the index, written while it goes on."""

    position: int
    sealed: tuple["_Described", ...]
    arrays: Arrays


def take_snapshot(index: SegmentedIndex, position: int) -> Moment:
    """Copy what is not in files yet. Nothing may change the index meanwhile; searches may go on."""
    sealed = [one for one in index.segments if one.is_sealed]
    loose = [(one, one.kept()) for one in index.segments if not one.is_sealed]
    arrays = {
        "ids": np.concatenate([one.ids[places] for one, places in loose]),
        "values": np.concatenate([one.values[places] for one, places in loose]),
        "alive": np.packbits(np.concatenate([np.zeros(0, np.bool_), *(one.alive for one in sealed)])),
    }
    return Moment(position, tuple(_describe(one) for one in sealed), arrays)


def write_snapshot(index: SegmentedIndex, moment: Moment) -> Path:
    """Write a generation durably, then drop old ones. The index may change, but not be tended, meanwhile.

    Of an index that never had a row nothing is written.
    """
    index.folder.mkdir(parents=True, exist_ok=True)
    generation = index.folder / f"generation-{moment.position:020d}"
    facts = {
        "registry": index.registry,
        "kind": index.kind.name,
        "position": moment.position,
        "segments": [asdict(one) for one in moment.sealed],
    }
    if moment.sealed or len(moment.arrays["ids"]) or _generations(index.folder):
        write_arrays(generation, facts, moment.arrays)
    _forget_old(index.folder, index)
    return generation


def load_snapshot(index: SegmentedIndex) -> Loaded | None:
    """Fill an empty index with the newest generation that can be trusted, or leave it empty."""
    remove_leftovers(index.folder)
    for generation in _generations(index.folder):
        with suppress(BadFiles):
            return _load(index, generation)
    return None


def _load(index: SegmentedIndex, generation: Path) -> Loaded:
    expected = {"registry": index.registry, "kind": index.kind.name}
    manifest, arrays = read_arrays(generation, expected)
    try:
        position = int(manifest["position"])
        described = [_Described(**one) for one in manifest["segments"]]
        ids, values, packed = arrays["ids"], arrays["values"], arrays["alive"]
        alive = np.unpackbits(packed, count=sum(one.rows for one in described)).astype(np.bool_)
    except (KeyError, TypeError, ValueError) as error:
        raise BadFiles(f"{generation.name}: {error}") from error
    if values.shape != (len(ids), index.segments[-1].values.shape[1]):
        raise BadFiles(f"{generation.name}: its arrays do not fit each other")
    sealed: list[Segment] = []
    missing: list[tuple[int, int]] = []
    start = 0
    for one in described:
        marks = alive[start : start + one.rows]
        start += one.rows
        try:
            sealed.append(_open(index, one, marks))
        except BadFiles as error:
            _log.warning("a segment of %s is read again from its rows: %s", index.kind.name, error)
            missing.append((one.first_id, one.last_id))
    index.adopt(sealed)
    index.add(ids, values.astype(dtype_of(index.kind)))
    return Loaded(position, tuple(missing))


@dataclass(frozen=True)
class _Described:
    name: str
    rows: int
    first_id: int
    last_id: int


def _describe(segment: Segment) -> _Described:
    assert segment.name is not None
    return _Described(segment.name, segment.count, int(segment.ids.min()), int(segment.ids.max()))


def _open(index: SegmentedIndex, described: _Described, marks: Marks) -> Segment:
    segment = open_segment(
        index.folder, described.name, index.registry, index.kind, accelerate=index.accelerates
    )
    if _describe(segment) != described:
        raise BadFiles(f"{described.name}: it holds other rows than its generation says")
    segment.mark(marks)
    return segment


def _generations(folder: Path) -> list[Path]:
    return sorted(folder.glob("generation-*"), reverse=True)


def _forget_old(folder: Path, index: SegmentedIndex) -> None:
    """All but the newest generations, and the segments that neither they nor the index name."""
    generations = _generations(folder)
    for old in generations[GENERATIONS_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    named = {one.name for one in index.segments}
    for generation in generations[:GENERATIONS_KEPT]:
        with suppress(OSError, ValueError, TypeError, KeyError):
            manifest = json.loads((generation / MANIFEST).read_text())
            named |= {one["name"] for one in manifest["segments"]}
    for segment in folder.glob("segment-*"):
        if segment.name not in named:
            shutil.rmtree(segment, ignore_errors=True)
