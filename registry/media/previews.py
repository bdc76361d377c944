"""Previews that publishers allowed: stored, read, swept; and the local features derived from them."""

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Set
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from obstore.exceptions import BaseError as BlobError
from PIL import Image
from sqlmodel import Session, col, select

from indexer.compare.features import LocalFeatures, extract_features, resized
from indexer.compare.quick_check import QuickFeatures, extract_quick_features
from indexer.compare.versions import VersionDifference, difference_of_versions
from indexer.media.images import Pixels
from registry.errors import MediaRefused, RegistryError
from registry.media.decoding import Decoders
from registry.media.storyboards import Storyboard, load_storyboard, store_storyboard
from registry.media.uploads import Upload
from registry.storage.blobs import ORPHAN_AGE, Blobs
from registry.storage.models import Job, Record

K = TypeVar("K")
T = TypeVar("T")
FEATURES_SUFFIX = ".features.npz"
FEATURES_KEPT = 1000  # about 150 kB each
QUICK_FEATURES_SUFFIX = ".quick"
QUICK_FEATURES_KEPT = 4000  # at most 74 kB each
STORYBOARDS_KEPT = 12  # a few MB each
DIFFERENCES_KEPT = 200  # of pairs of versions; about 40 kB each
PREVIEW_QUALITY = 85
DETAIL_SUFFIX, DETAIL_LONG_SIDE, DETAIL_QUALITY = ".detail.webp", 2048, 85
GRAPHIC = 0.6  # share of the pixels in the 16 commonest colours


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


def store_preview(
    blobs: Blobs,
    upload: Upload,
    long_side: int,
    detail: Pixels | None = None,
    detail_long_side: int = DETAIL_LONG_SIDE,
) -> str | None:
    """Keeps a small WebP of the upload under a new random key; of a video its frames as well.

    Sides in pixels. `detail`: (h, w, 3) of a still in more detail, of which a larger WebP is kept beside it
    for the comparison of small things. None where there is no picture.
    """
    if upload.video is not None:
        key = blobs.put(".webp", kept_preview(upload.video.poster, long_side))
        store_storyboard(blobs, key, upload.video)
        return key
    if upload.image is None or upload.features is None:
        return None
    stored = kept_preview(upload.image.pixels, long_side)
    key = blobs.put(".webp", stored)
    with Image.open(io.BytesIO(stored)) as picture:
        size = picture.size
    blobs.put_beside(key, FEATURES_SUFFIX, resized(upload.features, *size).to_bytes())
    if upload.quick_features is not None:
        blobs.put_beside(key, QUICK_FEATURES_SUFFIX, upload.quick_features.to_bytes())
    kept = None if detail is None else kept_detail(detail, size, detail_long_side)
    if kept is not None:
        blobs.put_beside(key, DETAIL_SUFFIX, kept)
    return key


def kept_preview(pixels: Pixels, long_side: int = 1024) -> bytes:
    """The WebP that is shown, and that most comparisons read."""
    return _webp(pixels, long_side, PREVIEW_QUALITY)


def kept_detail(
    pixels: Pixels, shown: tuple[int, int], long_side: int = DETAIL_LONG_SIDE, quality: int = DETAIL_QUALITY
) -> bytes | None:
    """The WebP beside it in which single figures can be told; None where the preview is as good.

    `pixels`: (h, w, 3); `shown`: width and height of the preview. Documents and graphics, of few colours,
    are kept without loss where that takes no more bytes than a lossy copy of that size.
    """
    is_larger = min(long_side, max(pixels.shape[:2])) > max(shown)
    is_graphic = long_side > 0 and _commonest_share(pixels) > GRAPHIC
    if not is_larger and not is_graphic:
        return None
    long_side = max(long_side, *shown)
    lossy = _webp(pixels, long_side, quality)
    exact = _webp(pixels, long_side, None) if is_graphic else None
    if exact is not None and len(exact) <= len(lossy):
        return exact
    return lossy if is_larger else None


