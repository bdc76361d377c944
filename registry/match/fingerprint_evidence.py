"""What the fingerprints of an upload and of one registered frame say of each other. Pure functions."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from indexer.fingerprints.calibration import calibration_of
from indexer.fingerprints.compute import upright
from indexer.fingerprints.hash_lists import NAMES as HASH_LISTS
from indexer.fingerprints.hash_lists import distances_by_kind
from indexer.fingerprints.kinds import KINDS, PDQ, PHASH, Family, Fingerprint, hamming, unpack_vectors
from registry.match.match_evidence import MatchEvidence
from registry.storage.models import Fingerprint as FingerprintRow


def with_fingerprints(
    evidence: MatchEvidence, asked: Sequence[Fingerprint], stored: Sequence[FingerprintRow]
) -> MatchEvidence:
    """Adds the distance by every kind that both sides have, whichever kind found the record."""
    for row in stored:
        if row.kind == PDQ.name:
            evidence = _with_pdq(evidence, asked, row)
        elif own := upright(tuple(asked), row.kind):
            if row.kind == PHASH.name:
                evidence = replace(evidence, phash_distance=hamming(own.value, row.value))
            elif KINDS[row.kind].family is Family.VECTOR:
                evidence = _with_similarity(evidence, own, row)
    references = [Fingerprint(row.kind, row.value) for row in stored if row.kind in HASH_LISTS]
    distances = distances_by_kind(asked, references) if references else {}
    return replace(evidence, hash_list_distances=distances) if distances else evidence


def _with_pdq(evidence: MatchEvidence, asked: Sequence[Fingerprint], row: FingerprintRow) -> MatchEvidence:
    """By the orientation of the upload that is nearest."""
    codes = [code for code in asked if code.kind == PDQ.name]
    if not codes:
        return evidence
    nearest = min(codes, key=lambda code: hamming(code.value, row.value))
    return replace(
        evidence,
        pdq_distance=hamming(nearest.value, row.value),
        pdq_orientation=nearest.orientation,
    )


def _with_similarity(evidence: MatchEvidence, own: Fingerprint, row: FingerprintRow) -> MatchEvidence:
    pair = unpack_vectors([own.value, row.value])
    similarity = float(np.dot(pair[0], pair[1]))
    calibration = calibration_of(row.kind)
    rate = calibration.rate_of(similarity) if calibration else evidence.descriptor_rate
    return replace(evidence, descriptor_similarity=similarity, descriptor_rate=rate)
