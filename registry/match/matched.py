"""A matched record: the candidate, what its evidence amounts to, and what was found to have been done."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from indexer.compare.derivation import Derivation
from indexer.compare.vocabulary import Operation
from indexer.operations import OPERATIONS, Degree, Direction, OperationType
from indexer.timeline.temporal_segments import TemporalSegment
from registry.match.candidates import Candidate
from registry.match.evidence_rules import STRENGTH_ORDER, MatchAssessment, is_verified
from registry.storage.models import Record
from registry.thresholds import Thresholds
from sdk.models import MatchRelation, Strength


@dataclass(frozen=True)
class MatchedSegment:
    """A stretch of an uploaded video that shows a registered one, and what was done in it."""

    segment: TemporalSegment
    operations: tuple[Operation, ...]
    of_a_still: bool = False


@dataclass(frozen=True)
class SharedTime:
    """How much two videos have in common, by pictures or, where only that agrees, by sound."""

    seconds: float  # of the upload
    query_share: float  # of the upload's seconds, 0..1
    reference_share: float  # of the registered video's seconds, 0..1; a still image is shown whole: 1


@dataclass(frozen=True)
class MatchedRecord:
    """One registered asset that the upload comes from; ordered by `rank_key`."""

    candidate: Candidate
    assessment: MatchAssessment
    operations: tuple[Operation, ...] = ()  # most severe first
    uncertain: tuple[str, ...] = ()  # sentences: what could not be told, and why
    derivation: Derivation | None = None  # of a still image
    segments: tuple[MatchedSegment, ...] = ()  # of a video, in the order of its seconds
    where: str | None = None  # a sentence: which seconds are which
    shared: SharedTime | None = None  # of an uploaded video, where its seconds were found
    # Where the two have no more in common than that: a phrase that goes before the record's name, as
    # "shares an opener of 2.0 seconds with" or "has the same layout as".
    in_common: str | None = None
    direction: Direction = Direction.UNKNOWN
    direction_reason: str | None = None  # a sentence
    is_direction_by_detail: bool = False  # nothing tells but that one of the two has lost detail
    # Whether nothing differs from the record but what was laid over the upload; None: it was not asked.
    is_only_laid_over: bool | None = None

    @property
    def record(self) -> Record:
        """The registered asset."""
        return self.candidate.record

    @property
    def is_described(self) -> bool:
        """Whether it is known what differs; of the first few matches only."""
        return self.derivation is not None or bool(self.segments)

    @property
    def may_be_other_moment(self) -> bool:
        """Whether what differs may be the work of time alone: then that nothing is named proves nothing."""
        return self.derivation is not None and self.derivation.may_be_other_moment

    @property
    def leaves_a_change_open(self) -> bool:
        """Whether it may show another face or another moment: then that nothing is named proves nothing."""
        return self.derivation is not None and self.derivation.leaves_a_change_open

    @property
    def changes_content(self) -> bool:
        """Whether the upload shows something else than the registered asset."""
        return changes_content(self.operations)

    @property
    def shows_another_face(self) -> bool:
        """Whether the upload shows another face, or another moment of one, at some place."""
        return any(OPERATIONS[operation.type].shows_another_face for operation in self.operations)

    @property
    def rank_key(self) -> tuple[int, bool, float]:
        """The stronger first; of two as strong, the one that differs in size and colours only."""
        strength = STRENGTH_ORDER.index(self.assessment.strength)
        return strength, self.changes_content, -self.assessment.confidence

    def as_far_as_seen(self) -> "MatchedRecord":
        """The match; moderate at most where the registry never saw what was registered.

        Fingerprints that a registrant sent can be those of any picture, or of none.
        """
        strength = self.assessment.strength
        is_too_strong = STRENGTH_ORDER.index(strength) < STRENGTH_ORDER.index(Strength.MODERATE)
        if self.record.is_media_seen or not is_too_strong:
            return self
        return replace(self, assessment=replace(self.assessment, strength=Strength.MODERATE))

    def described(
        self, operations: Iterable[Operation], uncertain: tuple[str, ...], derivation: Derivation | None
    ) -> "MatchedRecord":
        """Adds what was changed; with other content or proportions it is no longer the same picture.

        Nor is it where it may be another moment, or another face: nobody knows that nothing was done to it.
        """
        operations = tuple(operations)
        described = replace(self, operations=operations, uncertain=uncertain, derivation=derivation)
        same = self.assessment.relation is MatchRelation.SAME_PICTURE
        is_other = described.changes_content or changes_the_frame(operations)
        if not same or not (is_other or described.leaves_a_change_open):
            return described
        return replace(described, assessment=replace(self.assessment, relation=MatchRelation.DERIVATIVE))


def are_pictures_compared(match: MatchedRecord, limits: Thresholds) -> bool:
    """Whether more than fingerprints speak for it: pictures in place, or frames along segments.

    The segments of a video are proved by all of their frames, whatever its best pair looks like.
    """
    evidence = match.candidate.evidence
    return is_verified(evidence, limits) or (evidence.compared and bool(match.segments))


def changes_content(operations: Iterable[Operation]) -> bool:
    """Whether the picture shows something else than its original, not only in other colours or smaller."""
    return any(
        OPERATIONS[operation.type].shows_another_face
        or (OPERATIONS[operation.type].changes_content and operation.degree is not Degree.SLIGHT)
        for operation in operations
    )


def changes_the_frame(operations: Iterable[Operation]) -> bool:
    """Whether it was stretched, or so much cut off or hidden by what surrounds it, that people see it."""
    return any(
        operation.type in (OperationType.STRETCHED, OperationType.CROPPED)
        and operation.degree is not Degree.SLIGHT
        for operation in operations
    )
