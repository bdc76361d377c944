"""Arrays on disk as plain little-endian files, with a manifest of their digests; no pickle, no faiss file.

A folder is written beside its place, made durable and renamed into place, so that it is there as a whole
or not at all. Whoever reads it refuses files that are torn, changed or made for something else.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FORMAT = 2
MANIFEST = "manifest.json"
DTYPES = ("|u1", "<u4", "<i8", "<f2", "<f4")
CHUNK_BYTES = 1 << 24

Arrays = dict[str, npt.NDArray[Any]]


class BadFiles(ValueError):
    """Files that must not be used: torn, changed, or made for something else."""


def write_arrays(folder: Path, facts: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write `folder` durably and as a whole; it replaces a folder of the same name."""
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    described = {name: _write_array(fresh / f"{name}.bin", array) for name, array in arrays.items()}
    manifest = {"format": FORMAT, **facts, "arrays": described}
    _write_bytes(fresh / MANIFEST, json.dumps(manifest, indent=2).encode())
    sync_folder(fresh)
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(fresh, folder)
    sync_folder(folder.parent)


def read_arrays(
    folder: Path, expected: Mapping[str, Any], *, trusted: bool = False
) -> tuple[dict[str, Any], Arrays]:
    """The facts and the memory-mapped arrays of `folder`.

    Raises BadFiles unless the facts contain what is `expected` and every file has its size and its digest.
    `trusted`: this process has just written the files, so their digests are not computed again.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        described = dict(manifest["arrays"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadFiles(f"{folder.name}: its manifest cannot be read ({error})") from error
    for name, value in {"format": FORMAT, **expected}.items():
        if manifest.get(name) != value:
            raise BadFiles(f"{folder.name}: made for another {name}")
    arrays = {
        name: _open_array(folder / f"{name}.bin", description, trusted)
        for name, description in described.items()
    }
    return manifest, arrays


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left half written; only for a folder to which nobody writes now."""
    for leftover in [*folder.rglob(".*.new")]:
        shutil.rmtree(leftover, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Make the entries of a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_array(path: Path, array: npt.NDArray[Any]) -> dict[str, Any]:
    plain = np.ascontiguousarray(array)
    plain = plain.astype(plain.dtype.newbyteorder("<"), copy=False)
    assert plain.dtype.str in DTYPES, plain.dtype
    digest = _write_bytes(path, plain.reshape(-1).view(np.uint8).data)
    return {"dtype": plain.dtype.str, "shape": list(plain.shape), "sha256": digest}


def _write_bytes(path: Path, content: bytes | memoryview) -> str:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(content).hexdigest()


def _open_array(path: Path, described: Any, trusted: bool) -> npt.NDArray[Any]:
    try:
        shape, dtype = tuple(int(length) for length in described["shape"]), str(described["dtype"])
        if dtype not in DTYPES or min(shape, default=0) < 0:
            raise BadFiles(f"{path.name}: not an array that this program writes")
        if path.stat().st_size != int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize:
            raise BadFiles(f"{path.name}: it has another size than its manifest says")
        if not trusted and _digest_of(path) != described["sha256"]:
            raise BadFiles(f"{path.name}: its content does not have the digest of its manifest")
        if 0 in shape:
            return np.zeros(shape, dtype)
        # Viewed as a plain array: every operation on numpy's subclass costs microseconds more.
        return np.memmap(path, dtype, "r", shape=shape).view(np.ndarray)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadFiles(f"{path.parent.name}/{path.name}: {error}") from error


def _digest_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
