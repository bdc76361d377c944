"""Turns a comparison into what is said of it: the operations, and what could not be told."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.bars import bars_laid_over
from indexer.compare.changes import MOST_REGIONS, ChangeMap
from indexer.compare.content import changed_parts, content_operations, faint_differences
from indexer.compare.faces.detection import FaceBox
from indexer.compare.faces.findings import (
    FaceFinding,
    face_operations,
    find_face_changes,
    uncertainties,
)
from indexer.compare.faces.judgement import OTHER_FRAME, Change
from indexer.compare.faces.pairs import FacePair
from indexer.compare.filtered import name_filters
from indexer.compare.fine_changes import fine_comparison
from indexer.compare.operations import inverted, operations_found
from indexer.compare.pair import PairComparison, compare_pair, mask_around
from indexer.compare.persons import find_replaced_persons, person_operations
from indexer.compare.scene_motion import THINGS_MOVED, scene_motion, without_camera
from indexer.compare.small_changes import (
    CROWDED,
    LITTLE_LEFT,
    more_in_words,
    small_changes,
    unseen_in_words,
)
from indexer.compare.vocabulary import Frame, Operation
from indexer.compare.warping import Mask
from indexer.media.images import Pixels
from indexer.operations import OPERATIONS, OperationType

FILTERED = (
    "The whole picture was processed so much that it differs in places: whether a part of it was edited as "
    "well cannot be told there."
)


MOST_SMALL_CHANGES = 5  # that are listed
# What is laid over a part or painted into it leaves the rest to be read: a figure may be changed there too.
LEAVE_A_REST = {OperationType.LOCAL_EDIT, OperationType.FACE_COVERED, OperationType.OVERLAY}


@dataclass(frozen=True)
class Derivation:
    """How the query was made from the reference."""

    operations: tuple[Operation, ...]  # the most severe first
    uncertain: tuple[str, ...]  # sentences
    comparison: PairComparison
    faces: tuple[FaceFinding, ...]
    pair: AlignedPair  # without its statistics
    unseen: tuple[str, ...] = ()  # sentences: what is too small to be told
    has_unnamed_motion: bool = False  # whether something differs that is not named because things moved

    @property
    def may_be_other_moment(self) -> bool:
        """Whether what differs may be the work of time alone: then that nothing is named proves nothing."""
        return self.has_unnamed_motion or any(face.reason == OTHER_FRAME for face in self.faces)

    @property
    def leaves_a_change_open(self) -> bool:
        """Whether it may show another face or another moment, so that naming nothing proves nothing."""
        return self.may_be_other_moment or any(face.may_be_changed for face in self.faces)

    @property
    def changes_content(self) -> bool:
        """Whether something else is shown at some place, be it slight or covered."""
        return any(OPERATIONS[operation.type].changes_content for operation in self.operations)

    @property
    def leaves_a_rest(self) -> bool:
        """Whether something small may have been changed beside what was found."""
        types = {operation.type for operation in self.operations}
        return all(one in LEAVE_A_REST for one in types if OPERATIONS[one].changes_content)


def derive(
    pair: AlignedPair,
    query_frame: Frame,
    reference_frame: Frame,
    *,
    with_faces: bool = True,
    same_moment: bool = False,
    has_footage: bool = False,
) -> Derivation:
    """Compares the pair and says what was done to the reference. Raises MissingFaceModels.

    `same_moment`: frames of two videos that are known to show one moment; heads did not move by themselves.
    `has_footage`: more of the reference's footage is at hand, which tells better what motion explains.
    """
    comparison = compare_pair(pair, with_faces=with_faces)
    warped, changes = comparison.warped, comparison.changes
    size = pair.query.shape[1], pair.query.shape[0]
    findings = find_face_changes(
        warped, changes, comparison.faces, same_moment=same_moment, in_footage=has_footage
    )
    told = [one for one in findings if one.change is not Change.NONE or one.is_marked_but_kept]
    unread = mask_around(_boxes(one.pair for one in told if one.is_unreadable), warped)
    heads = mask_around(_boxes(one.pair for one in told if not one.is_unreadable), warped)
    persons = find_replaced_persons(changes, findings)
    others = [finding for finding in findings if all(finding is not person.face for person in persons)]
    for person in persons:
        heads |= person.mask
    found = person_operations(persons, warped, size) + face_operations(others, warped, size)
    parts = changed_parts(warped, changes, heads, unread)
    motion = None
    if not same_moment:
        known_heads = mask_around(_boxes(comparison.faces), warped)
        motion = scene_motion(warped, comparison.processing.apply(warped.reference), known_heads)
    if motion is not None and not has_footage:
        parts = motion.left_of(parts)
    found += content_operations(parts, warped, size)
    found += bars_laid_over(pair.alignment, pair.query, pair.reference)
    found.sort(key=lambda operation: OPERATIONS[operation.type].rank)
    alignment = replace(pair.alignment, homography=warped.to_reference(pair.reference))
    edited = _edited(changes)
    whole = operations_found(alignment, pair.query, pair.reference, query_frame, reference_frame, edited)
    # Of an inverted picture, what was changed besides would be said of what nobody sees.
    found += [one for one in whole if one.type is not OperationType.COLOUR or not pair.is_inverted]
    if not pair.is_inverted:
        filtered = name_filters(warped, comparison.processing, changes.compared & ~edited)
        found += [] if filtered is None else [filtered]
    uncertain = [*uncertainties(others, warped), *faint_differences(parts, warped, size)]
    if motion is not None:
        found = without_camera(found)
        uncertain.append(THINGS_MOVED)
    if pair.is_inverted:
        found.append(inverted())
    if changes.left_by_filter:
        uncertain.append(FILTERED)
    return Derivation(
        tuple(found),
        tuple(uncertain),
        comparison,
        tuple(findings),
        pair,
        has_unnamed_motion=motion is not None,
    )


def _boxes(faces: Iterable[FacePair]) -> list[FaceBox]:
    boxes = (face.reference_box or face.query_box for face in faces)
    return [box for box in boxes if box is not None]


def _edited(changes: ChangeMap) -> Mask:
    """Returns (h, w): where somebody edited something."""
    mask = np.zeros_like(changes.compared)
    for region in changes.regions:
        mask |= region.mask
    return mask


def derive_small_changes(
    derivation: Derivation, query: Pixels, reference: Pixels, reference_frame: Frame
) -> Derivation:
    """Adds what only more detail than that of its pair shows, and what even that does not show.

    `query`, `reference`: (h, w, 3) uint8, the pictures of the pair in all the detail that is at hand.
    """
    if derivation.comparison.changes.left_by_filter:
        return derivation  # it would find what the filter left
    regions = derivation.comparison.changes.regions
    if len(regions) >= MOST_REGIONS:
        return replace(derivation, unseen=(CROWDED,))  # more differs than was kept to be left out
    found = fine_comparison(derivation.pair, derivation.comparison, query, reference)
    changes = small_changes(found, (query.shape[1], query.shape[0]), reference_frame) if found else []
    listed, more = changes[:MOST_SMALL_CHANGES], len(changes) - MOST_SMALL_CHANGES
    unseen = None if changes else unseen_in_words(found, reference_frame)
    if found is None and regions:
        unseen = LITTLE_LEFT
    elif more > 0:
        unseen = more_in_words(more)
    operations = sorted(
        (*listed, *derivation.operations), key=lambda operation: OPERATIONS[operation.type].rank
    )
    return replace(
        derivation,
        operations=tuple(operations) if changes else derivation.operations,
        unseen=(unseen,) if unseen else (),
    )
