"""What a player plays is compared: the sound when it begins, its default track, all of its channels."""

import numpy as np
import pytest

from indexer.media.audio import SAMPLE_RATE, Samples
from sdk.models import MatchAnswer, MatchRelation, OperationType, VerdictKind
from tests.tracks import DEFAULT, NOT_DEFAULT, Heard, Shown, sound, written
from tests.videos import clip, speech
from tests.world import Party, World

SOUND = {OperationType.AUDIO_REPLACED, OperationType.AUDIO_RETIMED}
VOICE = speech(3.5, seed=1)
FRAMES = clip("coffee", "cat", shot_s=2.2).frames
FILM, COVER = Shown(FRAMES), Shown(FRAMES[:1], "mjpeg", disposition=NOT_DEFAULT)


def later(samples: Samples, seconds: float) -> Samples:
    return np.pad(samples, (round(seconds * SAMPLE_RATE), 0))


def types(answer: MatchAnswer) -> set[OperationType]:
    return {operation.type for operation in answer.matches[0].operations}


@pytest.fixture(scope="module")
def desk(world_of_module: World) -> Party:
    """A desk that registered a film whose sound begins a second after the pictures."""
    desk = world_of_module.enrol("Daily Example")
    content = written("mp4", FILM, sound(VOICE, at_s=1.0))
    world_of_module.register(desk, content, "delayed.mp4")
    return desk


@pytest.mark.parametrize(
    ("container", "tracks"),
    [
        ("mp4", (FILM, sound(later(VOICE, 1.0)))),
        ("matroska", (COVER, FILM, sound(VOICE, -VOICE, at_s=1.0, codec="libopus"))),
        ("mov", (FILM, sound(VOICE, disposition=NOT_DEFAULT), sound(VOICE, at_s=1.0, disposition=DEFAULT))),
    ],
    ids=["silence first", "inverted, after a cover", "the default track"],
)
def test_what_sounds_the_same_when_it_is_played_is_the_same_footage(
    desk: Party, container: str, tracks: tuple[Shown | Heard, ...]
) -> None:
    answer = desk.client.match(written(container, *tracks))
    assert answer.verdict.kind is VerdictKind.REGISTERED_ORIGINAL
    assert answer.matches[0].relation is MatchRelation.SAME_PICTURE
    assert not types(answer) & SOUND


def test_sound_that_was_moved_against_the_pictures_is_named_and_is_not_called_replaced(desk: Party) -> None:
    answer = desk.client.match(written("mp4", FILM, sound(VOICE)))
    assert answer.verdict.kind is VerdictKind.DERIVATIVE_OF_ORIGINAL
    [operation] = answer.matches[0].operations
    assert operation.type is OperationType.AUDIO_RETIMED
    assert "1.0 seconds earlier" in operation.sentence


def test_of_sound_that_is_not_read_nothing_is_said_but_that(desk: Party) -> None:
    answer = desk.client.match(written("matroska", FILM, sound(VOICE, codec="wavpack")))
    assert answer.verdict.kind is VerdictKind.REGISTERED_ORIGINAL
    assert not types(answer) & SOUND
    assert answer.computed.note == "its sound is coded as wavpack, which is not read"


def test_other_sound_in_the_default_track_is_named_though_the_originals_stands_beside_it(
    desk: Party,
) -> None:
    other = sound(speech(3.5, seed=2), disposition=DEFAULT)
    answer = desk.client.match(written("mp4", FILM, sound(VOICE, at_s=1.0, disposition=NOT_DEFAULT), other))
    assert types(answer) == {OperationType.AUDIO_REPLACED}
    assert "of its 2 tracks of sound" in (answer.computed.note or "")
