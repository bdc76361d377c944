"""Evidence as tests of the rules write it: what is not named agrees."""

from dataclasses import replace
from typing import Any

from indexer.compare.dense import DenseAgreement
from indexer.compare.layout import ContentAgreement
from registry.match.evidence_rules import MatchAssessment
from registry.match.match_evidence import MatchEvidence
from registry.thresholds import Thresholds
from sdk.models import MatchRelation, Strength

LIMITS = Thresholds()
DIFFERS = DenseAgreement(agreeing=0.3, disagreeing=0.6, moved=0.0, fine=0.9)
SUSPICION = Strength.WEAK, MatchRelation.POSSIBLY_RELATED


def compared(inliers: int, spread: float = 0.4, **more: Any) -> MatchEvidence:
    """Evidence of compared pictures; without `pairs`, every feature that has a partner is in its place."""
    return MatchEvidence(
        **{"compared": True, "inliers": inliers, "pairs": inliers, "spread": spread, **more}
    )


def words(assessment: MatchAssessment | None) -> tuple[Strength, MatchRelation] | None:
    return None if assessment is None else (assessment.strength, assessment.relation)


def dense(**changed: float) -> DenseAgreement:
    return replace(DenseAgreement(agreeing=0.8, disagreeing=0.1, moved=0.0, fine=0.9), **changed)


def content(**changed: float) -> ContentAgreement:
    """Nothing differs but what is named."""
    same = {
        "differing": 0.0,
        "exchanged": 0.0,
        "vanished": 0.0,
        "appeared": 0.0,
        "lost": 0.0,
        "gained": 0.0,
    }
    return ContentAgreement(**{"agreeing": 1.0, "fields": 0, "region": None, **same, **changed})  # type: ignore[arg-type]
