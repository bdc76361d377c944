"""The default descriptor on a CPU: as torch computes it, and the cheaper ways that are searched by."""

from pathlib import Path

import numpy as np
import pytest

from indexer.fingerprints import copy_embedder
from indexer.fingerprints.copy_embedder import FAST_TRUNK_FILE, WEIGHTS_FILE, WHOLE, CopyEmbedder
from indexer.fingerprints.embedders import TorchEmbedder
from indexer.fingerprints.lite0 import WrongWeights
from indexer.fingerprints.regions import Region, tiles
from tests.pictures import pixels

NAMES = ("coffee", "astronaut", "hubble")


@pytest.fixture(scope="module")
def embedder() -> CopyEmbedder:
    return CopyEmbedder()


def test_what_is_kept_equals_what_torch_computes_of_the_same_weights(embedder: CopyEmbedder) -> None:
    frames = [pixels(name) for name in NAMES]
    assert np.allclose(embedder.embed(frames), TorchEmbedder("cpu").embed(frames), atol=1e-5)


def test_what_is_searched_by_is_near_to_what_is_kept(embedder: CopyEmbedder) -> None:
    frames = [pixels(name) for name in NAMES]
    similarities = embedder.embed_to_search(frames) @ embedder.embed(frames).T
    assert (np.diag(similarities) > 0.9).all()
    assert (similarities.argmax(axis=1) == np.arange(len(frames))).all()


def test_a_window_is_nearest_to_the_picture_that_was_put_there(embedder: CopyEmbedder) -> None:
    inset, around = pixels("coffee"), pixels("hubble").copy()
    places = tiles(around)
    for number, place in enumerate(places):
        framed = around.copy()
        down, across = place.bottom - place.top, place.right - place.left
        rows = np.linspace(0, inset.shape[0] - 1, down).astype(int)
        columns = np.linspace(0, inset.shape[1] - 1, across).astype(int)
        framed[place.top : place.bottom, place.left : place.right] = inset[rows][:, columns]
        similarities = embedder.embed_windows(framed, places) @ embedder.embed([inset])[0]
        assert similarities.argmax() == number
        assert similarities[number] > 0.7


def test_the_window_that_is_the_whole_frame_resembles_the_frame(embedder: CopyEmbedder) -> None:
    frame = pixels("astronaut")
    whole = Region(0, 0, frame.shape[1], frame.shape[0])
    [vector] = embedder.embed_windows(frame, [whole])
    assert vector @ embedder.embed([frame])[0] > 0.6  # it was looked at in another size


def test_a_window_without_width_still_has_a_place(embedder: CopyEmbedder) -> None:
    frame = pixels("astronaut")
    corner = Region(frame.shape[1] - 1, frame.shape[0] - 1, frame.shape[1], frame.shape[0])
    assert np.isfinite(embedder.embed_windows(frame, [corner, Region(0, 0, 1, 1)])).all()


def test_a_processor_that_computes_8_bits_wrongly_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = copy_embedder._opened

    class Overflowing:
        def run(self, *given: object) -> list[np.ndarray]:
            rng = np.random.default_rng(0)
            return [rng.random(one.shape, np.float32) for one in opened(FAST_TRUNK_FILE).run(*given)]

    monkeypatch.setattr(
        copy_embedder, "_opened", lambda path: Overflowing() if path == FAST_TRUNK_FILE else opened(path)
    )
    embedder, frames = CopyEmbedder(), [pixels("coffee")]
    assert np.array_equal(embedder.embed_to_search(frames), embedder.embed(frames))


@pytest.mark.parametrize("constant", ["TRUNK_FILE", "FAST_TRUNK_FILE", "WEIGHTS_FILE"])
def test_a_damaged_file_is_named(constant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / f"damaged{WEIGHTS_FILE.suffix}"
    damaged.write_bytes(b"{}" * 10)
    monkeypatch.setattr(copy_embedder, constant, damaged)
    with pytest.raises(WrongWeights, match="damaged"):
        CopyEmbedder()


def test_the_whole_of_a_unit_frame_has_every_place() -> None:
    shares = copy_embedder._share_of_places(WHOLE, 1, 1, np.zeros((3, 4, 5), np.float32))
    assert np.allclose(shares, 1 / 20)
