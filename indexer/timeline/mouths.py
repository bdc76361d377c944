"""Tells over many frames whether a mouth says what the original's says: one frame alone is weak evidence.

Coarse compression moves landmarks about as far as speech does. But however coarse a copy is, its mouth at a
moment is more similar to the original's mouth at that moment than to others. A mouth that is driven by
somebody else's is not.
"""

import numpy as np

from indexer.compare.faces.pairs import Mouth

LEAST_PAIRS = 5
LEAST_SPREAD = 0.01  # in eye distances: a mouth that moves less cannot be told from others
# Mean share of the original's other moments that are nearer than the moment itself: coarse copies reach
# 0.28, a driven mouth lies at 0.5 (docs/quality.md).
FOLLOWS_BELOW = 0.33


def mouths_follow(pairs: list[tuple[Mouth, Mouth]]) -> bool | None:
    """Whether the query's mouths follow the reference's, moment by moment; None for too few pairs."""
    if len(pairs) < LEAST_PAIRS:
        return None
    query = np.array([query_mouth for query_mouth, _ in pairs])
    reference = np.array([reference_mouth for _, reference_mouth in pairs])
    query -= np.median(query - reference, axis=0)  # what coding changes equally in every frame
    scale = np.maximum(reference.std(axis=0), LEAST_SPREAD)
    distances = np.abs((query[:, None] - reference[None]) / scale).sum(axis=2)
    nearer = (distances < np.diag(distances)[:, None]).sum(axis=1) / (len(pairs) - 1)
    return float(nearer.mean()) < FOLLOWS_BELOW
