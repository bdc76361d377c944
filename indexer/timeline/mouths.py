"""Does a mouth say what the original's says? Over many frames, where one frame alone is weak evidence.

Coarse compression moves landmarks about as far as speech does. But however coarse a copy is, its mouth at a
moment is most like the original's mouth at that moment; a mouth that was driven by somebody else is not.
"""

import numpy as np

from indexer.compare.faces.pairs import Mouth

LEAST_PAIRS = 5
LEAST_SPREAD = 0.01  # eye distances: a mouth that hardly moves is told from none
# Mean share of the original's other moments that are nearer than its own: copies reach 0.28 when they are
# coarse, a driven mouth lies at 0.5 (docs/quality.md).
FOLLOWS_BELOW = 0.33


def mouths_follow(pairs: list[tuple[Mouth, Mouth]]) -> bool | None:
    """Whether the query's mouths follow the reference's, moment by moment; None: too few to tell."""
    if len(pairs) < LEAST_PAIRS:
        return None
    query = np.array([one for one, _ in pairs])
    reference = np.array([other for _, other in pairs])
    query -= np.median(query - reference, axis=0)  # what the coding does to every frame alike
    scale = np.maximum(reference.std(axis=0), LEAST_SPREAD)
    distances = np.abs((query[:, None] - reference[None]) / scale).sum(axis=2)
    nearer = (distances < np.diag(distances)[:, None]).sum(axis=1) / (len(pairs) - 1)
    return float(nearer.mean()) < FOLLOWS_BELOW
