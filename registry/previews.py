"""Previews that publishers allowed: stored, read, swept; and the local features derived from them."""

import io
import threading
from collections import OrderedDict

from PIL import Image
from sqlmodel import col, select

from indexer.compare.features import LocalFeatures, extract_features, resized
from indexer.media.images import Pixels
from registry.blobs import ORPHAN_AGE
from registry.db import transaction
from registry.models import Record
from registry.services import Services, Upload, decode

FEATURES_SUFFIX = ".features.npz"
FEATURES_KEPT = 1000  # about 150 kB each
PREVIEW_QUALITY = 85


def store_preview(services: Services, upload: Upload) -> str | None:
    """Keep a small WebP of the upload under a new random key; None where there is no picture."""
    if upload.image is None or upload.features is None:
        return None
    picture = Image.fromarray(upload.image.pixels)
    side = services.settings.preview_long_side
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=PREVIEW_QUALITY, method=2)
    key = services.blobs.put(".webp", buffer.getvalue())
    services.blobs.put_beside(key, FEATURES_SUFFIX, resized(upload.features, *picture.size).to_bytes())
    return key


class FeatureCache:
    """Features of registered previews that were compared lately; safe to call from many threads."""

    def __init__(self, capacity: int = FEATURES_KEPT) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, LocalFeatures] = OrderedDict()

    def of(self, services: Services, preview_key: str) -> LocalFeatures | None:
        """From memory, else from beside the preview, else made again from it; None if it is lost."""
        with self._lock:
            if preview_key in self._kept:
                self._kept.move_to_end(preview_key)
                return self._kept[preview_key]
        features = _load_features(services, preview_key)
        if features is not None:
            with self._lock:
                self._kept[preview_key] = features
                while len(self._kept) > self._capacity:
                    self._kept.popitem(last=False)
        return features


def _load_features(services: Services, preview_key: str) -> LocalFeatures | None:
    stored = services.blobs.get_beside(preview_key, FEATURES_SUFFIX)
    if stored is not None:
        try:
            return LocalFeatures.from_bytes(stored)
        except (ValueError, KeyError, OSError):
            pass  # derived, so made again below
    pixels = preview_pixels(services, preview_key)
    if pixels is None:
        return None
    features = extract_features(pixels)
    services.blobs.put_beside(preview_key, FEATURES_SUFFIX, features.to_bytes())
    return features


def preview_pixels(services: Services, preview_key: str) -> Pixels | None:
    """(h, w, 3) uint8 of a stored preview, or None if it is lost."""
    content = services.blobs.get(preview_key)
    return decode(services, content).pixels if content else None


def sweep_orphans(services: Services) -> int:
    """Delete blobs that no record names: leftovers of registrations that were killed half-way."""
    with transaction(services.engine) as session:
        named = {
            key.rpartition(".")[0]
            for key in session.exec(select(Record.preview_key).where(col(Record.preview_key).is_not(None)))
            if key
        }
    orphans = {key.partition(".")[0] for key in services.blobs.older_than(ORPHAN_AGE)} - named
    for orphan in orphans:
        services.blobs.delete(orphan + ".webp")
    return len(orphans)
