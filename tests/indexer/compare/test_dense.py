"""A copy agrees with its original wherever nothing covers it; a different capture of the scene does not."""

import random
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageFilter

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.dense import DenseAgreement, dense_agreement
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.compare.whole_on_whole import whole_on_whole
from indexer.training.edits import overlays, screens, tone
from registry.match.counter_evidence import is_different_capture
from registry.match.match_evidence import MatchEvidence
from registry.thresholds import Thresholds
from samples.picture_evasions import OVERLAYS, Evasion
from tests.pictures import picture, pixels


def laid_over(query: Image.Image, reference: Image.Image) -> tuple[DenseAgreement, MatchEvidence]:
    query_pixels, reference_pixels = np.asarray(query), np.asarray(reference)
    alignment = align(extract_features(query_pixels), extract_features(reference_pixels))
    if alignment is None or alignment.inliers < Thresholds().inliers_moderate:
        # Under dense lines hardly a feature is left; the two still fill one frame.
        alignment = whole_on_whole(query.size, reference.size, 0)
    assert alignment is not None
    dense = dense_agreement(AlignedPair(query_pixels, reference_pixels, alignment))
    assert dense is not None
    measured = MatchEvidence(
        compared=True,
        inliers=alignment.inliers,
        pairs=alignment.pairs,
        spread=alignment.spread,
        dense=dense,
    )
    return dense, measured


def with_part_moved(image: Image.Image, by: int) -> Image.Image:
    """Moves what is in the middle, as when somebody moves before a fixed camera."""
    box = (image.width // 4, image.height // 5, image.width * 3 // 4, image.height)
    part = image.crop(box)
    edge = Image.new("L", part.size, 0)
    edge.paste(255, (12, 12, part.width - 12, part.height - 12))
    moved = image.copy()
    moved.paste(part, (box[0] + by, box[1] - by // 2), edge.filter(ImageFilter.GaussianBlur(6)))
    return moved


def test_a_picture_agrees_with_itself() -> None:
    dense, measured = laid_over(picture("coffee"), picture("coffee"))
    assert dense.agreeing == 1
    assert dense.disagreeing == dense.moved == 0
    assert dense.fine > 0.9
    assert not is_different_capture(measured, Thresholds())


@pytest.mark.parametrize(
    "edit",
    [
        tone.recompress,
        tone.grey,
        tone.noise,
        tone.filter_colours,
        overlays.write_text,
        overlays.place_stickers,
        overlays.draw_stripes,
        overlays.caption,
        screens.screenshot,
        overlays.overlay_on(picture("cat")),
        overlays.blend_with(picture("cat")),
        overlays.beside(picture("cat")),
    ],
    ids=lambda edit: edit.__qualname__,
)
@pytest.mark.parametrize("name", ["coffee", "astronaut"])
def test_an_edited_copy_is_no_different_capture(
    name: str, edit: Callable[[Image.Image, random.Random], Image.Image]
) -> None:
    _, measured = laid_over(edit(picture(name), random.Random(4)), picture(name))
    assert not is_different_capture(measured, Thresholds())


@pytest.mark.parametrize("lay_over", OVERLAYS, ids=lambda overlay: overlay.__name__)
@pytest.mark.parametrize("name", ["astronaut", "cat", "grace hopper"])
def test_what_lies_over_a_copy_has_not_moved(name: str, lay_over: Evasion) -> None:
    original = picture(name)
    _, measured = laid_over(lay_over(original), original)
    assert not is_different_capture(measured, Thresholds())


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_the_same_scene_with_something_moved_is_a_different_capture(name: str) -> None:
    original = picture(name)
    later = tone.noise(with_part_moved(original, 26), random.Random(1))  # a sensor's own noise
    dense, measured = laid_over(later, original)
    assert dense.moved > Thresholds().moved
    assert is_different_capture(measured, Thresholds())


def test_another_picture_behind_the_same_thing_is_a_different_capture() -> None:
    def behind(name: str) -> Image.Image:
        scene = picture(name).resize((600, 400))
        scene.paste(picture("coffee").resize((220, 150)), (190, 240))
        return scene

    dense, measured = laid_over(behind("cat"), behind("rocket"))
    assert measured.inliers >= Thresholds().inliers_strong
    assert dense.agreeing < 0.5
    assert is_different_capture(measured, Thresholds())


def test_pictures_without_detail_say_nothing() -> None:
    alignment = align(extract_features(pixels("coffee")), extract_features(pixels("coffee")))
    assert alignment is not None
    flat = np.full_like(pixels("coffee"), 90)
    assert dense_agreement(AlignedPair(flat, flat, alignment)) is None
