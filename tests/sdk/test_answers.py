"""Answers that were signed are verified for as long as somebody keeps them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc import jws
from pydantic import ValidationError

from indexer.operations import Severity
from sdk.answers import BadAnswer, answer_core, sign_answer, verify_answer
from sdk.keys import generate_key, public_jwk
from sdk.models import (
    AlterationShown,
    Certainty,
    Computed,
    DeclaredSource,
    Degree,
    Direction,
    Effort,
    Evidence,
    FakeStanding,
    Family,
    Freshness,
    Match,
    MatchAnswer,
    MatchRelation,
    MediaAuthenticity,
    Operation,
    OperationType,
    Receipt,
    RecordSummary,
    Region,
    Review,
    Segment,
    SourceAgreement,
    Standing,
    Strength,
    Verdict,
    VerdictKind,
)
from sdk.records import AssetClass

KEY = generate_key()
JWKS: dict[str, Any] = {"keys": [public_jwk(KEY) | {"kid": KEY.thumbprint()}]}


def signed(verdict: Verdict) -> MatchAnswer:
    answer = MatchAnswer(
        answered_at=datetime(2026, 3, 1, tzinfo=UTC),
        computed=Computed(digest_sha256="0" * 64, kinds=(), quality=None, media_type=None),
        verdict=verdict,
        matches=(),
        index=Freshness(records_searched=1, position=1, lag=0, checkpoint_size=1),
    )
    return answer.model_copy(update={"signature": sign_answer(answer, KEY)})


def test_an_answer_from_before_verdicts_had_a_severity_still_verifies() -> None:
    verdict = Verdict(kind=VerdictKind.NOT_IN_REGISTRY, sentence="Not in this registry.")
    plain = json.loads(signed(verdict).model_dump_json())
    del plain["verdict"]["severity"], plain["verdict"]["record"], plain["families"]
    kept = MatchAnswer.model_validate_json(json.dumps(plain))
    assert verify_answer(kept, JWKS)["verdict"] == {
        "kind": "not_in_registry",
        "sentence": "Not in this registry.",
    }


def full_answer() -> MatchAnswer:
    """An answer in which no field is left empty."""
    record = RecordSummary(
        id="a",
        label="coffee",
        asset_class=AssetClass.KNOWN_FAKE,
        publisher="p",
        publisher_name="Daily Example",
        registered_at=datetime(2026, 2, 1, tzinfo=UTC),
        status="active",
        disputed_with=("b",),
        fake=FakeStanding(
            standing=Standing.CONFIRMED,
            corroborated_by=("b",),
            altered_from=("c",),
            review=Review(
                confirmed=True, reason="compared", reviewer="q", at=datetime(2026, 2, 3, tzinfo=UTC)
            ),
        ),
        declared_sources=(
            DeclaredSource(
                relation="derived_from",
                target="b",
                origin="declared",
                agreement=SourceAgreement.CONFIRMED,
                operations=(OperationType.CROPPED,),
            ),
        ),
        intimate=True,
        log_index=7,
        duration_s=1.5,
        preview="/v1/records/a/preview",
    )
    region = Region(corners=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
    operation = Operation(
        type=OperationType.CROPPED,
        degree=Degree.CLEAR,
        certainty=Certainty.LIKELY,
        share=0.25,
        sentence="It was cropped.",
        c2pa_action="c2pa.cropped",
        digital_source_type="http://example.org/type",
        media_authenticity=next(iter(MediaAuthenticity)),
        region=region,
        reference_region=region,
        factor=2.0,
        measured={"share": 0.25, "words": ["x"]},
    )
    match = Match(
        record=record,
        made_from=(record,),
        relation=MatchRelation.DERIVATIVE,
        direction=Direction.UNKNOWN,
        direction_reason="The frame shows it.",
        strength=Strength.STRONG,
        severity=Severity.PERSON_ALTERED,
        alteration=AlterationShown.SHOWN,
        summary="made from it",
        operations=(operation,),
        segments=(
            Segment(query=(0.0, 1.0), reference=(2.0, 3.0), factor=1.0, operations=(), similarity=(0.5,)),
        ),
        uncertain=("who",),
        verified=True,
        explanation="Because.",
        receipt=Receipt(
            record="a.b.c", salt="s", entry="e", proof="p", publisher_key={"kty": "EC"}, log_key="k"
        ),
        evidence=Evidence(found_by=("pdq",), pdq_distance=4, confidence=0.9, hash_list_distances={"x": 1}),
    )
    return MatchAnswer(
        answered_at=datetime(2026, 3, 1, tzinfo=UTC),
        computed=Computed(
            digest_sha256="0" * 64,
            kinds=("pdq.v1",),
            quality=90,
            media_type="image/jpeg",
            width=4,
            height=3,
            duration_s=1.0,
            effort=Effort.STANDARD,
            note="one of two pages",
        ),
        verdict=Verdict(
            kind=VerdictKind.KNOWN_FAKE, sentence="a fake", severity=Severity.PERSON_ALTERED, record="a"
        ),
        matches=(match,),
        families=(Family(records=("a",), registered_first="a"),),
        index=Freshness(records_searched=1, position=1, lag=0, checkpoint_size=1),
    )


def changes(value: Any) -> Iterator[Any]:
    """The value with one thing in it changed, for every thing in it."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield {other: value[other] for other in value if other != name}
            for changed in changes(one):
                yield {**value, name: changed}
    elif isinstance(value, list):
        yield [*value, *value]
        for place, one in enumerate(value):
            yield value[:place] + value[place + 1 :]
            for changed in changes(one):
                yield [*value[:place], changed, *value[place + 1 :]]
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield value + 1
    elif isinstance(value, str):
        yield from (value + "x", value[:-1], value[::-1], "2026-03-01T00:00:01Z")
        yield from (
            member.value for member in (*Severity, *Direction, *Strength, *VerdictKind, *AssetClass)
        )
        yield from (member.value for member in (*OperationType, *Degree, *MatchRelation, *AlterationShown))
        yield from (member.value for member in (*MediaAuthenticity, *SourceAgreement))
    yield None


