"""The stages of a whole match, each with its share; part of `python -m bench.speed`."""

from bench.shares import Stage, shares_of
from indexer.fingerprints import compute
from indexer.fingerprints.embedders import TorchEmbedder
from registry.match import matching
from registry.match import retrieval as nomination
from registry.match import verification as candidates
from registry.media import uploads
from registry.media.previews import PreviewCache
from registry.services import Services
from registry.storage.db import transaction

STAGES: tuple[Stage, ...] = (
    (uploads, "video_info", "hand the file to the limited process, twice, and take the pixels"),
    (uploads, "decode", "hand the file to the limited process, twice, and take the pixels"),
    (compute, "compute_hashes", "PDQ in eight orientations, pHash"),
    (TorchEmbedder, "embed", "descriptor, of the whole and of its parts"),
    (uploads, "extract_features", "local features"),
    (candidates, "extract_features_in", "local features"),
    (nomination, "_by_pdq", "index"),
    (nomination, "_by_descriptor", "index"),
    (nomination, "_choose", "rows of the candidates"),
    (candidates, "align", "alignment of candidates"),
    (candidates, "_compare_densely", "warped and compared: a copy or a different capture?"),
    (matching, "_describe", "what was changed"),
    (matching, "_facts", "words, receipts, signature"),
    (matching, "_match_of", "words, receipts, signature"),
)


def match_shares(services: Services, content: bytes) -> dict[str, float]:
    """CPU milliseconds of matching `content`, largest first."""
    cache = PreviewCache()

    def match() -> None:
        with transaction(services.engine) as session:
            matching.match_media(services, cache, session, content, with_evidence=True)

    return dict(sorted(shares_of(STAGES, match).items(), key=lambda item: -item[1]))
