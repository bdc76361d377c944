"""What is computed of an upload before anything is asked: pixels, fingerprints, features, tracks.

All of it belongs to the upload and is computed once; whoever needs it later reads it here.
"""

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import NoReturn

import cv2
import numpy as np
from PIL import Image

from indexer.compare.features import LocalFeatures, extract_features
from indexer.compare.lazy import LazyProperty
from indexer.compare.quick_check import QuickFeatures, extract_quick_features
from indexer.fingerprints.audio import Spectrogram, audio_codes, spectrogram_of
from indexer.fingerprints.compute import fingerprint_frame, upright
from indexer.fingerprints.embedders import Embedders
from indexer.fingerprints.embedding import Embedder
from indexer.fingerprints.hash_lists import NAMES as HASH_LISTS
from indexer.fingerprints.hash_lists import Text, parse_fingerprints
from indexer.fingerprints.imagehash_kinds import compute_hash_list_kinds
from indexer.fingerprints.kinds import PDQ, Fingerprint
from indexer.fingerprints.kinds import InvalidFingerprint as BadFingerprint
from indexer.fingerprints.video import SampledFrame, fingerprint_samples
from indexer.media.containers import CLOCKS_THAT_JUMP
from indexer.media.frames import Frame, VideoInfo
from indexer.media.images import DecodedImage, Pixels
from indexer.media.sandbox import VideoReading
from indexer.timeline.track import Track
from registry.errors import InconsistentFingerprints, InvalidFingerprint, MediaRefused, MediaTooLarge
from registry.index.access import IndexAccess
from registry.media.decoding import Decoders

FRAME_PREVIEW_LONG_SIDE = 640
FRAME_PREVIEW_QUALITY = 70
NO_DETAIL = "no frame has enough detail to be recognised"
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
        """The frames that are indexed and asked about."""
        return [frame for frame in self.frames if frame.is_new]


@dataclass(frozen=True)
class Upload:
    """One asset as it was handed in: with its picture, as a video, or as fingerprints only."""

    digest_sha256: str | None
    fingerprints: tuple[Fingerprint, ...]
    quality: int | None
    insufficient_detail: str | None  # why it cannot be recognised, in words
    image: DecodedImage | None = None
    video: VideoContent | None = None
    further_pages: tuple["Upload", ...] = ()  # of a TIFF; this one is its first page
    content: bytes | None = None  # of a still of one page: the file, for whoever needs more detail
    # What `UploadReader.in_detail` decoded, by long side, so that it does so once for all that is compared.
    detail: dict[int, Pixels] = field(default_factory=dict, repr=False, compare=False)

    @LazyProperty
    def features(self) -> LocalFeatures | None:
        """Local features of a still image, extracted when they are first wanted."""
        return extract_features(self.image.pixels) if self.image else None

    @LazyProperty
    def quick_features(self) -> QuickFeatures | None:
        """The few features of a still image that candidates are first checked by."""
        return extract_quick_features(self.image.pixels) if self.image else None

    @property
    def is_media_seen(self) -> bool:
        """Whether the file was handed in; else its fingerprints alone."""
        return self.image is not None or self.video is not None

    @property
    def media_type(self) -> str | None:
        """The media type that the decoder found."""
        if self.video:
            return self.video.info.media_type
        return self.image.media_type if self.image else None

    @property
    def size(self) -> tuple[int | None, int | None]:
        """Width and height in pixels."""
        shown = self.video.info if self.video else self.image
        return (shown.width, shown.height) if shown else (None, None)

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the file could not be read, or was not looked at."""
        read = self.video or self.image
        return read.notes if read else ()

    @property
    def duration_ms(self) -> int | None:
        """The length of a video."""
        return self.video.track.end_ms if self.video else None


def digest_of(content: bytes) -> str:
    """SHA-256 of the bytes as they were received, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def in_two_parts(progress: Progress | None, first: float) -> tuple[Progress | None, Progress | None]:
    """Splits one progress over two pieces of work, the first of which takes the share `first`."""
    if progress is None:
        return None, None
    return (
        lambda share: progress(first * share),
        lambda share: progress(first + (1 - first) * share),
    )


