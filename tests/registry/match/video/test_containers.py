"""The same footage in other containers, old ones too, is the same footage."""

import pytest

from sdk.errors import BadRequest
from sdk.models import MatchRelation, OperationType, VerdictKind
from tests.videos import clip, muxed
from tests.world import Party, World

ACCUSATIONS = {OperationType.MIRRORED, OperationType.ROTATED, OperationType.AUDIO_REPLACED}
FRAMES = clip("coffee", "cat", shot_s=2.0).frames


@pytest.fixture(scope="module")
def desk(world_of_module: World) -> Party:
    desk = world_of_module.enrol("Daily Example")
    world_of_module.register(desk, muxed("mp4", sound="aac", frames=FRAMES), "statement.mp4")
    return desk


@pytest.mark.parametrize(
    ("container", "codec", "sound", "media_type"),
    [
        ("mpeg", "mpeg1video", "mp2", "video/mpeg"),
        ("mpegts", "libx264", "aac", "video/mp2t"),
        ("flv", "flv", "libmp3lame", "video/x-flv"),
        ("asf", "wmv2", "wmav2", "video/x-ms-wmv"),
        ("ogg", "libvpx", "libopus", "video/ogg"),
    ],
)
def test_an_old_container_changes_nothing_of_what_is_found(
    desk: Party, container: str, codec: str, sound: str, media_type: str
) -> None:
    answer = desk.client.match(muxed(container, codec, sound, frames=FRAMES))
    assert answer.computed.media_type == media_type
    assert answer.verdict.kind is VerdictKind.REGISTERED_ORIGINAL
    [match] = answer.matches
    assert match.relation is MatchRelation.SAME_PICTURE
    assert not {operation.type for operation in match.operations} & ACCUSATIONS
    [segment] = match.segments
    assert segment.query == pytest.approx((0.0, 4.0), abs=0.1)


def test_a_display_matrix_that_mirrors_what_is_stored_mirrored_is_no_edit(desk: Party) -> None:
    one = 1 << 16
    stored = [frame[:, ::-1] for frame in FRAMES]
    answer = desk.client.match(
        muxed("mp4", frames=stored, matrix=(-one, 0, 0, 0, one, 0, 0, 0, 1 << 30), sound="aac")
    )
    [match] = answer.matches
    assert match.relation is MatchRelation.SAME_PICTURE
    assert not {operation.type for operation in match.operations} & ACCUSATIONS


def test_a_refusal_names_the_container_or_the_codec(desk: Party) -> None:
    for payload, name in (
        (muxed("rm", "rv20"), "RealMedia"),
        (muxed("avi", "snow"), "snow"),
        (muxed("mpegts", "mpeg2video")[:1000], "neither"),
    ):
        with pytest.raises(BadRequest, match=name) as refused:
            desk.client.match(payload)
        assert refused.value.code == "unsupported_media"
