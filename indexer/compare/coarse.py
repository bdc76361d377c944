"""Do two whole pictures agree at the size that PDQ reads? A PDQ value alone can be forged.

PDQ keeps the signs of 256 coarse coefficients, and a few hundred steps give a picture the signs of any
other one, although it looks nothing like it (Prokos et al., "Squint hard enough", USENIX Security 2023).
What lies around each place, compared at the 64 x 64 samples that PDQ reads, tells the two apart.
"""

import cv2
import numpy as np

from indexer.compare.warping import Grey, correlate
from indexer.compare.whole_on_whole import turned_to_upright
from indexer.fingerprints.luminance import luminance_of
from indexer.media.images import Pixels

SIDE = 64  # samples, as PDQ takes them
WINDOW = 9  # samples: a seventh of a side
LEAST_DETAIL = 25.0  # variance in grey levels of 256, below which a window says nothing
WINDOW_AGREES = 0.6  # normalised cross-correlation


def coarse_agreement(query: Pixels, reference: Pixels, orientation: int) -> float:
    """Returns the share of windows with detail that agree, 0..1; 0 where the reference has no detail.

    `orientation`: which turn of the query is laid on the reference, by its number in `pdq.ORIENTATIONS`.
    """
    turned = cv2.warpPerspective(
        _samples(query), turned_to_upright(orientation, SIDE), (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE
    )
    correlation, detail = correlate(_samples(reference), np.asarray(turned, np.float32), WINDOW)
    counted = detail > LEAST_DETAIL
    return float((correlation[counted] > WINDOW_AGREES).mean()) if counted.any() else 0.0


def _samples(pixels: Pixels) -> Grey:
    luminance = luminance_of(pixels).astype(np.float32)
    return np.asarray(cv2.resize(luminance, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32)
