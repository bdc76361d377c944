"""The stages of a whole match, each with its share; part of `python -m bench.speed`."""

from bench.shares import Stage, shares_of
from indexer.fingerprints import compute
from indexer.fingerprints.embedders import TorchEmbedder
from registry.match import answers, matching, retrieval, verification
from registry.media import uploads
from registry.media.decoding import Decoders
from registry.services import Services
from registry.storage.db import transaction

STAGES: tuple[Stage, ...] = (
    (Decoders, "identify", "hand the file to the limited process, and take the pixels"),
    (compute, "compute_hashes", "PDQ in eight orientations, pHash"),
    (TorchEmbedder, "embed", "descriptor, of the whole and of its parts"),
    (uploads, "extract_features", "local features"),
    (verification, "extract_features_in", "local features"),
    (retrieval, "search_by_pdq", "index"),
    (retrieval, "search_by_descriptor", "index"),
    (retrieval, "search_by_parts", "index"),
    (retrieval, "join_records", "rows of the candidates"),
    (verification, "measure_candidates", "rows of the candidates"),
    (verification, "align", "alignment of candidates"),
    (verification, "compare_in_place", "warped and compared: a copy or a different capture?"),
    (matching, "describe_still", "what was changed"),
    (answers, "summaries_for", "words, receipts, signature"),
    (answers, "wire_match", "words, receipts, signature"),
)


def match_shares(services: Services, content: bytes) -> dict[str, float]:
    """CPU milliseconds of matching `content`, largest first."""

    def match() -> None:
        with transaction(services.engine) as session:
            context = services.in_request(session)
            answers.answer_about(context, services.uploads.read(content), with_evidence=True)

    return dict(sorted(shares_of(STAGES, match).items(), key=lambda item: -item[1]))