def test_no_field_of_an_answer_can_be_changed() -> None:
    answer = full_answer()
    answer = answer.model_copy(update={"signature": sign_answer(answer, KEY)})
    whole = json.loads(answer.model_dump_json(by_alias=True))
    assert verify_answer(MatchAnswer.model_validate(whole), JWKS) == answer_core(answer)
    tried: set[str] = set()
    for changed in changes(whole):
        try:
            forged = MatchAnswer.model_validate(changed)
        except (ValidationError, TypeError):
            continue  # no answer at all
        if forged == answer:
            continue
        with pytest.raises(BadAnswer):
            verify_answer(forged, JWKS)
        tried |= {name for name, value in forged if value != getattr(answer, name)}
    assert tried == set(MatchAnswer.model_fields)


def test_every_model_of_an_answer_is_in_the_one_that_is_changed() -> None:
    whole = json.dumps(full_answer().model_dump(mode="json", exclude={"signature"}))
    for model in (
        RecordSummary,
        FakeStanding,
        Review,
        DeclaredSource,
        Operation,
        Match,
        Segment,
        Receipt,
        Computed,
        Verdict,
        Family,
    ):
        for name in model.model_fields:
            assert f'"{name}": null' not in whole, name
            assert f'"{name}"' in whole, name


def test_an_answer_from_before_its_digest_was_signed_verifies_as_far_as_it_was_signed() -> None:
    answer = full_answer()
    core = answer_core(answer)
    del core["answerSHA256"]
    header = {"alg": "ES256", "typ": "trueprint-answer+jws", "kid": KEY.thumbprint()}
    old = jws.serialize_compact(header, json.dumps(core), KEY, algorithms=["ES256"])
    assert verify_answer(answer.model_copy(update={"signature": old}), JWKS) == core


@pytest.mark.parametrize("payload", [b"[" * 20_000, b'{"query": 1, "query": 2}', b"[]", b"\xff"])
def test_a_signature_over_something_odd_is_no_crash(payload: bytes) -> None:
    header = {"alg": "ES256", "typ": "trueprint-answer+jws", "kid": KEY.thumbprint()}
    odd = jws.serialize_compact(header, payload, KEY, algorithms=["ES256"])
    for signature in (odd, "a.b.c", "", odd + "="):
        with pytest.raises(BadAnswer):
            verify_answer(full_answer().model_copy(update={"signature": signature}), JWKS)
    answer = full_answer()
    answer = answer.model_copy(update={"signature": sign_answer(answer, KEY)})
    for jwks in ({}, {"keys": 5}, {"keys": [5]}, {"keys": [{"kid": KEY.thumbprint()}]}):
        with pytest.raises(BadAnswer):
            verify_answer(answer, jwks)


def test_severity_and_record_of_a_verdict_are_signed() -> None:
    verdict = Verdict(
        kind=VerdictKind.KNOWN_FAKE, sentence="a fake", severity=Severity.PERSON_ALTERED, record="a"
    )
    answer = signed(verdict)
    assert verify_answer(answer, JWKS) == answer_core(answer)
    for change in ({"severity": Severity.NONE}, {"record": None}):
        with pytest.raises(BadAnswer, match="does not say"):
            verify_answer(answer.model_copy(update={"verdict": verdict.model_copy(update=change)}), JWKS)


def test_an_operation_of_an_older_registry_says_nothing_of_certainty_and_is_sent_on_as_it_came() -> None:
    known = full_answer().matches[0].operations[0]
    older = known.model_dump(mode="json", exclude={"certainty", "share"})
    read = Operation.model_validate(older)
    assert (read.certainty, read.share) == (None, None)
    assert (known.how_much_in_words(), read.how_much_in_words()) == ("clear, likely", "clear")
