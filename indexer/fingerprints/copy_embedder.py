"""Runs `tp-desc.v2` on a CPU, by ONNX Runtime: whole pictures, and parts of one picture from a single pass.

What is kept is computed in float32, and equals what torch computes of the same weights. What is only
searched by is computed in 8-bit integers, in less than half the time; the cosine between both is 0.97.
Parts are pooled from the maps of one larger pass (regional pooling, Tolias et al., 2016), which finds as
much as a pass for every part that is cut out (docs/performance.md). `indexer.training.export` writes both
files.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime
from safetensors import SafetensorError
from safetensors.numpy import load_file

from indexer.fingerprints.embedding import square, unit_rows
from indexer.fingerprints.kinds import DESCRIPTOR, Vectors
from indexer.fingerprints.lite0 import WrongWeights
from indexer.fingerprints.models import COPY_DESCRIPTOR
from indexer.fingerprints.regions import Region
from indexer.media.images import Pixels

WEIGHTS = Path(__file__).parents[1] / "weights"
WEIGHTS_FILE = WEIGHTS / f"{DESCRIPTOR.name}.safetensors"
TRUNK_FILE = WEIGHTS / f"{DESCRIPTOR.name}.onnx"
FAST_TRUNK_FILE = WEIGHTS / f"{DESCRIPTOR.name}.int8.onnx"
INPUT, OUTPUTS = "pixels", ("block10", "block14", "head")
PARTS_SIDE = 320  # px of the pass that parts are pooled from; 384 finds no more
LEAST_VALUE = 1e-6  # of a map, before it is raised to the third power
LEAST_AGREEMENT = 0.9  # cosine of both trunks' vectors of one picture; they have 0.97
WHOLE = Region(0, 0, 1, 1)  # of a frame that is one wide and one high

Floats = npt.NDArray[np.float32]
Maps = list[Floats]
_log = logging.getLogger(__name__)


class CopyEmbedder:
    """The default descriptor on a CPU, one core a call; safe to call from many threads."""

    kind, device = DESCRIPTOR.name, "cpu"

    def __init__(self) -> None:
        self._trunk = _opened(TRUNK_FILE)
        try:
            weights = load_file(WEIGHTS_FILE)
            self._projection = weights["projection.weight"].astype(np.float32)  # (256, 1888)
            self._bias = weights["projection.bias"].astype(np.float32)
        except (OSError, KeyError, SafetensorError) as error:
            raise WrongWeights(f"{WEIGHTS_FILE.name} is not what {self.kind} was made with") from error
        self._fast_trunk = self._fast_trunk_or_exact()

    def embed(self, frames: list[Pixels]) -> Vectors:
        """See Embedder."""
        return self._embed(self._trunk, frames)

    def embed_to_search(self, frames: list[Pixels]) -> Vectors:
        """See Embedder."""
        return self._embed(self._fast_trunk, frames)

    def embed_windows(self, frame: Pixels, windows: Sequence[Region]) -> Vectors:
        """See Embedder."""
        return self._describe(_maps(self._fast_trunk, frame, PARTS_SIDE), windows, *frame.shape[:2])

    def _embed(self, trunk: Any, frames: list[Pixels]) -> Vectors:
        return np.concatenate(
            [self._describe(_maps(trunk, frame, COPY_DESCRIPTOR.side), [WHOLE], 1, 1) for frame in frames]
        )

    def _describe(self, maps: Maps, windows: Sequence[Region], height: int, width: int) -> Vectors:
        """Pools maps over windows of a frame of that size; (windows, 256)."""
        means = []
        for values in _third_powers(maps):
            shares = np.stack([_share_of_places(window, height, width, values) for window in windows], 1)
            mean = np.cbrt(values.reshape(len(values), -1) @ shares)
            means.append(mean / np.linalg.norm(mean, axis=0))
        pooled = np.concatenate(means)  # (1888, windows)
        return unit_rows((self._projection @ pooled).T + self._bias, COPY_DESCRIPTOR)

    def _fast_trunk_or_exact(self) -> Any:
        """The fast trunk, if it computes here what it should.

        Processors without VNNI add products of 8 bits in 16, which overflow.
        """
        fast = _opened(FAST_TRUNK_FILE)
        picture = _smooth_noise()
        exact, found = (self._embed(trunk, [picture])[0] for trunk in (self._trunk, fast))
        if exact @ found >= LEAST_AGREEMENT:
            return fast
        _log.warning("this processor does not compute in 8 bits exactly enough; parts of uploads cost more")
        return self._trunk


def _smooth_noise() -> Pixels:
    """Returns a (192, 192, 3) picture of coloured clouds, always the same."""
    side = COPY_DESCRIPTOR.side
    coarse = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


def _opened(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library raises a dozen private types
        raise WrongWeights(f"{path.name} is not what {DESCRIPTOR.name} was made with: {error}") from error


def _maps(trunk: Any, frame: Pixels, side: int) -> Maps:
    """Returns (channels, h, w) maps at three depths."""
    return [one[0] for one in trunk.run(OUTPUTS, {INPUT: square(frame, side)[None]})]


def _third_powers(maps: Maps) -> Maps:
    """Returns the third powers of each map: of taps those of both signs; the head has no negatives."""
    *taps, head = maps
    signed = [*(np.concatenate((tap, -tap)) for tap in taps), head]
    raised = [np.maximum(one, LEAST_VALUE) for one in signed]
    return [one * one * one for one in raised]


def _share_of_places(window: Region, height: int, width: int, values: Floats) -> Floats:
    """Returns (h * w,) of a (channels, h, w) map: equal shares of the places in a window of the frame."""
    rows, columns = values.shape[1:]
    left, right = _span(window.left / width, window.right / width, columns)
    top, bottom = _span(window.top / height, window.bottom / height, rows)
    shares = np.zeros((rows, columns), np.float32)
    shares[top:bottom, left:right] = 1 / ((bottom - top) * (right - left))
    return shares.ravel()


def _span(start: float, end: float, places: int) -> tuple[int, int]:
    """Returns the places of a side that two shares of it bound; at least one."""
    first = min(places - 1, round(start * places))
    return first, max(first + 1, round(end * places))
