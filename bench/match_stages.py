"""Measures the share of each stage of a whole match, for `python -m bench.speed`."""

from collections.abc import Callable

from bench.shares import Stages, shares_of
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.compare.quick_check import extract_quick_features, may_show_the_same
from indexer.fingerprints.copy_embedder import CopyEmbedder
from indexer.fingerprints.hashes import compute_hashes
from registry.match.answers import answer_about, summaries_for, wire_match
from registry.match.retrieval import join_records, search_by_descriptor, search_by_parts, search_by_pdq
from registry.match.stills import describe_still
from registry.match.verification import compare_in_place, measure_candidates
from registry.media.decoding import Decoders
from registry.services import Services
from registry.storage.db import transaction

STAGES: Stages = {
    Decoders.identify: "hand the file to the limited process, and take the pixels",
    compute_hashes: "PDQ in eight orientations, pHash",
    CopyEmbedder.embed: "descriptor, of the whole and of its parts",
    CopyEmbedder.embed_to_search: "descriptor, of the whole and of its parts",
    CopyEmbedder.embed_windows: "descriptor, of the whole and of its parts",
    extract_features: "local features",
    extract_quick_features: "quick check of candidates",
    may_show_the_same: "quick check of candidates",
    search_by_pdq: "index",
    search_by_descriptor: "index",
    search_by_parts: "index",
    join_records: "rows of the candidates",
    measure_candidates: "rows of the candidates",
    align: "alignment of candidates",
    compare_in_place: "warped and compared: a copy or a different capture?",
    describe_still: "what was changed",
    summaries_for: "words, receipts, signature",
    wire_match: "words, receipts, signature",
}


def match_shares(services: Services, content: bytes) -> dict[str, float]:
    """Returns the CPU milliseconds of each stage of matching `content`, the largest first."""
    shares = shares_of(STAGES, one_match(services, content))
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def one_match(services: Services, content: bytes) -> Callable[[], object]:
    """Returns a match of `content` in this process, in a transaction of its own, to be called."""

    def match() -> None:
        with transaction(services.engine) as session:
            context = services.in_request(session)
            answer_about(context, services.uploads.read(content), with_evidence=True)

    return match
