"""What frames tell together of a face."""

from dataclasses import replace

import numpy as np
from PIL import Image

from indexer.compare.faces.findings import FaceFinding
from indexer.media.video_coding import through_h264
from indexer.timeline.faces import are_silent, is_drawn_anew, mouths_follow
from tests.portraits import astronaut, derived, swapped, through_jpeg


def moments(rng: np.random.Generator, spread: float) -> list[tuple[float, float, float]]:
    return [(a, b, c) for a, b, c in rng.normal(0.2, spread, (10, 3))]


def test_a_mouth_that_follows_is_told_from_one_that_is_driven() -> None:
    rng = np.random.default_rng(0)
    said = [tuple(mouth) for mouth in rng.uniform(0, 0.3, (10, 3))]
    coarse = [tuple(np.array(mouth) * 0.7 + 0.05 + rng.normal(0, 0.02, 3)) for mouth in said]
    driven = [tuple(mouth) for mouth in rng.uniform(0, 0.3, (10, 3))]
    assert mouths_follow(list(zip(coarse, said, strict=True))) is True
    assert mouths_follow(list(zip(driven, said, strict=True))) is False
    assert mouths_follow(list(zip(coarse[:4], said[:4], strict=True))) is None


def test_a_silent_mouth_in_a_coarse_copy_was_not_driven() -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        silent, coarse, speaks = moments(rng, 0.004), moments(rng, 0.009), moments(rng, 0.05)
        grins = [(opening, width + 0.15, height) for opening, width, height in coarse]
        assert mouths_follow(list(zip(coarse, silent, strict=True))) is None
        assert are_silent(list(zip(coarse, silent, strict=True)))
        assert not are_silent(list(zip(speaks, silent, strict=True)))
        assert not are_silent(list(zip(grins, silent, strict=True)))
        assert not are_silent(list(zip(coarse[:4], silent[:4], strict=True)))


def face_of(query: Image.Image) -> FaceFinding:
    return derived(query, astronaut()).faces[0]


def test_a_face_that_is_kept_though_marked_was_changed_by_a_filter() -> None:
    face = face_of(through_jpeg(swapped()))
    assert face.pair.measures is not None
    for kept, share, expected in ((0.98, 0.3, True), (0.9, 0.3, False), (0.98, 0.05, False)):
        pair = replace(face.pair, measures=replace(face.pair.measures, kept=kept))
        assert replace(face, pair=pair, changed_share=share).is_marked_but_kept is expected


def test_a_face_drawn_anew_in_most_frames_is_told_from_a_coarse_copy() -> None:
    pixels = np.asarray(astronaut().convert("RGB"))
    coarse = face_of(Image.fromarray(through_h264(pixels, 40)))
    blended = face_of(Image.blend(astronaut().convert("RGB"), swapped().convert("RGB"), 0.7))
    assert is_drawn_anew([*[blended] * 6, *[coarse] * 2])
    assert not is_drawn_anew([*[blended] * 3, *[coarse] * 5])
    assert not is_drawn_anew([coarse] * 8)
    assert not is_drawn_anew([blended] * 4)  # too few to say so
