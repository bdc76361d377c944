"""Other moments of real footage are not called edited; skipped where the videos are not at hand."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from PIL import Image, ImageDraw

from indexer.compare.faces.judgement import OTHER_FRAME
from indexer.operations import OPERATIONS, Certainty
from sdk.models import Match, OperationType, Strength
from tests.pictures import encoded
from tests.world import DatabaseServer, Party, World

pytestmark = [pytest.mark.shared, pytest.mark.slow]
# Frames that were called re-enacted, edited or overlaid.
MOMENTS = {
    "swaps-dev/files/video__ffpp_004_982_target.mp4": (80, 190, 240),
    "videos/liveportrait__driving_d10.mp4": (11, 154, 169),
    "videos/liveportrait__source_s29.mp4": (4, 107, 140),
}
APART = ("videos/liveportrait__source_s18.mp4", 94, 102)  # two frames, a third of a second apart
DRIVEN = "swaps-dev/files/img__ffpp_004_982_f120_{}.png"  # by NeuralTextures


class ShippedDescriptorWorld(World):
    embedder = None  # the shipped descriptor


def frame_of(path: Path, number: int) -> Image.Image:
    with av.open(path) as container:
        frame = next(itertools.islice(container.decode(video=0), number, None))
        return Image.fromarray(frame.to_ndarray(format="rgb24"))


@pytest.fixture(scope="module")
def desk(database_server: DatabaseServer, scratch: Path, shared: Path) -> Iterator[Party]:
    home = scratch / "development-moments"
    home.mkdir()
    with ShippedDescriptorWorld(database_server, home) as world:
        desk = world.enrol("Daily Example")
        for name in MOMENTS:
            world.register(desk, (shared / name).read_bytes(), name)
        name, first, _ = APART
        world.register(desk, encoded(frame_of(shared / name, first)), "a moment")
        world.register(desk, (shared / DRIVEN.format("target")).read_bytes(), "a speaker")
        yield desk


def asked(desk: Party, image: Image.Image, label: str) -> Match:
    answer = desk.client.match(encoded(image, quality=90))
    return next(match for match in answer.matches if match.record.label == label)


def changes(match: Match) -> set[OperationType]:
    return {one.type for one in match.operations if OPERATIONS[one.type].changes_content}


@pytest.mark.parametrize(
    ("name", "number"), [(name, number) for name, numbers in MOMENTS.items() for number in numbers]
)
def test_a_picture_from_a_registered_video_was_edited_by_nobody(
    desk: Party, shared: Path, name: str, number: int
) -> None:
    match = asked(desk, frame_of(shared / name, number), name)
    assert match.strength is not Strength.WEAK
    assert not changes(match), match.explanation


def test_a_caption_over_such_a_picture_is_named(desk: Party, shared: Path) -> None:
    name = "videos/liveportrait__source_s29.mp4"
    image = frame_of(shared / name, 107)
    place = 0.1 * image.width, 0.84 * image.height
    ImageDraw.Draw(image).text(
        place, "HE NEVER SAID THIS", "white", font_size=image.height // 14, stroke_width=3, stroke_fill=0
    )
    assert OperationType.OVERLAY in changes(asked(desk, image, name))


def test_another_frame_of_a_registered_picture_is_not_re_enacted(desk: Party, shared: Path) -> None:
    name, _, other = APART
    match = asked(desk, frame_of(shared / name, other), "a moment")
    assert not changes(match), match.explanation
    assert any(OTHER_FRAME in sentence for sentence in match.uncertain)


def test_a_face_that_was_driven_is_likely_re_enacted(desk: Party, shared: Path) -> None:
    with Image.open(shared / DRIVEN.format("result")) as image:
        match = asked(desk, image.convert("RGB"), "a speaker")
    driven = [one for one in match.operations if one.type is OperationType.FACE_REENACTED]
    assert [one.certainty for one in driven] == [Certainty.LIKELY]