@dataclass(frozen=True)
class UploadReader:
    """Decodes and describes uploads: the limited processes, and every descriptor that is searched by."""

    decoders: Decoders
    embedders: Embedders
    index: IndexAccess
    hash_lists: tuple[str, ...] = ()  # kinds of others' lists that are computed and accepted here

    def answering_embedders(self) -> list[Embedder]:
        """Every descriptor by which some record is still described, the wanted one last."""
        wanted = self.embedders.wanted
        held = [self.embedders.of(kind) for kind in self.index.descriptors_held()]
        others = [embedder for embedder in held if embedder is not None and embedder is not wanted]
        return [*others, wanted]

    def read(
        self,
        content: bytes,
        *,
        with_previews: bool = False,
        progress: Progress | None = None,
        longest_s: int | None = None,
    ) -> Upload:
        """Decodes and fingerprints a file of any kind; `longest_s` bounds a video. Raises MediaRefused."""
        identified = self.decoders.identify(content)
        if isinstance(identified, DecodedImage):
            return self.describe_image(content, identified)
        if longest_s is not None:
            require_stated_length(identified, longest_s)
        watch = _Watch(progress, longest_s)
        return self._read_video(content, with_previews=with_previews, watch=watch)

    def describe_image(self, content: bytes, image: DecodedImage) -> Upload:
        """Fingerprints a still image that was decoded from `content`, every page by itself."""
        digest, embedders = digest_of(content), self.answering_embedders()
        first, *further = (
            self._describe_page(digest, page, embedders) for page in (image, *image.further_pages)
        )
        return replace(first, further_pages=tuple(further), content=None if further else content)

    def in_detail(self, upload: Upload, long_side: int) -> Pixels | None:
        """(h, w, 3) of a still, reduced to no less than `long_side` pixels; None where it is no still."""
        image = upload.image
        if image is None:
            return None
        if upload.content is None or image.pixels.shape[:2] == (image.height, image.width):
            return image.pixels
        if long_side not in upload.detail:
            try:
                upload.detail[long_side] = self.decoders.image(upload.content, long_side).pixels
            except MediaRefused:  # it was read before: the limits of one process met it this time
                upload.detail[long_side] = image.pixels
        return upload.detail[long_side]

    def _describe_page(self, digest: str, image: DecodedImage, embedders: list[Embedder]) -> Upload:
        frame = fingerprint_frame(image.pixels, *embedders, full_size=(image.width, image.height))
        fingerprints = frame.fingerprints
        if self.hash_lists and frame.insufficient_detail is None:
            fingerprints += tuple(compute_hash_list_kinds(image.pixels, self.hash_lists))
        return Upload(digest, fingerprints, frame.quality, frame.insufficient_detail, image)

    def read_fingerprints(self, values: Sequence[Text], digest: str | None) -> Upload:
        """Reads an upload whose picture stayed where it is. Raises InvalidFingerprint."""
        kinds = [text.partition(":")[0] for text, _, _ in values]
        of_lists = [kind for kind in kinds if kind in HASH_LISTS]
        if off := sorted(set(of_lists) - set(self.hash_lists)):
            raise InvalidFingerprint(
                f"{', '.join(off)}: hashes of others' lists are off in this registry; its operator turns "
                "them on by TRUEPRINT_HASH_LISTS"
            )
        if len(of_lists) != len(set(of_lists)):
            raise InvalidFingerprint("a hash of a list is compared upright only: one value of each kind")
        try:
            parsed = tuple(value for text in values for value in parse_fingerprints(*text))
        except BadFingerprint as error:
            raise InvalidFingerprint(str(error)) from error
        _require_one_value_each(parsed)
        if not {value.kind for value in parsed} & set(self.index.by_kind):
            # "Not in this registry" would be said of something that was never looked for.
            searched = ", ".join(sorted({PDQ.name, self.embedders.wanted.kind, *self.hash_lists}))
            raise InvalidFingerprint(f"nothing is searched by the kinds that were sent; {searched} are")
        pdq = upright(parsed, PDQ.name)
        return Upload(digest, parsed, pdq.quality if pdq else None, None)

    def _read_video(self, content: bytes, *, with_previews: bool, watch: "_Watch") -> Upload:
        with self.decoders.video(content) as reading:
            frames = _FrameCollector(with_previews)
            frames.collect(reading, self.answering_embedders(), watch)
        # After the pictures: one limited process does both, one after the other.
        audio = spectrogram_of(self.decoders.audio(content)) if reading.info.has_audio else None
        return frames.as_upload(content, reading, audio)


