"""What is computed from an upload before anything is asked: pixels, fingerprints, features, tracks."""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from indexer.compare.features import LocalFeatures, extract_features
from indexer.fingerprints.audio import Spectrogram, audio_codes, spectrogram_of
from indexer.fingerprints.compute import fingerprint_frame, upright
from indexer.fingerprints.embedders import Embedder
from indexer.fingerprints.kinds import PDQ, Fingerprint, parse_fingerprint
from indexer.fingerprints.kinds import InvalidFingerprint as BadFingerprint
from indexer.fingerprints.video import SampledFrame, fingerprint_samples
from indexer.media import errors as media
from indexer.media.frames import Frame, VideoInfo
from indexer.media.images import DecodedImage, Pixels
from indexer.media.sandbox import VideoReading
from indexer.timeline.track import Track
from registry.errors import (
    DecoderGaveUp,
    InvalidFingerprint,
    MediaTooLarge,
    RegistryError,
    UndecodableMedia,
    UnsupportedMedia,
)
from registry.services import Services

MEDIA_ERRORS: dict[type[media.MediaError], type[RegistryError]] = {
    media.UnsupportedFormat: UnsupportedMedia,
    media.TooLarge: MediaTooLarge,
    media.Undecodable: UndecodableMedia,
    media.DecoderStopped: DecoderGaveUp,
}
FRAME_PREVIEW_LONG_SIDE = 640
FRAME_PREVIEW_QUALITY = 70
NO_FRAME_HAS_DETAIL = "no frame has enough detail to be recognised"
Progress = Callable[[float], None]  # share done, 0..1


@dataclass(frozen=True)
class VideoContent:
    """A video as it was handed in; its frames are decoded again where they are compared."""

    payload: bytes
    info: VideoInfo
    track: Track
    frames: tuple[SampledFrame, ...]
    previews: tuple[tuple[int, bytes], ...]  # (time_ms, WebP) of the new frames, where they were wanted
    audio: Spectrogram | None  # None: the file has none
    poster: Pixels  # (h, w, 3), the most detailed frame of the first shots
    notes: tuple[str, ...]  # what could not be decoded

    @property
    def new_frames(self) -> list[SampledFrame]:
        """Those that are indexed and asked about."""
        return [one for one in self.frames if one.is_new]


@dataclass(frozen=True)
class Upload:
    """One asset as it was handed in: with its picture, as a video, or as fingerprints only."""

    digest_sha256: str | None
    fingerprints: tuple[Fingerprint, ...]
    quality: int | None
    insufficient_detail: str | None
    image: DecodedImage | None = None
    features: LocalFeatures | None = None
    video: VideoContent | None = None

    @property
    def media_type(self) -> str | None:
        """As the decoder found it."""
        if self.video:
            return self.video.info.media_type
        return self.image.media_type if self.image else None

    @property
    def size(self) -> tuple[int | None, int | None]:
        """Width and height in pixels."""
        shown = self.video.info if self.video else self.image
        return (shown.width, shown.height) if shown else (None, None)

    @property
    def duration_ms(self) -> int | None:
        """Of a video."""
        return self.video.track.end_ms if self.video else None


def answering_embedders(services: Services) -> list[Embedder]:
    """Every descriptor by which some record is still described, the wanted one last."""
    wanted = services.embedders.wanted
    others = [services.embedders.of(kind) for kind in services.index.descriptors_held()]
    return [*(one for one in others if one is not None and one is not wanted), wanted]


