"""Candidate retrieval by hashes that lists of others hold, where an operator has turned them on.

Apart from the other kinds: such hashes find many records by chance, and must not take the places of others.
"""

from math import inf

from indexer.fingerprints.hash_lists import is_distinctive, values_needed
from indexer.fingerprints.kinds import unpack_codes
from indexer.index.port import Hit
from registry.match.candidates import FrameHit, RetrievedRecord
from registry.match.match_evidence import MatchEvidence
from registry.match.retrieval import active_rows
from registry.media.uploads import Upload
from registry.services import RequestContext

HITS_PER_HASH_LIST = 1000  # rows, the nearest; values that are shared by more say nothing


def retrieve_by_hash_lists(context: RequestContext, upload: Upload) -> list[RetrievedRecord]:
    """Records near a still upload by hashes that lists of others hold, the nearest first."""
    if upload.video is not None or upload.insufficient_detail:
        return []
    by_row: dict[int, list[tuple[str, Hit]]] = {}
    for kind, bits in context.thresholds.hash_list_bits.items():
        asked = [code.value for code in upload.fingerprints if code.kind == kind and is_distinctive(code)]
        hits = context.index.by_kind[kind].within(unpack_codes(asked), bits) if asked else []
        for hit in hits[:HITS_PER_HASH_LIST]:
            by_row.setdefault(hit.id, []).append((kind, hit))
    by_record: dict[str, tuple[RetrievedRecord, list[tuple[str, Hit]]]] = {}
    for row, time_ms, record in active_rows(context.session, by_row):
        retrieved, of_record = by_record.setdefault(record.id, (RetrievedRecord(record), []))
        retrieved.hits += [FrameHit(0, time_ms, MatchEvidence(), kind) for kind, _ in by_row[row]]
        of_record += by_row[row]
    ranked = sorted((_nearest_bits(hits), name) for name, (_, hits) in by_record.items())
    return [by_record[name][0] for bits, name in ranked[: context.max_candidates] if bits < inf]


def _nearest_bits(hits: list[tuple[str, Hit]]) -> float:
    """The smallest distance of a record by any kind; infinite where too few segments agree."""
    by_kind: dict[str, dict[int, float]] = {}
    for kind, hit in hits:
        of_kind = by_kind.setdefault(kind, {})
        of_kind[hit.query] = min(hit.distance, of_kind.get(hit.query, inf))
    enough = [(kind, values) for kind, values in by_kind.items() if len(values) >= values_needed(kind)]
    return min((sorted(values.values())[values_needed(kind) - 1] for kind, values in enough), default=inf)