def _require_one_value_each(fingerprints: Sequence[Fingerprint]) -> None:
    """Refuses two values for one orientation: one could be asked about in the shadow of the other.

    Raises InconsistentFingerprints.
    """
    codes = [value for value in fingerprints if value.kind not in HASH_LISTS]
    places = Counter((value.kind, value.orientation) for value in codes)
    if twice := sorted({kind for (kind, _), count in places.items() if count > 1}):
        raise InconsistentFingerprints(f"more than one value of {', '.join(twice)} for one orientation")


def require_stated_length(info: VideoInfo, longest_s: int) -> None:
    """Raises MediaTooLarge where a video says that it is longer, unless it may be wrong."""
    if info.media_type not in CLOCKS_THAT_JUMP and (info.duration_ms or 0) > 1000 * longest_s:
        _refuse_length(longest_s)


def _refuse_length(longest_s: int) -> NoReturn:
    raise MediaTooLarge(
        f"more than {longest_s} seconds; of a video without an API key at most {longest_s} are read"
    )


@dataclass(frozen=True)
class _Watch:
    """What is done at every frame of a video while it is read."""

    progress: Progress | None
    longest_s: int | None

    def at(self, time_ms: int, duration_ms: int | None) -> None:
        if self.longest_s is not None and time_ms > 1000 * self.longest_s:
            _refuse_length(self.longest_s)
        if self.progress:
            # Also where the length is not known: whoever is told may be waiting to stop.
            self.progress(min(1.0, time_ms / duration_ms) if duration_ms else 0.0)


class _FrameCollector:
    """What is kept of the frames of one video while they go by."""

    def __init__(self, with_previews: bool) -> None:
        self._with_previews = with_previews
        self._times: list[int] = []
        self._luma = bytearray()  # of (h, w) uint8 frames, one behind the other; it grows without a copy
        self._luma_size = (0, 0)  # h, w
        self._frames: list[SampledFrame] = []
        self._previews: list[tuple[int, bytes]] = []
        self._poster: tuple[int, Pixels] | None = None  # its PDQ quality, and the frame

    def collect(self, reading: VideoReading, embedders: list[Embedder], watch: _Watch) -> None:
        """Reads the video to its end."""
        # Closed where anything breaks: the thread that reads ahead has to end before its process is let go.
        with closing(reading.frames_ahead()) as frames:
            watched = self._watched(frames, reading.info, watch)
            for frame, pixels in fingerprint_samples(watched, *embedders):
                self._frames.append(frame)
                if self._poster is None or frame.quality > self._poster[0]:
                    self._poster = frame.quality, pixels
                if self._with_previews and frame.is_new:
                    self._previews.append((frame.time_ms, frame_preview(pixels)))

    def _watched(self, frames: Iterator[Frame], info: VideoInfo, watch: _Watch) -> Iterator[Frame]:
        for frame in frames:
            if frame.luma is not None:
                self._times.append(frame.time_ms)
                self._luma += frame.luma.data
                self._luma_size = frame.luma.shape[0], frame.luma.shape[1]
            watch.at(frame.time_ms, info.duration_ms)
            yield frame

    def as_upload(self, content: bytes, reading: VideoReading, audio: Spectrogram | None) -> Upload:
        """The whole video, once it was read."""
        assert self._poster is not None, "a video that is opened has a frame"
        new_frames = [frame for frame in self._frames if frame.is_new]
        of_frames = tuple(value for frame in new_frames for value in frame.fingerprints)
        end_ms = max(reading.end_ms, self._times[-1] + 1)
        luma = np.frombuffer(self._luma, np.uint8).reshape(-1, *self._luma_size)
        return Upload(
            digest_sha256=digest_of(content),
            fingerprints=of_frames + tuple(audio_codes(audio) if audio else ()),
            quality=max(frame.quality for frame in self._frames),
            insufficient_detail=None if new_frames else NO_DETAIL,
            video=VideoContent(
                content,
                reading.info,
                Track(np.array(self._times, np.int64), luma, end_ms),
                tuple(self._frames),
                tuple(self._previews),
                audio,
                self._poster[1],
                reading.notes,
            ),
        )


def frame_preview(pixels: Pixels) -> bytes:
    """A small WebP of a frame."""
    height, width = pixels.shape[:2]
    scale = FRAME_PREVIEW_LONG_SIDE / max(height, width)
    if scale < 1.0:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=FRAME_PREVIEW_QUALITY, method=1)
    return buffer.getvalue()
