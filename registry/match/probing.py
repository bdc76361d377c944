"""Which queries may tell something of a fingerprint that is kept from the asker."""

from collections.abc import Iterable

from indexer.fingerprints.kinds import PDQ
from registry.match.candidates import Candidate
from registry.media.uploads import Upload
from registry.records.access import Asker
from registry.services import RequestContext

BORDER_BITS = 8  # beyond the radius of a match: a query that just fails tells as much as one that does not


def require_no_probing(context: RequestContext, upload: Upload, candidates: Iterable[Candidate]) -> None:
    """Refuses a query that would be one too many about a hidden record. Raises FingerprintProbing."""
    asker = context.asked_by
    codes = {code.orientation: code.value for code in upload.fingerprints if code.kind == PDQ.name}
    if asker is None or not codes or upload.insufficient_detail:
        return
    near = {
        candidate.record.id: codes[candidate.evidence.pdq_orientation]
        for candidate in candidates
        if _tells_something(context, asker, candidate)
    }
    context.chains.require_leave(asker.organisation, list(codes.values()), near)


def _tells_something(context: RequestContext, asker: Asker, candidate: Candidate) -> bool:
    evidence, limits = candidate.evidence, context.thresholds
    # Numbers stand in a match, whatever it was found by.
    bits = limits.pdq_candidate_bits if asker.sees_numbers else limits.pdq_same_bits + BORDER_BITS
    is_near = evidence.pdq_distance is not None and evidence.pdq_distance <= bits
    return is_near and not evidence.same_digest and not asker.may_compute_fingerprints_of(candidate.record)