def digest_of(content: bytes) -> str:
    """SHA-256 of the bytes as they were received, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def analyse(
    services: Services, content: bytes, *, with_previews: bool = False, progress: Progress | None = None
) -> Upload:
    """Decode in the limited process and fingerprint. Raises a MediaRefused error."""
    info = video_info(services, content)
    if info is None:
        return _analyse_image(services, content, decode(services, content))
    try:
        # Before the pictures: one limited process does both, one after the other.
        audio = spectrogram_of(services.video_decoder.audio(content)) if info.has_audio else None
        with services.video_decoder.open(content) as opened:
            assert isinstance(opened, VideoReading)
            return _analyse_video(services, content, opened, audio, with_previews, progress)
    except media.MediaError as error:
        raise MEDIA_ERRORS[type(error)](str(error)) from error


def upload_of_fingerprints(values: list[tuple[str, int | None, int]], digest: str | None) -> Upload:
    """Fingerprints that came without their picture. Raises InvalidFingerprint."""
    try:
        parsed = tuple(
            parse_fingerprint(text, quality, orientation) for text, quality, orientation in values
        )
    except BadFingerprint as error:
        raise InvalidFingerprint(str(error)) from error
    pdq = upright(parsed, PDQ.name)
    return Upload(digest, parsed, pdq.quality if pdq else None, None)


def video_info(services: Services, content: bytes) -> VideoInfo | None:
    """What a video says of itself; None: a still image. Raises a MediaRefused error."""
    try:
        return services.decoder.info(content)
    except media.MediaError as error:
        raise MEDIA_ERRORS[type(error)](str(error)) from error


def is_video(services: Services, content: bytes) -> bool:
    """Whether it has more than one frame in time. Raises a MediaRefused error."""
    return video_info(services, content) is not None


def decode(services: Services, content: bytes) -> DecodedImage:
    """Decode a still image in the limited process; its errors become the registry's."""
    try:
        return services.decoder.decode(content)
    except media.MediaError as error:
        raise MEDIA_ERRORS[type(error)](str(error)) from error


def frames_at(services: Services, video: VideoContent, times_ms: list[int]) -> list[Pixels]:
    """(h, w, 3) frames of an upload at rising times; fewer where it breaks off."""
    try:
        return services.video_decoder.frames_at(video.payload, times_ms) if times_ms else []
    except media.MediaError as error:
        raise MEDIA_ERRORS[type(error)](str(error)) from error


def halves(progress: Progress | None, first: float) -> tuple[Progress | None, Progress | None]:
    """Two parts of one progress, one after the other; `first` is the share of the first."""
    if progress is None:
        return None, None
    return (
        lambda share: progress(first * share),
        lambda share: progress(first + (1 - first) * share),
    )


def _analyse_image(services: Services, content: bytes, image: DecodedImage) -> Upload:
    frame = fingerprint_frame(
        image.pixels, *answering_embedders(services), full_size=(image.width, image.height)
    )
    return Upload(
        digest_sha256=digest_of(content),
        fingerprints=frame.fingerprints,
        quality=frame.quality,
        insufficient_detail=frame.insufficient_detail,
        image=image,
        features=extract_features(image.pixels),
    )


def _analyse_video(
    services: Services,
    content: bytes,
    reading: VideoReading,
    audio: Spectrogram | None,
    with_previews: bool,
    progress: Progress | None,
) -> Upload:
    times: list[int] = []
    luma: list[Pixels] = []

    def watched() -> Iterator[Frame]:
        for frame in reading.frames():
            if frame.luma is not None:
                times.append(frame.time_ms)
                luma.append(frame.luma)
            if progress and reading.info.duration_ms:
                progress(min(1.0, frame.time_ms / reading.info.duration_ms))
            yield frame

    frames: list[SampledFrame] = []
    previews: list[tuple[int, bytes]] = []
    poster: tuple[int, Pixels] | None = None
    for sampled, pixels in fingerprint_samples(watched(), *answering_embedders(services)):
        frames.append(sampled)
        if poster is None or sampled.quality > poster[0]:
            poster = sampled.quality, pixels
        if with_previews and sampled.is_new:
            previews.append((sampled.time_ms, frame_preview(pixels)))
    assert poster is not None, "a video that is opened has a frame"
    new = [one for one in frames if one.is_new]
    seen = tuple(value for one in new for value in one.fingerprints)
    return Upload(
        digest_sha256=digest_of(content),
        fingerprints=seen + tuple(audio_codes(audio) if audio else ()),
        quality=max(one.quality for one in frames),
        insufficient_detail=None if new else NO_FRAME_HAS_DETAIL,
        video=VideoContent(
            content,
            reading.info,
            Track(np.array(times, np.int64), np.array(luma, np.uint8), max(reading.end_ms, times[-1] + 1)),
            tuple(frames),
            tuple(previews),
            audio,
            poster[1],
            reading.notes,
        ),
    )


def frame_preview(pixels: Pixels) -> bytes:
    """A small WebP of a frame."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((FRAME_PREVIEW_LONG_SIDE,) * 2, Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=FRAME_PREVIEW_QUALITY, method=1)
    return buffer.getvalue()
