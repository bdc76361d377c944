"""The same behaviour in a folder and in an object store reached by URL."""

from datetime import timedelta
from pathlib import Path

import pytest

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


def test_keys_say_nothing_of_their_content(blobs: Blobs) -> None:
    assert blobs.put(".webp", b"same") != blobs.put(".webp", b"same")


def test_only_blobs_of_an_age_are_listed(blobs: Blobs) -> None:
    key = blobs.put(".webp", b"one")
    assert list(blobs.older_than(timedelta(0))) == [key]
    assert list(blobs.older_than(timedelta(hours=1))) == []
