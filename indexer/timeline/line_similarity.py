"""How alike a stretch of the query is to the frames of the reference on a line, for very many lines.

A frame between two kept ones is interpolated. All that lines need of such frames are products of kept ones,
which are made once: a line then costs microseconds in place of reading every pixel.
"""

import numpy as np
import numpy.typing as npt

from indexer.timeline.sequence import Sequence, Times
from indexer.timeline.track import Vectors

MARGIN_S = 1.5  # around a line, whose frames are taken with it: refining moves it by less, as a rule
MOST_REFERENCE_FRAMES = 1024  # of the reference, 80 s; of more, their products cost more than they save

Products = npt.NDArray[np.float32]


class LineSimilarity:
    """Compares (n, pixels) `rows` of a query with a reference on lines of one neighbourhood."""

    def __init__(self, rows: Vectors, reference: Sequence) -> None:
        self._rows, self._reference = rows, reference
        self._first = self._last = 0  # of the reference's frames whose products are at hand
        self._with_rows: Products | None = None  # (n, m) of the rows with these frames
        self._of_frames: Products | None = None  # (m, m) of these frames with one another

    def product_and_size(self, seconds: Times) -> tuple[float, float]:
        """Compares the rows with the reference's frames at these `seconds`, one for each row.

        Returns the mean product of a row and its frame, and the root mean square length of these frames
        less their mean.
        """
        if not self._hold(seconds):
            frames = self._reference.at(seconds)
            moving = frames - frames.mean(axis=0)
            return mean_product(self._rows, frames), float(np.sqrt((moving**2).sum(axis=1).mean()))
        assert self._with_rows is not None
        assert self._of_frames is not None
        before, shares = self._reference.between(seconds)
        before = before - self._first
        after = np.minimum(before + 1, self._of_frames.shape[0] - 1)
        squared = (
            shares[0] ** 2 * self._of_frames[before, before]
            + 2 * shares[0] * shares[1] * self._of_frames[before, after]
            + shares[1] ** 2 * self._of_frames[after, after]
        )
        length = np.sqrt(np.maximum(squared, 0.0))
        shares = shares / np.maximum(length, 1e-6)
        each = np.arange(len(seconds))
        product = shares[0] @ self._with_rows[each, before] + shares[1] @ self._with_rows[each, after]
        weights = np.bincount(before, shares[0], len(self._of_frames))
        weights += np.bincount(after, shares[1], len(self._of_frames))
        weights = weights.astype(np.float32)  # else all products are converted for every line
        of_mean = float(weights @ self._of_frames @ weights) / len(seconds) ** 2
        of_all = float((length > 1e-6).mean())  # a frame has the length one; or none, without detail
        return float(product) / len(seconds), float(np.sqrt(max(0.0, of_all - of_mean)))

    def _hold(self, seconds: Times) -> bool:
        """Makes the products that these seconds need, if that pays."""
        low, high = self._reference.frames_around(float(seconds.min()), float(seconds.max()))
        if self._with_rows is not None and self._first <= low and high <= self._last:
            return True
        first, last = self._reference.frames_around(
            float(seconds.min()) - MARGIN_S, float(seconds.max()) + MARGIN_S
        )
        if last - first > MOST_REFERENCE_FRAMES:
            return False
        frames = self._reference.vectors[first:last]
        self._first, self._last = first, last
        self._with_rows, self._of_frames = self._rows @ frames.T, frames @ frames.T
        return True


def mean_product(rows: Vectors, frames: Vectors) -> float:
    """Returns the mean product of a row and its frame, both (n, pixels); of unit vectors a correlation."""
    return float(np.einsum("ij,ij->", rows, frames)) / len(rows)
