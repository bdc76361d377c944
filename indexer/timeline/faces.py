"""What many frames tell of a face that one frame does not: whose words its mouth says, and who draws it.

Coarse compression moves landmarks about as far as speech does. But however coarse a copy is, its mouth at a
moment is more similar to the original's mouth at that moment than to others. A mouth that is driven by
somebody else's is not.

The first face swaps in videos (autoencoders of 64 or 128 pixels, 2018) kept what the original's mouth says,
and much of who it was: a frame looks re-enacted. Over the frames the mouth follows, and the face is drawn
anew in nearly all of them, by more than any coding explains.
"""

from collections.abc import Sequence

import numpy as np

from indexer.compare.faces.findings import FaceFinding
from indexer.compare.faces.model import EXCHANGED, MOVED
from indexer.compare.faces.pairs import Mouth

LEAST_PAIRS = 5
LEAST_SPREAD = 0.01  # in eye distances: a mouth that moves less cannot be told from others
# Standard deviation in eye distances, below which a mouth says nothing, however coarse the copy is; and how
# far it may then be from how the original holds it.
SAYS_NOTHING, HELD_ALIKE = 0.02, 0.04
# Mean share of the original's other moments that are nearer than the moment itself: coarse copies reach
# 0.28, a driven mouth lies at 0.5 (docs/quality.md).
FOLLOWS_BELOW = 0.33
# Medians over frames of logits beyond what the controls explain. Genuine videos in H.264 at up to crf 44
# reach 3.6 and 1.0, a swap of 2018 has 6.6 and 1.7, newer and synthetic ones 10 and 4.
DRAWN_ANEW_MOVED, DRAWN_ANEW_EXCHANGED = 5.0, 1.5


def mouths_follow(pairs: Sequence[tuple[Mouth, Mouth]]) -> bool | None:
    """Whether the query's mouths follow the reference's, moment by moment.

    None for too few pairs, and where the reference's mouth hardly moves: nobody could follow it.
    """
    if len(pairs) < LEAST_PAIRS:
        return None
    query = np.array([query_mouth for query_mouth, _ in pairs])
    reference = np.array([reference_mouth for _, reference_mouth in pairs])
    spread = reference.std(axis=0)
    if spread.max() < LEAST_SPREAD:
        return None
    query -= np.median(query - reference, axis=0)  # what coding changes equally in every frame
    scale = np.maximum(spread, LEAST_SPREAD)
    distances = np.abs((query[:, None] - reference[None]) / scale).sum(axis=2)
    nearer = (distances < np.diag(distances)[:, None]).sum(axis=1) / (len(pairs) - 1)
    return float(nearer.mean()) < FOLLOWS_BELOW


def are_silent(pairs: Sequence[tuple[Mouth, Mouth]]) -> bool:
    """Whether neither mouth says anything, and both are held alike, over enough pairs."""
    if len(pairs) < LEAST_PAIRS:
        return False
    query = np.array([query_mouth for query_mouth, _ in pairs])
    reference = np.array([reference_mouth for _, reference_mouth in pairs])
    return bool(
        reference.std(axis=0).max() < LEAST_SPREAD
        and query.std(axis=0).max() < SAYS_NOTHING
        and np.abs(np.median(query - reference, axis=0)).max() < HELD_ALIKE
    )


def is_drawn_anew(faces: Sequence[FaceFinding]) -> bool:
    """Whether one face, as the compared frames show it, differs by more than coding in most of them."""
    if len(faces) < LEAST_PAIRS:
        return False
    moved, exchanged = (
        float(np.median([face.gain_over_controls(head) for face in faces])) for head in (MOVED, EXCHANGED)
    )
    return moved >= DRAWN_ANEW_MOVED and exchanged >= DRAWN_ANEW_EXCHANGED
