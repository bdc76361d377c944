"""A match in the making: a candidate, what it is worth, and what was found between the two."""

from dataclasses import dataclass

from indexer.compare.derivation import Derivation
from indexer.compare.vocabulary import Operation
from indexer.timeline.temporal_segments import TemporalSegment
from registry.match.evidence_rules import Judgement
from registry.match.retrieval import Candidate


@dataclass(frozen=True)
class Stretch:
    """A stretch of an uploaded video on a registered one, and what was done in it."""

    line: TemporalSegment
    operations: tuple[Operation, ...]
    of_a_still: bool = False


@dataclass(frozen=True)
class Found:
    """Ordered and explained by `matching`."""

    candidate: Candidate
    judgement: Judgement
    operations: tuple[Operation, ...] = ()
    uncertain: tuple[str, ...] = ()
    changes_content: bool = False
    derivation: Derivation | None = None  # of a still image
    stretches: tuple[Stretch, ...] = ()  # of a video, in the order of its seconds
    where: str | None = None  # a sentence: which seconds are which
