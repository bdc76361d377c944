"""From a compared pair to what is said of it: operations, gravest first, and what could not be told."""

from dataclasses import dataclass

from indexer.compare.content import content_operations
from indexer.compare.faces.findings import Change, FaceFinding, face_operations, judge_faces, uncertainties
from indexer.compare.geometry import Alignment
from indexer.compare.operations import operations_found
from indexer.compare.pair import Compared, compare_pair, mask_around
from indexer.compare.vocabulary import GRAVITY, Frame, Operation
from indexer.media.images import Pixels


@dataclass(frozen=True)
class Derivation:
    """How the query was made from the reference."""

    operations: tuple[Operation, ...]  # gravest first
    uncertain: tuple[str, ...]  # sentences
    compared: Compared
    faces: tuple[FaceFinding, ...]


def derive(
    query: Pixels,
    reference: Pixels,
    alignment: Alignment,
    query_frame: Frame,
    reference_frame: Frame,
    *,
    with_faces: bool = True,
) -> Derivation:
    """Compare (h, w, 3) uint8 frames that `alignment` joins. Raises MissingFaceModels."""
    compared = compare_pair(query, reference, alignment, with_faces=with_faces)
    laid, changes = compared.laid, compared.changes
    size = query.shape[1], query.shape[0]
    findings = judge_faces(laid, changes, compared.faces)
    changed = [one.pair for one in findings if one.change is not Change.NONE]
    boxes = [one.reference_box or one.query_box for one in changed]
    heads = mask_around([one for one in boxes if one is not None], laid)
    found = face_operations(findings, laid, size) + content_operations(laid, changes, heads, size)
    found.sort(key=lambda one: GRAVITY.index(one.type))
    found += operations_found(alignment, query, reference, query_frame, reference_frame)
    return Derivation(tuple(found), tuple(uncertainties(findings, laid)), compared, tuple(findings))
