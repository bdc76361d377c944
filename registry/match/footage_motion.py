"""What the motion of registered footage explains: a still may show a moment between the frames kept here.

Of a registered video single frames are kept. A picture taken from it a moment earlier or later
shows another mouth, a raised hand, a thing that came nearer, and nobody edited anything. Such a difference
is no edit where the footage explains it: the same thing, moved, is in the kept frame or in one of those
beside it. What somebody laid over the picture is in none of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from indexer.compare.derivation import Derivation
from indexer.compare.laid_over import laid_over
from indexer.compare.pair import PairComparison
from indexer.compare.scene_motion import DIFFERS, Floats, difference, found_in, inside_quad, softened
from indexer.compare.vocabulary import Operation
from indexer.compare.warping import Mask
from indexer.media.images import Pixels
from indexer.operations import OPERATIONS, Certainty, Extent, OperationType
from registry.media.previews import Picture
from registry.services import RequestContext

# Share of what differs in a region: 0.68 to 1.0 in 19 of 20 that nobody edited, at most 0.26 under
# captions, stickers and copied pieces.
EXPLAINED = 0.5
MOVES_IN_PART = 0.05  # share of a region, or of the picture, that the footage itself must move
TURNS = 5.0  # degrees, by which a head that turns seems to turn a close-up of it
# Who somebody is, and what hides a face, are told from one moment as well as from another.
TOLD_AT_ANY_MOMENT = {OperationType.FACE_SWAP, OperationType.PERSON_REPLACED, OperationType.FACE_COVERED}
BETWEEN_FRAMES = (
    "Of the registered video single frames are kept. The picture may show a moment between two of them: "
    "what differs as the footage itself moves is not called an edit."
)
ANOTHER_MOMENT = (
    "From one picture alone it cannot be excluded that it is another moment of the same recording, in "
    "which only the face moved."
)


def without_motion(context: RequestContext, picture: Picture, derivation: Derivation) -> Derivation:
    """The derivation of a still from a frame of a video, less what the motion of the footage explains."""
    doubtful = [one for one in derivation.operations if _needs_the_moment(one)]
    if picture.time_ms is None or not (doubtful or derivation.comparison.changes.regions):
        return derivation
    beside = context.previews.beside(picture)
    motion = measure_motion(derivation.comparison, beside)
    left = [one for one in derivation.operations if one not in doubtful or not motion.explains(one)]
    size = derivation.pair.query.shape[1], derivation.pair.query.shape[0]
    unexplained = motion.differs & ~motion.found
    # In one frame alone an opened mouth looks as if it were laid over the face.
    graphics = laid_over(unexplained, derivation.comparison, left, size) if beside else []
    operations = sorted((*graphics, *left), key=lambda one: OPERATIONS[one.type].rank)
    if len(left) == len(derivation.operations):
        return replace(derivation, operations=tuple(operations))
    uncertain = (*derivation.uncertain, BETWEEN_FRAMES)
    return replace(derivation, operations=tuple(operations), uncertain=uncertain, has_unnamed_motion=True)


def at_one_moment(derivation: Derivation) -> Derivation:
    """What two stills leave open: a face that nobody touched has another expression a moment later, too."""
    if all(one.type is not OperationType.FACE_REENACTED for one in derivation.operations):
        return derivation
    operations = tuple(
        replace(one, certainty=Certainty.LIKELY) if one.type is OperationType.FACE_REENACTED else one
        for one in derivation.operations
    )
    return replace(derivation, operations=operations, uncertain=(*derivation.uncertain, ANOTHER_MOMENT))


def _needs_the_moment(operation: Operation) -> bool:
    return OPERATIONS[operation.type].needs_same_moment and operation.type not in TOLD_AT_ANY_MOMENT


@dataclass(frozen=True)
class FootageMotion:
    """Where a still differs from the kept frame it was laid on, and why it may; each mask (h, w)."""

    differs: Mask  # the still from the frame
    found: Mask  # what the still shows is in this frame or one beside it, there or a little further on
    moves: Mask  # the footage itself changes from frame to frame; everywhere if no other frame is kept

    def explains(self, operation: Operation) -> bool:
        """Whether a moment between the kept frames may look as if this had been done."""
        row, quad = OPERATIONS[operation.type], operation.reference_region
        if operation.type is OperationType.ROTATED:
            degrees, moving = abs(operation.measured.get("degrees", TURNS)), float(self.moves.mean())
            return degrees < TURNS and moving >= MOVES_IN_PART
        if row.extent is not Extent.PART or quad is None:
            return False
        inside = inside_quad(quad, self.moves.shape)
        if not inside.any() or float(self.moves[inside].mean()) < MOVES_IN_PART:
            return False
        if row.concerns_face:  # a mouth that was driven is found a little further on as well
            return True
        differing = inside & self.differs
        return bool(differing.any()) and float(self.found[differing].mean()) >= EXPLAINED


def measure_motion(compared: PairComparison, beside: Sequence[Pixels]) -> FootageMotion:
    """Follows what a still shows into the frame it was laid on, and those beside it, (h, w, 3) each."""
    warped, size = compared.warped, compared.warped.size
    still = softened(warped.query)

    def in_colours_of_the_still(frame: Pixels) -> Floats:
        here = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
        return softened(compared.processing.apply(here))

    kept = in_colours_of_the_still(warped.reference)
    others = [in_colours_of_the_still(frame) for frame in beside]
    found, moves = found_in(kept, still), np.full(warped.shown.shape, not others)
    for other in others:
        found |= found_in(other, still)
        moves |= difference(other, kept) > DIFFERS
    return FootageMotion((difference(still, kept) > DIFFERS) & compared.changes.compared, found, moves)
