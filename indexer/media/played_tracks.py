"""Which of several tracks of a file is played: one of pictures, one of sound.

Players take a track that is marked as the default one, and of several such tracks, or of none, the first
that they can play (browsers, VLC, mpv; FFmpeg's own player takes the one with more bits). Covers and
thumbnails are shown beside a film, not played. A broadcast has no such marks and may hold several programs:
there FFmpeg's choice counts (`av_find_best_stream`), and the sound is that of the same program.
"""

import re
from collections.abc import Sequence
from typing import Literal, TypeVar

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from indexer.media.containers import AUDIO_DECODERS, VIDEO_DECODERS, ContainerFormat, decoder_name

# Pictures beside the film: covers, the pictures of chapters.
BESIDE = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
DESCRIBED = Disposition.hearing_impaired | Disposition.visual_impaired
SINGLE_PICTURES = ("mjpeg", "png")  # what covers are coded as, and hardly any film beside another track

DURATION = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")

Track = TypeVar("Track", VideoStream, AudioStream)


def films(container: InputContainer) -> list[VideoStream]:
    """Returns the tracks of moving pictures; where there are none, all tracks of pictures."""
    found = [stream for stream in container.streams if isinstance(stream, VideoStream)]
    found = [stream for stream in found if not stream.disposition & BESIDE] or found
    return [stream for stream in found if not _is_single(stream)] or found


def played_video(container: InputContainer, known: ContainerFormat) -> VideoStream | None:
    """Returns the track of pictures that is played, also if its decoder may not run; None: no pictures."""
    best = _best(container, "video")
    return _first(films(container), VIDEO_DECODERS, best, known)


def sounds(container: InputContainer) -> list[AudioStream]:
    """Returns the tracks of sound."""
    return [stream for stream in container.streams if isinstance(stream, AudioStream)]


def played_audio(
    container: InputContainer, known: ContainerFormat, pictures: VideoStream | None
) -> AudioStream | None:
    """Returns the track of sound that is played with these pictures; None: there is no sound."""
    best = _best(container, "audio", pictures)
    return _first(sounds(container), AUDIO_DECODERS, best, known)


def choice_in_words(container: InputContainer) -> list[str]:
    """Returns notes about tracks that are not read; empty where there are none."""
    counts = {"pictures": len(films(container)), "sound": len(sounds(container))}
    return [
        f"of its {count} tracks of {kind} the one that players play was read"
        for kind, count in counts.items()
        if count > 1
    ]


def track_duration_s(track: VideoStream) -> float | None:
    """Returns how long a track lasts, whatever the others do; None: the file does not state it."""
    if track.duration is not None and track.time_base is not None:
        return float(track.duration * track.time_base)
    parts = DURATION.fullmatch(track.metadata.get("DURATION", ""))  # Matroska: when its last frame ends
    if parts is None:
        return None
    hours, minutes, seconds = map(float, parts.groups())
    begin = (track.start_time or 0) * float(track.time_base or 0)
    return 3600 * hours + 60 * minutes + seconds - begin


def _first(
    tracks: Sequence[Track], decoders: frozenset[str], best: int | None, known: ContainerFormat
) -> Track | None:
    """The first of the tracks that come before all others; `best`: the index of FFmpeg's choice."""
    if not tracks:
        return None
    most = max(_rank(track, decoders) for track in tracks)
    equal = [track for track in tracks if _rank(track, decoders) == most]
    chosen = [track for track in equal if track.index == best]
    return chosen[0] if chosen and (known.clock_jumps or _is_single(equal[0])) else equal[0]


def _rank(track: VideoStream | AudioStream, decoders: frozenset[str]) -> tuple[bool, int]:
    is_default = bool(track.disposition & Disposition.default)
    return decoder_name(track) in decoders, is_default + (not track.disposition & DESCRIBED)


def _is_single(track: VideoStream | AudioStream) -> bool:
    """Whether a track of pictures is most likely one picture."""
    return isinstance(track, VideoStream) and (track.frames == 1 or decoder_name(track) in SINGLE_PICTURES)


def _best(
    container: InputContainer, kind: Literal["video", "audio"], pictures: VideoStream | None = None
) -> int | None:
    best = container.streams.best(kind, pictures)
    return None if best is None else best.index
