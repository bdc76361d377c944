"""Of several tracks the one is read that players play."""

from collections.abc import Iterator

import numpy as np
import pytest
from av.stream import Disposition

from indexer.media.audio import Samples
from indexer.media.sandbox import DecoderPool, VideoReading
from tests.indexer.media.test_audio import OTHER, SILENCE, VOICE, assert_heard
from tests.tracks import ATTACHED, DEFAULT, NOT_DEFAULT, Shown, film, sound, written
from tests.videos import RATE, clip

COVER = clip("cat").frames[:1]
FILM = clip("coffee").frames[:RATE]


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(1) as opened:
        yield opened


def notes_of(pool: DecoderPool, payload: bytes) -> tuple[str, ...]:
    with pool.open(payload) as opened:
        assert isinstance(opened, VideoReading)
        list(opened.frames())
        return opened.notes


@pytest.mark.parametrize("container", ["mp4", "mov", "matroska"])
@pytest.mark.parametrize("other", [SILENCE, OTHER])
def test_the_default_track_of_sound_is_heard_wherever_it_stands(container: str, other: Samples) -> None:
    tracks = [sound(other, other, disposition=NOT_DEFAULT), sound(VOICE, disposition=DEFAULT)]
    assert_heard(VOICE, written(container, film(), *tracks), 0.0)
    assert_heard(VOICE, written(container, film(), *tracks[::-1]), 0.0)


@pytest.mark.parametrize("both", [DEFAULT, NOT_DEFAULT])
def test_of_tracks_that_are_alike_the_first_is_heard_also_if_another_has_more_bits(
    both: Disposition,
) -> None:
    first, second = sound(VOICE, disposition=both), sound(OTHER, OTHER, disposition=both)
    assert_heard(VOICE, written("mp4", film(), first, second), 0.0)


def test_a_track_for_the_hard_of_seeing_or_one_that_no_decoder_reads_is_not_what_is_heard() -> None:
    described = sound(OTHER, disposition=Disposition.visual_impaired)
    unread = sound(OTHER, OTHER, codec="wavpack", disposition=DEFAULT)
    wanted = sound(VOICE, disposition=NOT_DEFAULT)
    assert_heard(VOICE, written("matroska", film(), described, wanted), 0.0)
    assert_heard(VOICE, written("matroska", film(), unread, wanted), 0.0)


def test_that_a_track_is_left_out_is_said(pool: DecoderPool) -> None:
    for container in ("mp4", "matroska"):  # nor is sound that goes on after the pictures taken for damage
        assert notes_of(pool, written(container, film(), sound(VOICE, at_s=1.0))) == ()
    [note] = notes_of(pool, written("mp4", film(), sound(VOICE), sound(OTHER)))
    assert note == "of its 2 tracks of sound the one that players play was read"
    [note] = notes_of(pool, written("mp4", film(), Shown(clip("cat").frames[:RATE])))
    assert note == "of its 2 tracks of pictures the one that players play was read"


@pytest.mark.parametrize(
    ("container", "cover", "of_film"),
    [
        ("matroska", Shown(COVER, "mjpeg", disposition=NOT_DEFAULT), DEFAULT),
        ("matroska", Shown(COVER, "mjpeg", disposition=DEFAULT), DEFAULT),
        ("matroska", Shown(COVER, "mjpeg", disposition=DEFAULT), NOT_DEFAULT),
        ("mp4", Shown(COVER, "mjpeg", disposition=DEFAULT), DEFAULT),
        ("mp4", Shown(COVER, "mjpeg", disposition=ATTACHED), NOT_DEFAULT),
        ("mp4", Shown(COVER, "libx264", disposition=DEFAULT), NOT_DEFAULT),
        ("mov", Shown(COVER, "png", disposition=NOT_DEFAULT), DEFAULT),
        ("matroska", Shown(clip("cat").frames[:RATE], disposition=NOT_DEFAULT), DEFAULT),
        ("mp4", Shown(clip("cat").frames[:RATE], disposition=NOT_DEFAULT), DEFAULT),
        ("matroska", Shown(COVER * RATE, "mjpeg", disposition=NOT_DEFAULT), NOT_DEFAULT),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_the_film_is_read_and_not_its_cover_nor_a_track_that_is_not_the_default_one(
    pool: DecoderPool, container: str, cover: Shown, of_film: Disposition, first: bool
) -> None:
    tracks = [cover, Shown(FILM, disposition=of_film)]
    payload = written(container, *(tracks if first else tracks[::-1]), sound(VOICE))
    with pool.open(payload) as opened:
        assert isinstance(opened, VideoReading)
        assert len(list(opened.frames())) > 10
    [shown] = pool.frames_at(payload, [500])
    assert np.abs(shown.astype(int) - FILM[RATE // 2]).mean() < 8
