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


def with_fingerprints(
    evidence: MatchEvidence, asked: Sequence[Fingerprint], stored: Sequence[Fingerprint]
) -> MatchEvidence:
    """Adds the distance by every kind that both sides have, whichever kind found the record."""
    measured: dict[str, object] = {}
    for row in stored:
        if row.kind == PDQ.name:
            measured |= _pdq(asked, row)
        elif own := upright(tuple(asked), row.kind):
            if row.kind == PHASH.name:
                measured["phash_distance"] = hamming(own.value, row.value)
            elif KINDS[row.kind].family is Family.VECTOR:
                measured |= _similarity(own, row)
    references = [row for row in stored if row.kind in HASH_LISTS]
    if references and (distances := distances_by_kind(asked, references)):
        measured["hash_list_distances"] = distances
    return replace(evidence, **measured) if measured else evidence  # type: ignore[arg-type]


def _pdq(asked: Sequence[Fingerprint], row: Fingerprint) -> dict[str, object]:
    """By the orientation of the upload that is nearest."""
    distances = [(hamming(code.value, row.value), code) for code in asked if code.kind == PDQ.name]
    if not distances:
        return {}
    distance, nearest = min(distances, key=lambda measured: measured[0])
    return {"pdq_distance": distance, "pdq_orientation": nearest.orientation}


def _similarity(own: Fingerprint, row: Fingerprint) -> dict[str, object]:
    """With the rate of false matches, where the descriptor is calibrated."""
    pair = unpack_vectors([own.value, row.value])
    similarity = float(np.dot(pair[0], pair[1]))
    calibration = calibration_of(row.kind)
    rate = {"descriptor_rate": calibration.rate_of(similarity)} if calibration else {}
    return {"descriptor_similarity": similarity, **rate}
