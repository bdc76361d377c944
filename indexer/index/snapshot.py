"""An index on disk: raw little-endian arrays and a manifest with their digests. No pickle, no faiss file.

A generation is a folder that is complete once its manifest has been renamed into place. Anything that
is torn, foreign or of another kind is refused, and the caller builds from rows.
"""

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from indexer.fingerprints.kinds import Family, Kind
from indexer.index.port import Ids, Values, dtype_of

FORMAT = 1
GENERATIONS_KEPT = 2


class BadSnapshot(ValueError):
    """A snapshot that must not be used: torn, changed, or made for something else."""


@dataclass(frozen=True)
class Manifest:
    """What a snapshot holds."""

    format: int
    registry: str  # identity of the database the rows came from
    kind: str
    rows: int
    through_change: int  # every index change up to and including this one is in it
    ids_sha256: str
    values_sha256: str


def save_snapshot(
    folder: Path, registry: str, kind: Kind, rows: tuple[Ids, Values], through_change: int
) -> Path:
    """Write a generation durably: data, fsync, manifest, fsync, rename, fsync of the folder."""
    generation = folder / f"{kind.name}-{through_change:020d}"
    if (generation / "manifest.json").exists():
        return generation
    generation.mkdir(parents=True, exist_ok=True)
    ids, values = rows[0].astype("<i8"), np.ascontiguousarray(rows[1], dtype_of(kind))
    manifest = Manifest(
        format=FORMAT,
        registry=registry,
        kind=kind.name,
        rows=len(ids),
        through_change=through_change,
        ids_sha256=_write(generation / "ids.bin", ids.tobytes()),
        values_sha256=_write(generation / "values.bin", values.tobytes()),
    )
    _write(generation / "manifest.tmp", json.dumps(asdict(manifest), indent=2).encode())
    os.rename(generation / "manifest.tmp", generation / "manifest.json")
    _sync_folder(generation)
    _sync_folder(folder)
    for old in _generations(folder, kind)[GENERATIONS_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    return generation


def load_newest(folder: Path, registry: str, kind: Kind) -> tuple[Manifest, Ids, Values] | None:
    """The newest generation that can be trusted, or None."""
    for generation in _generations(folder, kind):
        try:
            return load_snapshot(generation, registry, kind)
        except BadSnapshot:
            continue
    return None


def load_snapshot(generation: Path, registry: str, kind: Kind) -> tuple[Manifest, Ids, Values]:
    """Read one generation. Raises BadSnapshot."""
    try:
        manifest = Manifest(**json.loads((generation / "manifest.json").read_text()))
        ids_bytes = (generation / "ids.bin").read_bytes()
        values_bytes = (generation / "values.bin").read_bytes()
    except (OSError, ValueError, TypeError) as error:
        raise BadSnapshot(f"{generation.name}: {error}") from error
    if (manifest.format, manifest.registry, manifest.kind) != (FORMAT, registry, kind.name):
        raise BadSnapshot(f"{generation.name}: made for another registry, kind or format")
    if manifest.ids_sha256 != _digest(ids_bytes) or manifest.values_sha256 != _digest(values_bytes):
        raise BadSnapshot(f"{generation.name}: its files do not have the digests of its manifest")
    width = kind.size // 8 if kind.family is Family.BINARY else kind.size
    ids = np.frombuffer(ids_bytes, "<i8").astype(np.int64)
    values = np.frombuffer(values_bytes, dtype_of(kind)).reshape(len(ids), width)
    return manifest, ids, values


def _generations(folder: Path, kind: Kind) -> list[Path]:
    return sorted(folder.glob(f"{kind.name}-*"), reverse=True)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes) -> str:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return _digest(content)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
