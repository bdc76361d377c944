"""The same behaviour in a folder and in an object store reached by URL."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from registry.errors import BlobsUnavailable
from registry.storage.blobs import Blobs


@pytest.fixture(params=["folder", "memory:///"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    url = None if request.param == "folder" else str(request.param)
    return Blobs(url, tmp_path / "blobs")


def test_what_was_put_comes_back_and_what_is_beside_it(blobs: Blobs) -> None:
    key = blobs.put(".webp", b"preview")
    blobs.put_beside(key, ".features.npz", b"features")
    assert blobs.get(key) == b"preview"
    assert blobs.get_beside(key, ".features.npz") == b"features"
    assert blobs.get_beside(key, ".other") is None


def test_a_deletion_takes_what_is_derived_and_nothing_else(blobs: Blobs) -> None:
    gone, kept = blobs.put(".webp", b"one"), blobs.put(".webp", b"other")
    blobs.put_beside(gone, ".features.npz", b"features")
    blobs.delete(gone)
    assert blobs.get(gone) is None
    assert blobs.get_beside(gone, ".features.npz") is None
    assert blobs.get(kept) == b"other"
    blobs.delete(gone)  # what is missing is ignored


def test_a_blob_in_a_folder_outlives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: set[int] = set()
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    blobs = Blobs(None, tmp_path / "blobs")
    file = tmp_path / "blobs" / blobs.put(".webp", b"preview")
    assert {file.stat().st_ino, *(folder.stat().st_ino for folder in file.parents[:3])} <= synced


def test_what_is_lost_is_told_from_what_cannot_be_read(tmp_path: Path) -> None:
    blobs = Blobs(None, tmp_path / "blobs")
    key = blobs.put(".webp", b"preview")
    file = tmp_path / "blobs" / key
    file.unlink()
    assert blobs.read(key) is None
    assert not blobs.has(key)
    file.parent.rmdir()
    file.parent.write_bytes(b"a file where a folder was")
    with pytest.raises(BlobsUnavailable):
        blobs.read(key)
    with pytest.raises(BlobsUnavailable):
        blobs.has(key)
    assert blobs.get(key) is None


def test_keys_say_nothing_of_their_content(blobs: Blobs) -> None:
    assert blobs.put(".webp", b"same") != blobs.put(".webp", b"same")


def test_only_blobs_of_an_age_are_listed(blobs: Blobs) -> None:
    key = blobs.put(".webp", b"one")
    assert list(blobs.older_than(timedelta(0))) == [key]
    assert list(blobs.older_than(timedelta(hours=1))) == []
