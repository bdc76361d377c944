"""Videos that were reported as wrongly answered (shared/data/reported); skipped where they are missing."""

from pathlib import Path

import pytest

from sdk.models import MatchRelation, OperationType, Role, VerdictKind
from sdk.records import AssetClass
from tests.world import World

pytestmark = pytest.mark.shared
COMMON, TURNED = "05-same-music-or-intro", "21-video-cropped-or-mirrored-is-the-original"


@pytest.mark.parametrize(
    ("name", "said"), [("song", "Shares its sound for"), ("intro", "Shares an opener of")]
)
def test_what_strangers_have_in_common_accuses_nobody(
    world: World, shared: Path, name: str, said: str
) -> None:
    lab, folder = world.enrol("Lab", Role.RESEARCHER), shared / "reported" / COMMON
    world.register(lab, (folder / f"{name}_a.mp4").read_bytes(), name, AssetClass.KNOWN_FAKE)
    answer = lab.client.match((folder / f"{name}_b.mp4").read_bytes())
    assert answer.verdict.kind is VerdictKind.POSSIBLE_MATCH
    [match] = answer.matches
    assert match.relation is MatchRelation.POSSIBLY_RELATED
    assert match.explanation.startswith(said)
    assert match.operations == ()
    assert match.segments


@pytest.mark.parametrize(
    ("name", "done"), [("hflip", OperationType.MIRRORED), ("crop", OperationType.CROPPED)]
)
def test_a_video_that_was_mirrored_or_cropped_is_a_derivative(
    world: World, shared: Path, name: str, done: OperationType
) -> None:
    desk, folder = world.enrol("Daily Example"), shared / "reported" / TURNED
    world.register(desk, (folder / "base.mp4").read_bytes(), "base")
    answer = desk.client.match((folder / f"c_{name}.mp4").read_bytes())
    assert answer.verdict.kind is VerdictKind.DERIVATIVE_OF_ORIGINAL
    assert done in {operation.type for operation in answer.matches[0].operations}
