"""The luminance of a frame, from which both PDQ and pHash are computed."""

import cv2
import numpy as np
import numpy.typing as npt

from indexer.media.images import Pixels

Luminance = npt.NDArray[np.float32]  # (h, w), 0..255


def luminance_of(pixels: Pixels) -> Luminance:
    """Maps (h, w, 3) uint8 sRGB to (h, w): 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), not rounded."""
    grey = cv2.cvtColor(pixels.astype(np.float32), cv2.COLOR_RGB2GRAY)
    return np.asarray(grey, np.float32)
