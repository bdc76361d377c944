"""Answers that were signed are verified for as long as somebody keeps them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from indexer.operations import Severity
from sdk.answers import BadAnswer, answer_core, sign_answer, verify_answer
from sdk.keys import generate_key, public_jwk
from sdk.models import Computed, Freshness, MatchAnswer, Verdict, VerdictKind

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


def test_severity_and_record_of_a_verdict_are_signed() -> None:
    verdict = Verdict(
        kind=VerdictKind.KNOWN_FAKE, sentence="a fake", severity=Severity.PERSON_ALTERED, record="a"
    )
    answer = signed(verdict)
    assert verify_answer(answer, JWKS) == answer_core(answer)
    for change in ({"severity": Severity.NONE}, {"record": None}):
        with pytest.raises(BadAnswer, match="does not say"):
            verify_answer(answer.model_copy(update={"verdict": verdict.model_copy(update=change)}), JWKS)
