"""Whether an upload shows what makes a fake false, where no picture of the original is kept."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from PIL import Image

from indexer.compare.derivation import Derivation
from indexer.compare.vocabulary import Operation
from indexer.operations import Degree, OperationType
from indexer.timeline.temporal_segments import TemporalSegment
from registry.match.alterations import alterations_shown
from registry.match.candidates import Candidate
from registry.match.evidence_rules import MatchAssessment
from registry.match.match_evidence import MatchEvidence
from registry.match.matched import MatchedRecord, MatchedSegment
from registry.services import RequestContext
from registry.storage.models import Record
from registry.thresholds import Thresholds
from sdk.models import AlterationShown, MatchRelation, RecordSummary, Strength
from sdk.models.records import DeclaredSource, SourceAgreement
from tests.portraits import astronaut, derived, swapped, through_jpeg
from tests.registry.match.rows import record

WHOLE = MatchedSegment(TemporalSegment(0.0, 8.0, 1.0, 0.0, 1.0), ())
FACE, LOGO = OperationType.FACE_SWAP, OperationType.OVERLAY


def matched(
    row: Record,
    *operations: OperationType,
    relation: MatchRelation = MatchRelation.DERIVATIVE,
    segments: tuple[MatchedSegment, ...] = (WHOLE,),
) -> MatchedRecord:
    evidence = MatchEvidence(compared=True, inliers=90, pairs=100, spread=1.0)
    return MatchedRecord(
        Candidate(row, evidence, ("pdq.v1",)),
        MatchAssessment(Strength.VERY_STRONG, relation, 0.9),
        tuple(Operation(operation, Degree.CLEAR, "a sentence") for operation in operations),
        segments=segments,
    )


def row(name: str, log_index: int, **more: Any) -> Record:
    made = record(name, publisher_id=name, duration_ms=8000)
    made.log_index = log_index
    for key, value in more.items():
        setattr(made, key, value)
    return made


def fake(*operations: OperationType, **more: Any) -> MatchedRecord:
    return matched(row("fake", 5, asset_class="known_fake"), *operations, **more)


def shown(*matches: MatchedRecord, declared_sources: tuple[DeclaredSource, ...] = ()) -> AlterationShown:
    context = cast(RequestContext, SimpleNamespace(thresholds=Thresholds()))
    summary = cast(RecordSummary, SimpleNamespace(declared_sources=declared_sources))
    (found,) = alterations_shown(context, matches, {"fake": summary}).values()
    return found


def earlier(*operations: OperationType, **more: Any) -> MatchedRecord:
    return matched(row("earlier", 1), *operations, **more)


@pytest.mark.parametrize(
    ("of_fake", "of_original", "expected"),
    [
        ((), (FACE,), AlterationShown.SHOWN),
        ((LOGO,), (FACE, LOGO), AlterationShown.UNKNOWN),
        ((FACE,), (), AlterationShown.UNKNOWN),
        ((FACE, LOGO), (LOGO,), AlterationShown.UNKNOWN),
        ((LOGO,), (FACE,), AlterationShown.UNKNOWN),
    ],
)
def test_an_earlier_claim_that_no_edge_confirms_convicts_only_what_differs_from_the_fake_in_nothing(
    of_fake: tuple[OperationType, ...],
    of_original: tuple[OperationType, ...],
    expected: AlterationShown,
) -> None:
    assert shown(fake(*of_fake), earlier(*of_original)) is expected


def test_fingerprints_that_were_registered_before_do_not_silence_a_fake() -> None:
    assert shown(fake(), earlier(segments=())) is AlterationShown.SHOWN


def test_the_very_file_that_was_registered_before_speaks_against_a_fake_that_differs() -> None:
    same_file = earlier(relation=MatchRelation.SAME_FILE, segments=())
    assert shown(fake(FACE), same_file) is AlterationShown.UNKNOWN
    assert shown(fake(), same_file) is AlterationShown.SHOWN


def test_what_may_be_another_moment_is_not_said_to_show_the_fake() -> None:
    assert shown(fake()) is AlterationShown.SHOWN
    other_moment = cast(Derivation, SimpleNamespace(may_be_other_moment=True, leaves_a_change_open=True))
    assert shown(replace(fake(), derivation=other_moment)) is AlterationShown.UNKNOWN


@pytest.mark.parametrize(
    ("upload", "expected"), [(swapped, AlterationShown.SHOWN), (astronaut, AlterationShown.NOT_SHOWN)]
)
def test_at_another_moment_the_person_tells_the_fake_from_what_it_was_made_from(
    upload: Callable[[], Image.Image], expected: AlterationShown
) -> None:
    picture = through_jpeg(upload())
    of_fake = replace(derived(picture, swapped()), has_unnamed_motion=True)
    of_original = replace(derived(picture, astronaut()), has_unnamed_motion=True)
    found = replace(fake(segments=()), derivation=of_fake)
    original = replace(earlier(segments=()), derivation=of_original)
    assert shown(found, original) is AlterationShown.UNKNOWN
    later = replace(original, candidate=replace(original.candidate, time_ms=9000))
    confirmed = DeclaredSource(
        relation="derived_from", target="earlier", origin="declared", agreement=SourceAgreement.CONFIRMED
    )
    assert shown(found, original, declared_sources=(confirmed,)) is expected
    assert shown(found, later, declared_sources=(confirmed,)) is AlterationShown.UNKNOWN


def test_a_tune_or_an_opener_in_common_shows_no_falsehood() -> None:
    assert shown(fake(relation=MatchRelation.POSSIBLY_RELATED)) is AlterationShown.UNKNOWN


def test_a_clip_of_a_fake_that_its_maker_registered_before_as_authentic_is_not_said_to_lack_anything() -> (
    None
):
    clip = (MatchedSegment(TemporalSegment(0.0, 4.0, 1.0, 0.0, 1.0), ()),)
    assert shown(fake(segments=clip), earlier(segments=clip)) is AlterationShown.UNKNOWN
    most = (MatchedSegment(TemporalSegment(0.0, 7.0, 1.0, 0.0, 1.0), ()),)
    assert shown(fake(segments=most), earlier(segments=most)) is AlterationShown.SHOWN
