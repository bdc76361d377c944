"""Which of two versions of a scene is shown, by whose face is in it."""

from collections.abc import Callable
from functools import cache

import pytest
from PIL import Image, ImageFilter

from indexer.compare.derivation import Derivation
from indexer.compare.version_by_faces import leaves_content_open, version_by_faces
from indexer.compare.versions import VersionShown
from indexer.training.classical_swap import open_mouth
from tests.portraits import astronaut, derived, swapped, through_jpeg

SIDE = 512  # px
PEOPLE: dict[str, Callable[[], Image.Image]] = {
    "own": astronaut,
    "other": swapped,
    "speaking": lambda: open_mouth(astronaut(), 0.3),
    "blurred other": lambda: swapped().filter(ImageFilter.GaussianBlur(5)),
}


def beside(names: str) -> Image.Image:
    """The people named, from left to right."""
    people = [PEOPLE[name]() for name in names.split(", ")]
    both = Image.new("RGB", (len(people) * SIDE, SIDE))
    for number, one in enumerate(people):
        both.paste(one.resize((SIDE, SIDE)), (number * SIDE, 0))
    return both


@cache
def compared(upload: str, version: str) -> Derivation:
    return derived(through_jpeg(beside(upload), 92), beside(version))


@pytest.mark.parametrize(
    ("upload", "first", "second", "shown"),
    [
        ("other", "other", "own", VersionShown.FIRST),
        ("own", "other", "own", VersionShown.SECOND),
        ("own", "speaking", "own", VersionShown.UNDECIDABLE),
        ("own, other", "own, own", "own, own", VersionShown.UNDECIDABLE),
        ("own, own", "own, other", "other, other", VersionShown.NEITHER),
        ("other, own", "other, other", "own, own", VersionShown.NEITHER),
    ],
    ids=["first", "second", "one person", "of neither", "exchanged in both", "one of each"],
)
def test_faces_tell_which_version_is_shown(
    upload: str, first: str, second: str, shown: VersionShown
) -> None:
    assert version_by_faces(compared(upload, first), compared(upload, second)) is shown


def test_a_second_face_that_cannot_be_told_is_left_open() -> None:
    upload = "own, blurred other"
    assert version_by_faces(compared(upload, "other, other"), compared(upload, "own, own")) in (
        VersionShown.SECOND,
        VersionShown.NEITHER,
    )
    assert leaves_content_open(compared(upload, "own, own"))
    assert not leaves_content_open(compared("own, own", "own, own"))


def test_places_in_differently_straightened_pictures_are_not_compared() -> None:
    turned = derived(through_jpeg(beside("other").rotate(1), 92), beside("own"))
    assert version_by_faces(compared("other", "other"), turned) is VersionShown.UNDECIDABLE
