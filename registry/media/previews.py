"""Previews that publishers allowed: stored, read, swept; and the local features derived from them."""

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Generic, TypeVar

from PIL import Image
from sqlmodel import Session, col, select

from indexer.compare.features import LocalFeatures, extract_features, resized
from indexer.compare.versions import VersionDifference, difference_of_versions
from indexer.media.images import Pixels
from registry.media.decoding import Decoders
from registry.media.storyboards import Storyboard, load_storyboard, store_storyboard
from registry.media.uploads import Upload
from registry.storage.blobs import ORPHAN_AGE, Blobs
from registry.storage.models import Job, Record

K = TypeVar("K")
T = TypeVar("T")
FEATURES_SUFFIX = ".features.npz"
FEATURES_KEPT = 1000  # about 150 kB each
STORYBOARDS_KEPT = 12  # a few MB each
DIFFERENCES_KEPT = 200  # of pairs of versions; about 40 kB each
PREVIEW_QUALITY = 85


@dataclass(frozen=True)
class Picture:
    """A registered picture that can be compared: a still, or the frame of a video nearest to a time."""

    key: str  # of the preview or poster
    time_ms: int | None = None  # None: a still


def picture_of(record: Record, time_ms: int = 0) -> Picture | None:
    """What is kept of a record, at a time where it is a video; None where nothing is."""
    if record.preview_key is None:
        return None
    return Picture(record.preview_key, None if record.duration_ms is None else time_ms)


def store_preview(blobs: Blobs, upload: Upload, long_side: int) -> str | None:
    """Keeps a small WebP of the upload under a new random key; of a video its frames as well.

    `long_side` in pixels. None where there is no picture.
    """
    if upload.video is not None:
        key = blobs.put(".webp", _webp(upload.video.poster, long_side).getvalue())
        store_storyboard(blobs, key, upload.video)
        return key
    if upload.image is None or upload.features is None:
        return None
    stored = _webp(upload.image.pixels, long_side)
    key = blobs.put(".webp", stored.getvalue())
    with Image.open(stored) as picture:
        size = picture.size
    blobs.put_beside(key, FEATURES_SUFFIX, resized(upload.features, *size).to_bytes())
    return key


def _webp(pixels: Pixels, long_side: int) -> io.BytesIO:
    picture = Image.fromarray(pixels)
    picture.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=PREVIEW_QUALITY, method=2)
    return buffer


class PreviewCache:
    """Previews of registered pictures, with their features and storyboards; safe for many threads.

    What was used lately is kept in memory: features and storyboards, never pixels.
    """

    def __init__(
        self,
        blobs: Blobs,
        decoders: Decoders,
        features: int = FEATURES_KEPT,
        storyboards: int = STORYBOARDS_KEPT,
    ) -> None:
        self._blobs, self._decoders = blobs, decoders
        self._features = _RecentlyUsed[Picture, LocalFeatures](features)
        self._storyboards = _RecentlyUsed[str, Storyboard](storyboards)
        self._differences = _RecentlyUsed[tuple[Picture, Picture], VersionDifference](DIFFERENCES_KEPT)

    def features(self, picture: Picture) -> LocalFeatures | None:
        """From memory, else from beside the preview, else made again from it; None if it is lost."""
        picture = self._at_kept_time(picture)
        return self._features.get(picture, lambda: self._load_features(picture))

    def pixels(self, picture: Picture) -> Pixels | None:
        """(h, w, 3) uint8 of a stored preview, or None if it is lost."""
        if picture.time_ms is None:
            content = self._blobs.get(picture.key)
            return self._decoders.image(content).pixels if content else None
        board = self.storyboard(picture.key)
        if board is None or not board.times_ms:
            return None
        return self._decoders.image(board.frames[board.nearest(picture.time_ms)]).pixels

    def difference(self, first: Picture, second: Picture) -> VersionDifference | None:
        """Where two versions of one picture differ; None where they do not align, or one is lost."""
        return self._differences.get((first, second), lambda: self._difference(first, second))

    def _difference(self, first: Picture, second: Picture) -> VersionDifference | None:
        pixels, pixels_of_second = self.pixels(first), self.pixels(second)
        if pixels is None or pixels_of_second is None:
            return None
        return difference_of_versions(pixels, pixels_of_second)

    def storyboard(self, key: str) -> Storyboard | None:
        """The storyboard of the video whose poster has this key; None if it is lost."""
        return self._storyboards.get(key, lambda: load_storyboard(self._blobs, key))

    def _at_kept_time(self, picture: Picture) -> Picture:
        """The picture by the time of the frame that is kept, so that each frame is looked at once."""
        board = None if picture.time_ms is None else self.storyboard(picture.key)
        if board is None or not board.times_ms or picture.time_ms is None:
            return picture
        return Picture(picture.key, board.times_ms[board.nearest(picture.time_ms)])

    def _load_features(self, picture: Picture) -> LocalFeatures | None:
        if picture.time_ms is None:
            stored = self._blobs.get_beside(picture.key, FEATURES_SUFFIX)
            if stored is not None:
                try:
                    return LocalFeatures.from_bytes(stored)
                except (ValueError, KeyError, OSError):
                    pass  # derived, so made again below
        pixels = self.pixels(picture)
        if pixels is None:
            return None
        features = extract_features(pixels)
        if picture.time_ms is None:
            self._blobs.put_beside(picture.key, FEATURES_SUFFIX, features.to_bytes())
        return features


class _RecentlyUsed(Generic[K, T]):
    """A cache of the values that were asked for last; None is not kept."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._values: OrderedDict[K, T] = OrderedDict()

    def get(self, key: K, make: Callable[[], T | None]) -> T | None:
        """From memory, else made."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        if value is not None:
            with self._lock:
                self._values[key] = value
                while len(self._values) > self._capacity:
                    self._values.popitem(last=False)
        return value


def named_blobs(session: Session) -> set[str]:
    """Keys, without their suffix, of every blob that a record or a job names."""
    keys = [
        *session.exec(select(Record.preview_key).where(col(Record.preview_key).is_not(None))),
        *session.exec(select(Job.payload_key).where(col(Job.payload_key).is_not(None))),
    ]
    return {key.rpartition(".")[0] for key in keys if key}


def sweep_orphans(blobs: Blobs, named: Set[str]) -> int:
    """Deletes blobs that nothing names: leftovers of registrations that were killed half-way."""
    orphans = {key.partition(".")[0] for key in blobs.older_than(ORPHAN_AGE)} - named
    for orphan in orphans:
        blobs.delete(orphan + ".webp")
    return len(orphans)
