"""Whose face a picture shows, of two versions of one scene: that is told at any moment of it.

Pixels tell versions apart where nothing moved (`indexer.compare.versions`). A moment later everything
differs from both, but who somebody is does not change.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from indexer.compare.content import both_quads
from indexer.compare.derivation import Derivation
from indexer.compare.faces.findings import FaceFinding
from indexer.compare.faces.judgement import (
    CLEARLY_OTHER_PERSON,
    LEAST_OTHER_PERSON,
    Change,
    identity_distance,
    why_uncertain,
)
from indexer.compare.versions import VersionShown
from indexer.operations import OPERATIONS, OperationType

CENTRE_WITHIN = 0.25  # of a face's width: two faces so near are one

Corners = npt.NDArray[np.float64]  # (4, 2) px of the query


def version_by_faces(first: Derivation, second: Derivation) -> VersionShown:
    """Returns which version a picture shows by its faces; both derivations are of that picture.

    It shows the version whose person it shows, where that is clearly another one than the other version's.
    A face that is exchanged in both belongs to neither. Where a person was replaced, or the picture was
    straightened otherwise for the one than for the other, nothing is told.
    """
    if not np.array_equal(first.pair.query, second.pair.query) or _shows_another_body(first, second):
        return VersionShown.UNDECIDABLE
    as_first, as_second = _shows_person_of(first, second), _shows_person_of(second, first)
    if as_first or as_second:
        exchanged = _exchanged(first if as_first else second)
        if exchanged:
            return VersionShown.NEITHER
    if as_first:
        return VersionShown.FIRST
    return VersionShown.SECOND if as_second else VersionShown.UNDECIDABLE


def leaves_content_open(derivation: Derivation) -> bool:
    """Whether something else was changed than what time explains, or a face may have been."""
    return any(face.may_be_changed for face in derivation.faces) or any(
        OPERATIONS[operation.type].changes_content for operation in derivation.operations
    )


def _shows_another_body(*derivations: Derivation) -> bool:
    return any(
        operation.type is OperationType.PERSON_REPLACED
        for derivation in derivations
        for operation in derivation.operations
    )


def _shows_person_of(version: Derivation, other: Derivation) -> bool:
    """Whether some face is the version's person, and clearly not the other version's."""
    places = (_place(face, other) for face in _exchanged(other) if _is_clearly_other(face))
    return any(_is_of(place, version) for place in places if place is not None)


def _exchanged(derivation: Derivation) -> list[FaceFinding]:
    return [face for face in derivation.faces if face.change is Change.EXCHANGED]


def _is_clearly_other(face: FaceFinding) -> bool:
    measures = face.pair.measures
    return measures is not None and identity_distance(measures) >= CLEARLY_OTHER_PERSON


def _is_of(place: Corners, version: Derivation) -> bool:
    """Whether the face at a place of the picture is the person's whom the version shows there."""
    return any(_is_at(face, place, version) for face in _the_same_persons(version.faces))


def _the_same_persons(faces: Iterable[FaceFinding]) -> list[FaceFinding]:
    return [
        face
        for face in faces
        if face.change not in (Change.EXCHANGED, Change.COVERED)
        and face.pair.measures is not None
        and why_uncertain(face.pair.measures) is None
        and identity_distance(face.pair.measures) < LEAST_OTHER_PERSON
    ]


def _is_at(face: FaceFinding, place: Corners, derivation: Derivation) -> bool:
    own = _place(face, derivation)
    if own is None:
        return False
    width = float(np.linalg.norm(place[1] - place[0]))
    return float(np.linalg.norm(own.mean(axis=0) - place.mean(axis=0))) < CENTRE_WITHIN * width


def _place(face: FaceFinding, derivation: Derivation) -> Corners | None:
    """Returns where a face is in the query."""
    (left, top), (right, bottom) = face.pair.oval.min(axis=0), face.pair.oval.max(axis=0)
    height, width = derivation.pair.query.shape[:2]
    box = float(left), float(top), float(right), float(bottom)
    quad = both_quads(box, derivation.comparison.warped, (width, height))[0]
    return None if quad is None else np.asarray(quad, np.float64) * (width, height)
