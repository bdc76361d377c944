"""What every embedder is, and what all of them do to a picture before and to a vector after."""

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np

from indexer.fingerprints.kinds import Vectors
from indexer.fingerprints.lite0 import WrongWeights
from indexer.fingerprints.models import Model
from indexer.fingerprints.regions import Region
from indexer.media.images import Pixels

UNKNOWN_SIZE = 0  # stands for the size of a kind whose file is tried for the first time


class Embedder(Protocol):
    """Anything that turns frames into unit vectors of one kind; safe to call from many threads."""

    kind: str
    device: str

    def embed(self, frames: list[Pixels]) -> Vectors:
        """Maps (h, w, 3) uint8 sRGB frames to an (n, dimensions) float32 array of unit rows."""
        ...

    def embed_to_search(self, frames: list[Pixels]) -> Vectors:
        """Maps frames to nearly the rows of `embed`, where that costs less: to search by, not to keep."""
        ...

    def embed_windows(self, frame: Pixels, windows: Sequence[Region]) -> Vectors:
        """Maps windows of one (h, w, 3) frame to (n, dimensions) unit rows: to search by, not to keep."""
        ...


class ByCutting:
    """The two ways of an embedder that has no cheaper one: `embed` of what is cut out."""

    def embed(self, frames: list[Pixels]) -> Vectors:
        """See Embedder."""
        raise NotImplementedError

    def embed_to_search(self, frames: list[Pixels]) -> Vectors:
        """See Embedder."""
        return self.embed(frames)

    def embed_windows(self, frame: Pixels, windows: Sequence[Region]) -> Vectors:
        """See Embedder."""
        return self.embed([window.cut(frame) for window in windows])


def square(pixels: Pixels, side: int) -> Pixels:
    """Resizes (h, w, 3) uint8 to (3, side, side); the aspect ratio is given up on purpose."""
    interpolation = cv2.INTER_AREA if min(pixels.shape[:2]) > side else cv2.INTER_LINEAR
    resized = cv2.resize(pixels, (side, side), interpolation=interpolation)
    return np.ascontiguousarray(np.asarray(resized, dtype=np.uint8).transpose(2, 0, 1))


def unit_rows(raw: Vectors, model: Model) -> Vectors:
    """Scales (n, ...) outputs to (n, dimensions) rows of length one. Raises WrongWeights if that fails."""
    rows = raw.reshape(len(raw), -1).astype(np.float32)
    if model.kind.size not in (rows.shape[1], UNKNOWN_SIZE):
        raise WrongWeights(
            f"{model.kind.name} has {model.kind.size} numbers, the file gives {rows.shape[1]}"
        )
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise WrongWeights(f"{model.kind.name}: the file gives vectors that have no direction")
    return np.asarray(rows / lengths, dtype=np.float32)
