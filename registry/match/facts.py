"""One match, as far as the verdict needs it. Pure values; they know nothing of pixels."""

from collections.abc import Iterable
from dataclasses import dataclass

from indexer.operations import OPERATIONS, Direction, OperationType, Severity, most_severe
from sdk.models import (
    AlterationShown,
    DeclaredSource,
    MatchRelation,
    RecordSummary,
    SourceAgreement,
    Standing,
    Strength,
    in_words,
)
from sdk.records import AssetClass, Relation

# Left, top, right and bottom of what an upload shows of a record: shares of a still; of a video the first
# and third are seconds.
Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
SAME_PLACE = 0.5  # share of the smaller of two parts of an upload from which on both show one thing
AUTHENTICITY_DENIED = (AssetClass.KNOWN_FAKE, AssetClass.AI_GENERATED)


@dataclass(frozen=True)
class MatchFacts:
    """What is known of the upload and one registered record."""

    record: RecordSummary
    strength: Strength
    relation: MatchRelation
    direction: Direction = Direction.UNKNOWN
    operations: tuple[OperationType, ...] = ()  # the most severe first
    changes_content: bool = False  # whether the two show something else somewhere
    differs_where: str | None = None  # in words, of the most severe of these changes
    compared: bool = True  # as pictures, not by their fingerprints alone
    alteration: AlterationShown | None = None  # of what is registered as fake or AI-generated
    explained: float = 1.0  # share of the upload that is the same in the record, 0..1
    shown: float = 1.0  # share of the record that the upload shows, 0..1
    boxes: tuple[Box, ...] = (WHOLE,)
    is_earlier_claim: bool = False  # said to be authentic of what another registered as fake later
    is_copy_of_fake: bool = False  # said to be authentic of what another registered as fake before
    source: RecordSummary | None = None  # what the record was declared and confirmed to be made from
    in_common: str | None = None  # as in `MatchedRecord`

    @property
    def is_same_file(self) -> bool:
        """Whether the upload is the registered file, byte for byte."""
        return self.relation is MatchRelation.SAME_FILE

    @property
    def is_same_picture(self) -> bool:
        """Whether the upload shows all of the record, and nothing else."""
        return self.relation in (MatchRelation.SAME_FILE, MatchRelation.SAME_PICTURE)

    @property
    def is_authentic(self) -> bool:
        """Whether its publisher says that it is authentic."""
        return self.record.asset_class is AssetClass.AUTHENTIC

    @property
    def is_shown_fake(self) -> bool:
        """Whether the upload shows what makes this record a fake, or is AI-generated as a whole."""
        return (
            self.record.asset_class in AUTHENTICITY_DENIED
            and self.alteration is AlterationShown.SHOWN
            and self.compared_or_same_file
        )

    @property
    def is_reported(self) -> bool:
        """Whether it is registered as a known fake, and nothing but that report speaks for it."""
        return self.record.fake is not None and self.record.fake.standing is Standing.REPORTED

    @property
    def is_doubted(self) -> bool:
        """Whether a reviewer says that it is not known to be a fake."""
        review = self.record.fake.review if self.record.fake is not None else None
        return review is not None and not review.confirmed

    @property
    def is_fake_not_shown(self) -> bool:
        """Whether the record is fake or AI-generated, and the upload is not known to show that."""
        return self.record.asset_class in AUTHENTICITY_DENIED and not self.is_shown_fake

    @property
    def compared_or_same_file(self) -> bool:
        """Whether more than fingerprints speak for the match."""
        return self.compared or self.is_same_file

    @property
    def severity(self) -> Severity:
        """Of what was done between record and upload; of a fake that is shown, of its making as well.

        Where the upload may be what a fake was made from, what differs may be what was done to the fake.
        """
        if self.is_fake_not_shown:
            return self._severity_of_handling
        if self.direction is Direction.TO_REFERENCE and not self.changes_content:
            return Severity.NONE  # what was done, was done to the record
        done = most_severe(self.operations)
        if (
            self.record.asset_class is not AssetClass.KNOWN_FAKE
            or not self.is_shown_fake
            or self.is_reported
        ):
            return done
        return max(done, self._severity_of_making, key=lambda severity: severity.rank)

    @property
    def _severity_of_handling(self) -> Severity:
        """Of what was surely done to the upload: cropping, say, if the crop is the upload's."""
        if self.direction is not Direction.FROM_REFERENCE:
            return Severity.NONE
        return most_severe(one for one in self.operations if not OPERATIONS[one].changes_content)

    @property
    def _severity_of_making(self) -> Severity:
        """What the comparison found when the fake was registered; where it could not, more is not known."""
        made = [operation for source in confirmed_sources(self.record) for operation in source.operations]
        # What was called an overlay may be what makes it a fake: it is never less than misleading.
        return max(Severity.MISLEADING_CAPABLE, most_severe(made), key=lambda severity: severity.rank)

    @property
    def source_ids(self) -> frozenset[str]:
        """Ids of the records that this one was declared and confirmed to be made from."""
        return frozenset(source.target for source in confirmed_sources(self.record))

    @property
    def names_of_operations(self) -> tuple[str, ...]:
        """What was done, in words, the most severe first."""
        return tuple(in_words(operation) for operation in self.operations)

    @property
    def phrase(self) -> str | None:
        """The most severe change of what the record shows, in words."""
        return _most_severe_phrase(self.operations)

    @property
    def phrase_of_making(self) -> str | None:
        """The same of what was found to have been done when the record itself was made."""
        sources = confirmed_sources(self.record)
        return _most_severe_phrase(operation for source in sources for operation in source.operations)


def _most_severe_phrase(operations: Iterable[OperationType]) -> str | None:
    rows = sorted((OPERATIONS[operation] for operation in operations), key=lambda row: row.rank)
    return next((row.phrase for row in rows if row.phrase), None)


def confirmed_sources(record: RecordSummary) -> tuple[DeclaredSource, ...]:
    """What a record was declared to be made from, where the comparison confirmed it."""
    return tuple(
        source
        for source in record.declared_sources
        if source.relation == Relation.DERIVED_FROM and source.agreement is SourceAgreement.CONFIRMED
    )
