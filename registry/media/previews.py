"""Previews that publishers allowed: stored, read, swept; and the local features derived from them."""

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from PIL import Image
from sqlmodel import col, select

from indexer.compare.features import LocalFeatures, extract_features, resized
from indexer.media.images import Pixels
from registry.media.storyboards import Storyboard, load_storyboard, store_storyboard
from registry.media.uploads import Upload, decode
from registry.services import Services
from registry.storage.blobs import ORPHAN_AGE
from registry.storage.db import transaction
from registry.storage.models import Job, Record

K = TypeVar("K")
T = TypeVar("T")
FEATURES_SUFFIX = ".features.npz"
FEATURES_KEPT = 1000  # about 150 kB each
STORYBOARDS_KEPT = 12  # a few MB each
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


def store_preview(services: Services, upload: Upload) -> str | None:
    """Keep a small WebP of the upload under a new random key, of a video its frames as well.

    None where there is no picture.
    """
    if upload.video is not None:
        key = services.blobs.put(".webp", _webp(services, upload.video.poster).getvalue())
        store_storyboard(services.blobs, key, upload.video)
        return key
    if upload.image is None or upload.features is None:
        return None
    stored = _webp(services, upload.image.pixels)
    key = services.blobs.put(".webp", stored.getvalue())
    with Image.open(stored) as picture:
        size = picture.size
    services.blobs.put_beside(key, FEATURES_SUFFIX, resized(upload.features, *size).to_bytes())
    return key


def _webp(services: Services, pixels: Pixels) -> io.BytesIO:
    picture = Image.fromarray(pixels)
    side = services.settings.preview_long_side
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=PREVIEW_QUALITY, method=2)
    return buffer


class PreviewCache:
    """Features of registered pictures and storyboards that were used lately; safe for many threads."""

    def __init__(self, features: int = FEATURES_KEPT, storyboards: int = STORYBOARDS_KEPT) -> None:
        self._features = _Kept[Picture, LocalFeatures](features)
        self._storyboards = _Kept[str, Storyboard](storyboards)

    def features(self, services: Services, picture: Picture) -> LocalFeatures | None:
        """From memory, else from beside the preview, else made again from it; None if it is lost."""
        picture = self._exact(services, picture)
        return self._features.get(picture, lambda: self._load_features(services, picture))

    def pixels(self, services: Services, picture: Picture) -> Pixels | None:
        """(h, w, 3) uint8 of a stored preview, or None if it is lost."""
        if picture.time_ms is None:
            content = services.blobs.get(picture.key)
            return decode(services, content).pixels if content else None
        board = self.storyboard(services, picture.key)
        if board is None or not board.times_ms:
            return None
        return decode(services, board.frames[board.nearest(picture.time_ms)]).pixels

    def storyboard(self, services: Services, key: str) -> Storyboard | None:
        """Of the video whose poster has this key."""
        return self._storyboards.get(key, lambda: load_storyboard(services.blobs, key))

    def _exact(self, services: Services, picture: Picture) -> Picture:
        """By the time of the frame that is kept, so that it is looked at once only."""
        board = None if picture.time_ms is None else self.storyboard(services, picture.key)
        if board is None or not board.times_ms or picture.time_ms is None:
            return picture
        return Picture(picture.key, board.times_ms[board.nearest(picture.time_ms)])

    def _load_features(self, services: Services, picture: Picture) -> LocalFeatures | None:
        if picture.time_ms is None:
            stored = services.blobs.get_beside(picture.key, FEATURES_SUFFIX)
            if stored is not None:
                try:
                    return LocalFeatures.from_bytes(stored)
                except (ValueError, KeyError, OSError):
                    pass  # derived, so made again below
        pixels = self.pixels(services, picture)
        if pixels is None:
            return None
        features = extract_features(pixels)
        if picture.time_ms is None:
            services.blobs.put_beside(picture.key, FEATURES_SUFFIX, features.to_bytes())
        return features


class _Kept(Generic[K, T]):
    """The last values that were asked for; what is None is not kept."""

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


def sweep_orphans(services: Services) -> int:
    """Delete blobs that no record names: leftovers of registrations that were killed half-way."""
    with transaction(services.engine) as session:
        named = {
            key.rpartition(".")[0]
            for key in session.exec(select(Record.preview_key).where(col(Record.preview_key).is_not(None)))
            if key
        }
        waiting = session.exec(select(Job.payload_key).where(col(Job.payload_key).is_not(None)))
        named |= {key.rpartition(".")[0] for key in waiting if key}
    orphans = {key.partition(".")[0] for key in services.blobs.older_than(ORPHAN_AGE)} - named
    for orphan in orphans:
        services.blobs.delete(orphan + ".webp")
    return len(orphans)