def _commonest_share(pixels: Pixels) -> float:
    """Share of the pixels, every fourth in each direction, that have one of the 16 commonest colours."""
    sampled = pixels[::4, ::4].astype(np.uint32)
    codes = (sampled[..., 0] << 16) | (sampled[..., 1] << 8) | sampled[..., 2]
    _, counts = np.unique(codes, return_counts=True)
    return float(np.sort(counts)[-16:].sum() / codes.size)


def _webp(pixels: Pixels, long_side: int, quality: int | None) -> bytes:
    """Encodes; without loss where `quality` is None."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    how = {"lossless": True, "quality": 40} if quality is None else {"quality": quality}
    picture.save(buffer, "WEBP", method=2, **how)
    return buffer.getvalue()


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
        self._quick_features = _RecentlyUsed[Picture, QuickFeatures](QUICK_FEATURES_KEPT)
        self._storyboards = _RecentlyUsed[str, Storyboard](storyboards)
        self._differences = _RecentlyUsed[tuple[Picture, Picture], VersionDifference](DIFFERENCES_KEPT)

    def features(self, picture: Picture) -> LocalFeatures | None:
        """From memory, else from beside the preview, else made again from it; None if it is lost."""
        picture = self._at_kept_time(picture)
        return self._features.get(picture, lambda: self._load_features(picture))

    def quick_features(self, picture: Picture) -> QuickFeatures | None:
        """The same, of those that candidates are first checked by."""
        picture = self._at_kept_time(picture)
        return self._quick_features.get(picture, lambda: self._load_quick_features(picture))

    def pixels(self, picture: Picture) -> Pixels | None:
        """(h, w, 3) uint8 of a stored preview, or None if it is lost."""
        if picture.time_ms is None:
            content = self._blobs.get(picture.key)
            return self._decoders.image(content).pixels if content else None
        board = self.storyboard(picture.key)
        if board is None or not board.times_ms:
            return None
        return self._decoders.image(board.frames[board.nearest(picture.time_ms)]).pixels

    def beside(self, picture: Picture) -> list[Pixels]:
        """Frames (h, w, 3) kept before and after that of a video; none of a still, or if all is lost."""
        board = None if picture.time_ms is None else self.storyboard(picture.key)
        if board is None or not board.times_ms or picture.time_ms is None:
            return []
        here = board.nearest(picture.time_ms)
        around = [one for one in (here - 1, here + 1) if 0 <= one < len(board.frames)]
        frames = []
        for one in around:
            with suppress(MediaRefused):  # damaged here: nobody's upload is to blame
                frames.append(self._decoders.image(board.frames[one]).pixels)
        return frames

    def detail(self, picture: Picture) -> Pixels | None:
        """(h, w, 3) uint8 of a still in all the detail that is kept and readable; None if all is lost."""
        content = self._blobs.get_beside(picture.key, DETAIL_SUFFIX) if picture.time_ms is None else None
        if content is None:
            return self.pixels(picture)
        try:
            return self._decoders.image(content, DETAIL_LONG_SIDE).pixels
        except MediaRefused:
            return self.pixels(picture)  # damaged here: nobody's upload is to blame

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
        self._keep_beside(picture, FEATURES_SUFFIX, features.to_bytes())
        return features

    def _load_quick_features(self, picture: Picture) -> QuickFeatures | None:
        if picture.time_ms is None:
            stored = self._blobs.get_beside(picture.key, QUICK_FEATURES_SUFFIX)
            if stored is not None:
                with suppress(ValueError):  # derived, so made again below
                    return QuickFeatures.from_bytes(stored)
        try:
            pixels = self.pixels(picture)
        except MediaRefused:
            return None  # damaged here: nobody's upload is to blame
        if pixels is None:
            return None
        features = extract_quick_features(pixels)
        self._keep_beside(picture, QUICK_FEATURES_SUFFIX, features.to_bytes())
        return features

    def _keep_beside(self, picture: Picture, suffix: str, derived: bytes) -> None:
        """Of a still. It only saves time: a match does not fail because a disk is full."""
        if picture.time_ms is None:
            with suppress(OSError, BlobError, RegistryError):
                self._blobs.put_beside(picture.key, suffix, derived)


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
