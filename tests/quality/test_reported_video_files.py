"""Reported files of videos that were read wrongly; skipped where they are not at hand."""

from pathlib import Path

import pytest

from sdk.models import MatchRelation, OperationType
from tests.world import World

pytestmark = [pytest.mark.shared]


@pytest.mark.parametrize(
    ("kind", "registered", "upload", "never"),
    [
        (
            "10-video-display-matrix-with-a-flip",
            "s.mp4",
            "mx_hflip.mp4",
            {OperationType.MIRRORED, OperationType.ROTATED},
        ),
    ],
)
def test_the_same_footage_stays_the_same(
    world: World, shared: Path, kind: str, registered: str, upload: str, never: set[OperationType]
) -> None:
    folder = shared / "reported" / kind
    desk = world.enrol("Daily Example")
    world.register(desk, (folder / registered).read_bytes(), registered)
    answer = desk.client.match((folder / upload).read_bytes())
    [match] = answer.matches
    assert match.relation is MatchRelation.SAME_PICTURE
    assert not {operation.type for operation in match.operations} & never
    world.audit()
