import numpy as np
import pytest
from PIL import Image

from indexer.compare.features import LocalFeatures, extract_features, mirrored, resized
from indexer.compare.geometry import Alignment, align, match_features
from indexer.compare.operations import operations_found
from indexer.compare.vocabulary import Frame
from indexer.operations import OperationType
from tests.pictures import picture, pixels

REFERENCE = picture("coffee")


def aligned(query: Image.Image, reference: Image.Image = REFERENCE) -> Alignment | None:
    return align(extract_features(np.asarray(query)), extract_features(np.asarray(reference)))


def found_types(query: Image.Image) -> dict[OperationType, dict[str, float]]:
    alignment = aligned(query)
    assert alignment is not None
    found = operations_found(
        alignment, np.asarray(query), np.asarray(REFERENCE), Frame(*query.size), Frame(*REFERENCE.size)
    )
    return {operation.type: operation.measured for operation in found}


def embedded(share: float) -> Image.Image:
    page = picture("astronaut").resize((800, 800))
    side = int(800 * share)
    page.paste(REFERENCE.resize((side, side * 2 // 3)), (100, 60))
    return page


def test_features_of_a_mirror_image_need_no_second_look() -> None:
    looked = extract_features(np.ascontiguousarray(pixels("coffee")[:, ::-1]))
    permuted = mirrored(extract_features(pixels("coffee")))
    assert len(match_features(looked, permuted)) > 0.8 * len(looked.points)
    assert np.array_equal(mirrored(mirrored(looked)).descriptors, looked.descriptors)


def test_features_of_a_smaller_preview_need_no_second_look() -> None:
    small = REFERENCE.resize((300, 200), Image.Resampling.LANCZOS)
    features = resized(extract_features(pixels("coffee")), *small.size)
    alignment = align(extract_features(np.asarray(small)), features)
    assert alignment is not None
    corners = np.array([[0, 0], [299, 0], [299, 199], [0, 199]])
    assert np.abs(alignment.reference_quad - corners).max() < 1.5


def test_features_come_back_from_their_bytes() -> None:
    features = extract_features(pixels("coffee"))
    again = LocalFeatures.from_bytes(features.to_bytes())
    assert np.array_equal(again.points, features.points)
    assert (again.width, again.height) == (600, 400)
    with pytest.raises(ValueError, match=r"archive|pickle|zip|file"):
        LocalFeatures.from_bytes(b"no archive at all")


@pytest.mark.parametrize("unrelated", ["astronaut", "cat", "rocket", "motorcycle", "hubble"])
def test_unrelated_pictures_do_not_align(unrelated: str) -> None:
    alignment = aligned(picture(unrelated))
    assert alignment is None or alignment.inliers < 9


def test_a_flat_frame_has_no_features_and_aligns_with_nothing() -> None:
    assert aligned(Image.new("RGB", (300, 200), "red")) is None


def test_a_crop_is_placed_where_it_was_cut() -> None:
    alignment = aligned(REFERENCE.crop((150, 100, 450, 300)))
    assert alignment is not None
    expected = np.array([[150, 100], [449, 100], [449, 299], [150, 299]])
    assert np.abs(alignment.reference_quad - expected).max() < 4
    assert alignment.query_coverage > 0.95
    assert 0.2 < alignment.reference_coverage < 0.3


@pytest.mark.parametrize("degrees", [10, 45, 90, 180])
def test_a_turn_is_measured(degrees: int) -> None:
    alignment = aligned(REFERENCE.rotate(degrees, expand=True))
    assert alignment is not None
    measured = alignment.rotation_degrees % 360
    assert min(abs(measured - degrees), 360 - abs(measured - degrees)) < 2


def test_mirroring_is_told_apart_from_turning() -> None:
    flipped = aligned(REFERENCE.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    turned = aligned(REFERENCE.transpose(Image.Transpose.ROTATE_180))
    assert flipped is not None
    assert turned is not None
    assert flipped.is_mirrored
    assert not turned.is_mirrored


def test_a_symmetric_portrait_is_told_from_its_mirror_image() -> None:
    portrait = picture("grace hopper")
    straight = aligned(portrait, portrait)
    flipped = aligned(portrait.transpose(Image.Transpose.FLIP_LEFT_RIGHT), portrait)
    assert straight is not None
    assert flipped is not None
    assert (straight.is_mirrored, flipped.is_mirrored) == (False, True)
    assert abs(flipped.rotation_degrees) < 0.5


def test_the_same_two_pictures_always_give_the_same_alignment() -> None:
    query = REFERENCE.crop((100, 50, 500, 350))
    one, other = aligned(query), aligned(query)
    assert one is not None
    assert other is not None
    assert np.array_equal(one.homography, other.homography)


def test_an_unchanged_picture_shows_no_operation() -> None:
    assert found_types(REFERENCE) == {}


def test_each_operation_is_called_by_its_name() -> None:
    assert set(found_types(REFERENCE.transpose(Image.Transpose.FLIP_LEFT_RIGHT))) == {
        OperationType.MIRRORED
    }
    assert OperationType.ROTATED in found_types(REFERENCE.rotate(15, expand=True))
    half = found_types(REFERENCE.resize((300, 200)))
    assert half[OperationType.RESIZED]["factor"] == pytest.approx(0.5, abs=0.02)
    crop = found_types(REFERENCE.crop((0, 0, 300, 400)))
    assert crop[OperationType.CROPPED]["kept_share"] == pytest.approx(0.5, abs=0.03)
    assert OperationType.EMBEDDED in found_types(embedded(0.6))
    dark = Image.fromarray((pixels("coffee") * 0.55).astype(np.uint8))
    assert OperationType.COLOUR in found_types(dark)
    assert OperationType.COLOUR in found_types(REFERENCE.convert("L").convert("RGB"))


def test_recompression_alone_is_no_colour_change_and_no_crop() -> None:
    import io

    buffer = io.BytesIO()
    REFERENCE.save(buffer, "JPEG", quality=25)
    assert found_types(Image.open(buffer).convert("RGB")) == {}


def test_the_region_of_an_embedded_picture_is_where_it_was_pasted() -> None:
    query = embedded(0.5)
    alignment = aligned(query)
    assert alignment is not None
    found = operations_found(
        alignment, np.asarray(query), np.asarray(REFERENCE), Frame(800, 800), Frame(600, 400)
    )
    region = next(operation.region for operation in found if operation.type is OperationType.EMBEDDED)
    assert region is not None
    assert region[0] == pytest.approx((100 / 800, 60 / 800), abs=0.02)
    assert region[2] == pytest.approx((500 / 800, 326 / 800), abs=0.02)
