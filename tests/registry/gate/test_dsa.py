"""Decisions as the DSA Transparency Database takes them: valid, and without personal data."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from indexer.operations import Degree, OperationType
from registry.gate.deciding import VIDEO_IS_WORKED_ON
from registry.gate.dsa import LANGUAGES, MOST_FACTS, dsa_statement, shortened
from registry.gate.pack_schema import OTHERWISE, DsaTerms, Ground
from registry.gate.packs import Pack, compile_pack, shipped_packs
from sdk.models import (
    AccountAction,
    AppliedRule,
    ChangeShown,
    Decision,
    DecisionLabel,
    DecisionLinks,
    DecisionState,
    EvidenceSummary,
    ExceptionKind,
    Failure,
    Outcome,
    PersonsReview,
    Question,
    QuestionAnswer,
    Strength,
    VerdictKind,
    YesNo,
)
from sdk.models.gate import MACHINES, GivenAnswer, GivenException
from tests.registry.gate.dsa_database import flaws_of

AT = datetime(2026, 12, 1, 23, 30, tzinfo=UTC)
POSTED = date(2026, 12, 1)
RECORD = "urn:uuid:0e9a1c5e-54f0-4bb4-8f4c-2f3c6a3a9d10"
PLANTED = "Zebedaeus-Quill"


def decision(outcome: Outcome, pack: Pack | None, rule: str | None, **more: Any) -> Decision:
    """One with a recognisable name in every field that could hold one."""
    found = pack.rule_named(rule) if pack is not None and rule is not None else None
    applied = None
    if pack is not None and rule is not None and found is not None:
        applied = AppliedRule(
            pack=pack.document.pack,
            version=pack.document.version,
            sha256=pack.sha256,
            rule=rule,
            why=found.why,
            page=f"/policies/{PLANTED}",
        )
    fields = dict[str, Any](
        id="01JDZ3K5V8XQ4M2N7P9R6T1WYA",
        platform=f"platform {PLANTED}",
        state=DecisionState.DECIDED if applied else DecisionState.FAILED,
        at=AT,
        outcome=outcome,
        account_action=getattr(found, "account", None),
        label=DecisionLabel(key="manipulated_media", text=PLANTED, language="en"),
        rule=applied,
        answers=tuple(
            QuestionAnswer(question=one, answer=YesNo.YES, by=PLANTED, evidence=f"said by {PLANTED}")
            for one in Question
        ),
        evidence=evidence() if applied else None,
        facts={
            "upload.media": "image",
            "upload.language": "de-AT",
            "upload.signals": [PLANTED.lower()],
            "record.publisher": PLANTED,
            "match.another_face": True,
            "match.direction": "from_reference",
            "record.class": "authentic",
        },
        content_ref=f"post of {PLANTED}",
        uploader=PLANTED,
        exceptions=(GivenException(kind=ExceptionKind.NEWS, by=PLANTED, reason=PLANTED),),
        failure=None if applied else Failure(code="deadline", detail=PLANTED),
        links=DecisionLinks(decision=PLANTED, explain=PLANTED, dispute=f"https://{PLANTED}.example"),
        number=7,
        previous="0" * 64,
        api_key=PLANTED,
        signature=PLANTED,
    )
    return Decision(**(fields | more))


def evidence(**more: Any) -> EvidenceSummary:
    fields = dict[str, Any](
        verdict=VerdictKind.DERIVATIVE_OF_ORIGINAL,
        sentence=f"made from 'Portrait of {PLANTED}'",
        record=RECORD,
        label=f"Portrait of {PLANTED}",
        publisher=PLANTED,
        strength=Strength.VERY_STRONG,
        relation="derivative",
        verified=True,
        intimate=True,
        changes=(
            ChangeShown(type="face_swap", degree="strong", where="in the upper left", seconds=(3.0, 4.25)),
            ChangeShown(type=PLANTED, degree=PLANTED),
        ),
        uncertain=(f"whether {PLANTED} is in it",),
    )
    return EvidenceSummary(**(fields | more))


def review(**more: Any) -> PersonsReview:
    return PersonsReview(**(dict[str, Any](by=PLANTED, reason=PLANTED, confirmed=True) | more))


def rules_of_all_packs() -> Iterator[tuple[Pack | None, str | None]]:
    for pack in shipped_packs().values():
        yield from ((pack, rule) for rule in (*(one.rule.id for one in pack.rules), OTHERWISE, None))
    yield None, None


ALL_RULES = list(rules_of_all_packs())
NAMES = [f"{pack.document.pack if pack else 'no pack'}, {rule or 'no rule'}" for pack, rule in ALL_RULES]


def valid(made: Decision, pack: Pack | None, posted: date = POSTED) -> dict[str, Any]:
    """The statement, once it holds that the database takes it and that it names nobody."""
    statement = dsa_statement(made, pack, posted)
    assert statement is not None
    assert flaws_of(statement) == []
    assert PLANTED.lower() not in json.dumps(statement, ensure_ascii=False).lower()
    assert json.loads(json.dumps(statement)) == statement
    return statement


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.ALLOW])
@pytest.mark.parametrize(("pack", "rule"), ALL_RULES, ids=NAMES)
def test_every_outcome_of_every_rule_is_a_valid_statement_that_names_nobody(
    pack: Pack | None, rule: str | None, outcome: Outcome
) -> None:
    for account in (None, *AccountAction):
        statement = valid(decision(outcome, pack, rule, account_action=account), pack)
        assert ("decision_account" in statement) == (
            account in (AccountAction.SUSPEND, AccountAction.TERMINATE)
        )
    by_a_person = decision(outcome, pack, rule, state=DecisionState.REVIEWED, review=review())
    assert valid(by_a_person, pack)["automated_decision"] == "AUTOMATED_DECISION_PARTIALLY"
    for state in (DecisionState.LATE, DecisionState.FAILED):
        valid(decision(outcome, pack, rule, state=state, label=None, job="0", exceptions=()), pack)


@pytest.mark.parametrize(("pack", "rule"), ALL_RULES, ids=NAMES)
def test_what_restricts_nobody_has_no_statement(pack: Pack | None, rule: str | None) -> None:
    for account in (None, AccountAction.WARN):
        assert (
            dsa_statement(decision(Outcome.ALLOW, pack, rule, account_action=account), pack, POSTED) is None
        )
    for outcome in Outcome:
        assert dsa_statement(decision(outcome, pack, rule, dry_run=True), pack, POSTED) is None
        for account in (None, *AccountAction):
            waiting = decision(
                outcome, pack, rule, state=DecisionState.WAITING, account_action=account, job="0"
            )
            assert dsa_statement(waiting, pack, POSTED) is None, "what comes of it is stated"


def test_a_suspended_account_is_a_restriction_though_the_upload_is_published() -> None:
    statement = valid(decision(Outcome.ALLOW, None, None, account_action=AccountAction.SUSPEND), None)
    assert statement["decision_account"] == "DECISION_ACCOUNT_SUSPENDED"
    assert "decision_visibility" not in statement


PACK = compile_pack("""
pack: of-tests
version: 1.0.0
title: A policy for tests
summary: What is altered is labelled, and refused where it does harm.
labels:
  manipulated_media: {en: Manipulated media}
dsa:
  ground: incompatible
  legal_ground: Terms on synthetic and manipulated media
  keywords: [KEYWORD_MISINFORMATION_DISINFORMATION]
rules:
  - id: altered-harmful
    when: answers.altered == 'yes' && answers.harm == 'yes'
    then: refuse
    why: It is altered and likely to cause serious harm.
  - id: composite
    when: "'composite' in match.operations"
    then: demote
    why: A large part of it shows something else.
  - id: altered
    when: answers.altered == 'yes'
    then: label
    label: manipulated_media
    why: It is altered.
""")


@pytest.mark.parametrize(
    ("outcome", "visibility"),
    [
        (Outcome.LABEL, ["CONTENT_LABELLED"]),
        (Outcome.DEMOTE, ["CONTENT_DEMOTED", "CONTENT_LABELLED"]),
        (Outcome.AGE_GATE, ["CONTENT_AGE_RESTRICTED", "CONTENT_LABELLED"]),
        (Outcome.HOLD, ["OTHER"]),
        (Outcome.REFUSE, ["CONTENT_DISABLED"]),
    ],
)
def test_an_outcome_is_said_in_the_words_of_the_database(outcome: Outcome, visibility: list[str]) -> None:
    statement = valid(decision(outcome, PACK, "altered"), PACK)
    assert statement["decision_visibility"] == [f"DECISION_VISIBILITY_{one}" for one in visibility]
    assert ("decision_visibility_other" in statement) == (outcome is Outcome.HOLD)
    unlabelled = valid(decision(outcome, PACK, "altered", label=None), PACK)
    assert unlabelled["decision_visibility"] == [f"DECISION_VISIBILITY_{visibility[0]}"]


def test_a_statement_says_what_was_found_and_which_rule_decided() -> None:
    made = decision(Outcome.REFUSE, PACK, "altered-harmful")
    assert made.evidence is not None
    plain = made.evidence.model_copy(update={"intimate": False})
    statement = valid(made.model_copy(update={"evidence": plain}), PACK)
    assert statement["decision_facts"] == (
        "The upload was decided on by rule altered-harmful of the policy of-tests "
        f"1.0.0 (SHA-256 {PACK.sha256}). It was compared with registered media. "
        "The answer: derivative of original. It has content in common with the registered record "
        f"{RECORD}, and the match is very strong. Pictures were compared. Changed against it: "
        "face swap (strong), in the upper left, from 3.0 s to 4.2 s; a change."
    )
    assert (
        statement["incompatible_content_explanation"] == "It is altered and likely to cause serious harm."
    )
    assert statement["incompatible_content_ground"] == PACK.document.dsa.legal_ground
    assert statement["content_type"] == ["CONTENT_TYPE_IMAGE", "CONTENT_TYPE_SYNTHETIC_MEDIA"]
    assert statement["content_language"] == "DE"
    assert statement["application_date"] == "2026-12-01"
    assert statement["puid"] == "01JDZ3K5V8XQ4M2N7P9R6T1WYA"


def test_what_a_machine_decided_alone_is_fully_automated_and_nothing_else() -> None:
    alone = {
        "exceptions": (),
        "answers": (
            QuestionAnswer(question=Question.ALTERED, answer=YesNo.YES, by="comparison", evidence=""),
            QuestionAnswer(question=Question.HARM, answer=YesNo.UNKNOWN, by="nobody", evidence=""),
        ),
    }
    for more, automated in (
        ({}, "FULLY"),
        ({"state": DecisionState.REVIEWED}, "PARTIALLY"),
        ({"exceptions": decision(Outcome.HOLD, None, None).exceptions}, "PARTIALLY"),
        ({"answers": decision(Outcome.HOLD, None, None).answers}, "PARTIALLY"),
    ):
        statement = valid(decision(Outcome.LABEL, PACK, "altered", **(alone | more)), PACK)
        assert statement["automated_decision"] == f"AUTOMATED_DECISION_{automated}"


@pytest.mark.parametrize("name", [*MACHINES, " Comparison ", "NOBODY"])
def test_no_person_goes_by_the_name_of_a_machine(name: str) -> None:
    for made in (
        lambda: GivenAnswer(answer=YesNo.YES, by=name),
        lambda: GivenException(kind=ExceptionKind.NEWS, by=name),
        lambda: review(by=name),
    ):
        with pytest.raises(ValidationError, match="are no names of people"):
            made()


def test_a_person_who_decides_otherwise_is_not_given_the_rules_reason() -> None:
    reviewed = decision(Outcome.REFUSE, PACK, OTHERWISE, state=DecisionState.REVIEWED, review=review())
    explanation = valid(reviewed, PACK)["incompatible_content_explanation"]
    assert explanation.startswith(
        "A person at the platform looked at it and decided otherwise than the rule"
    )
    held = compile_pack(
        "pack: h\nversion: 1.0.0\ntitle: A test\nsummary: For a test.\n"
        "rules: [{id: unsure, when: match.sure, then: hold, why: A person looks at it.}]\n"
    )
    decided = decision(Outcome.REFUSE, held, "unsure", state=DecisionState.REVIEWED, review=review())
    explanation = valid(decided, held)["incompatible_content_explanation"]
    assert explanation.startswith("A person at the platform looked at it, as the rule asks, and decided so")
    confirmed = decision(
        Outcome.REFUSE, PACK, "altered-harmful", state=DecisionState.REVIEWED, review=review()
    )
    assert valid(confirmed, PACK)["incompatible_content_explanation"].startswith("It is altered and")


def test_an_upload_that_was_not_checked_is_not_said_to_break_a_law() -> None:
    illegal = compile_pack(
        PACK.text.replace("ground: incompatible", "ground: illegal", 1).replace(
            "legal_ground: Terms on synthetic and manipulated media", "legal_ground: Section 201b", 1
        )
    )
    assert illegal.document.dsa.ground is Ground.ILLEGAL
    statement = valid(decision(Outcome.REFUSE, illegal, "altered"), illegal)
    assert statement["decision_ground"] == "DECISION_GROUND_ILLEGAL_CONTENT"
    assert statement["illegal_content_legal_ground"] == "Section 201b"
    for pack in (illegal, None):
        unchecked = valid(decision(Outcome.HOLD, pack, None, state=DecisionState.FAILED), pack)
        assert unchecked["decision_ground"] == "DECISION_GROUND_INCOMPATIBLE_CONTENT"
        assert unchecked["incompatible_content_ground"].startswith("The platform's rule for uploads")
        assert unchecked["decision_facts"].startswith("It could not be checked")
        assert "category_specification" not in unchecked


MADE_FROM = {"match.direction": "from_reference"}


@pytest.mark.parametrize(
    ("facts", "types"),
    [
        ({}, ["OTHER"]),
        ({"upload.media": "image"}, ["IMAGE"]),
        (
            {"upload.media": "video", "match.another_face": True, **MADE_FROM, "record.class": "authentic"},
            ["VIDEO", "SYNTHETIC_MEDIA"],
        ),
        ({"match.another_face": True, **MADE_FROM, "record.class": "derivative"}, ["OTHER"]),
        ({"match.another_face": True, **MADE_FROM, "record.class": "known_fake"}, ["OTHER"]),
        (
            {"match.another_face": True, **MADE_FROM, "record.class": "authentic", "record.disputed": True},
            ["OTHER"],
        ),
        (
            {"record.class": "known_fake", "match.alteration": "shown", "record.disputed": True},
            ["OTHER"],
        ),
        ({"match.another_face": True, "match.direction": "to_reference"}, ["OTHER"]),
        ({"match.another_face": True, "match.direction": "unknown"}, ["OTHER"]),
        (
            {"match.another_face": True, "record.class": "known_fake", "match.alteration": "shown"},
            ["OTHER", "SYNTHETIC_MEDIA"],
        ),
        ({"record.class": "ai_generated", "verdict.kind": "ai_generated"}, ["OTHER", "SYNTHETIC_MEDIA"]),
        ({"record.class": "known_fake", "match.alteration": "shown"}, ["OTHER", "SYNTHETIC_MEDIA"]),
        ({"record.class": "known_fake", "match.alteration": "not_shown"}, ["OTHER"]),
        ({"record.class": "authentic", "verdict.kind": "registered_original"}, ["OTHER"]),
    ],
)
def test_the_kind_of_content_is_what_the_facts_say(facts: dict[str, Any], types: list[str]) -> None:
    made = decision(Outcome.LABEL, PACK, "altered", facts=facts, evidence=evidence(changes=()))
    assert valid(made, PACK)["content_type"] == [f"CONTENT_TYPE_{one}" for one in types]
    swapped = evidence(changes=(ChangeShown(type="face_reenacted", degree="clear"),))
    facts = {"match.direction": "from_reference", "record.class": "authentic"}
    made = decision(Outcome.LABEL, PACK, "altered", facts=facts, evidence=swapped)
    assert "CONTENT_TYPE_SYNTHETIC_MEDIA" in valid(made, PACK)["content_type"]


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.ALLOW])
def test_what_may_be_the_original_is_not_called_synthetic_in_public(outcome: Outcome) -> None:
    """Whatever becomes of it, and for whatever reason: which of the two was changed nobody knows."""

    def stated(direction: str) -> dict[str, Any]:
        facts = {"match.another_face": True, "match.direction": direction, "record.class": "authentic"}
        return valid(decision(outcome, PACK, "altered", facts=facts), PACK)

    assert "CONTENT_TYPE_SYNTHETIC_MEDIA" not in stated("unknown")["content_type"]
    assert "CONTENT_TYPE_SYNTHETIC_MEDIA" in stated("from_reference")["content_type"]
    assert "derivative" not in stated("unknown")["decision_facts"]


def test_a_video_is_a_video_though_it_could_not_be_checked() -> None:
    failed = valid(decision(Outcome.HOLD, None, None, state=DecisionState.FAILED, facts={}, job="17"), None)
    assert failed["content_type"] == ["CONTENT_TYPE_VIDEO"]


def test_what_is_held_waits_for_a_person() -> None:
    held = valid(decision(Outcome.HOLD, PACK, "altered"), PACK)
    assert held["decision_visibility_other"] == "Publication is delayed until a person has looked at it"


def test_an_intimate_record_is_not_named_nor_where_in_it_something_was_changed() -> None:
    made = decision(Outcome.REFUSE, PACK, "altered-harmful")
    assert made.evidence is not None
    assert made.evidence.record is not None
    secret = made.model_copy(update={"evidence": made.evidence.model_copy(update={"intimate": True})})
    told = str(valid(secret, PACK)["decision_facts"])
    assert "registered intimate media" in told
    assert made.evidence.record not in told
    assert "upper left" not in told


@pytest.mark.parametrize("found", [None, VIDEO_IS_WORKED_ON], ids=["failed", "worked on"])
def test_what_was_not_compared_is_not_said_to_have_been(found: EvidenceSummary | None) -> None:
    reviewed = decision(
        Outcome.REFUSE, PACK, None, state=DecisionState.REVIEWED, review=review(), evidence=found, job="17"
    )
    statement = valid(reviewed, PACK)
    assert statement["decision_facts"] == (
        "A person looked at it. It was not compared with registered media."
    )


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (DecisionState.DECIDED, "01JDZ3K5V8XQ4M2N7P9R6T1WYA"),
        (DecisionState.FAILED, "01JDZ3K5V8XQ4M2N7P9R6T1WYA"),
        (DecisionState.LATE, "01JDZ3K5V8XQ4M2N7P9R6T1WYA-000000000000"),
        (DecisionState.REVIEWED, "01JDZ3K5V8XQ4M2N7P9R6T1WYA-000000000000"),
    ],
)
def test_what_changes_a_decision_later_has_a_name_of_its_own(state: DecisionState, name: str) -> None:
    made = decision(Outcome.REFUSE, PACK, "altered", state=state)
    assert valid(made, PACK)["puid"] == name
    again = valid(made.model_copy(update={"previous": "8" * 64}), PACK)["puid"]
    assert (again == name) == (state in (DecisionState.DECIDED, DecisionState.FAILED))


@pytest.mark.parametrize(
    ("said", "language"),
    [("", None), ("en", "EN"), ("pt-BR", "PT"), ("xx", None), ("gsw", None), ("zh-Hant", "ZH")],
)
def test_a_language_is_named_where_the_database_knows_it(said: str, language: str | None) -> None:
    made = decision(Outcome.LABEL, PACK, "altered", facts={"upload.language": said})
    assert valid(made, PACK).get("content_language") == language
    assert len(LANGUAGES) == 184


@pytest.mark.parametrize(
    ("posted", "said"),
    [
        (date(1998, 5, 1), "2000-01-01"),
        (date(2024, 2, 29), "2024-02-29"),
        (date(9999, 12, 31), "2038-01-01"),
    ],
)
def test_a_day_that_the_database_refuses_is_the_nearest_that_it_takes(posted: date, said: str) -> None:
    assert valid(decision(Outcome.LABEL, PACK, "altered"), PACK, posted)["content_date"] == said


def test_terms_of_a_rule_go_before_those_of_its_pack() -> None:
    terms = DsaTerms.model_validate(
        {
            "legal_ground": "Rule 7",
            "category": "STATEMENT_CATEGORY_CYBER_VIOLENCE",
            "category_addition": [
                "STATEMENT_CATEGORY_CYBER_VIOLENCE",
                "STATEMENT_CATEGORY_PROTECTION_OF_MINORS",
                "STATEMENT_CATEGORY_PROTECTION_OF_MINORS",
            ],
            "keywords": ["KEYWORD_NON_CONSENSUAL_MATERIAL_DEEPFAKE"],
        }
    )
    own = compile_pack(
        PACK.text.replace("  - id: altered\n", f"  - id: altered\n    dsa: {terms.model_dump_json()}\n", 1)
    )
    statement = valid(decision(Outcome.LABEL, own, "altered"), own)
    assert statement["incompatible_content_ground"] == "Rule 7"
    assert statement["category"] == "STATEMENT_CATEGORY_CYBER_VIOLENCE"
    assert statement["category_addition"] == ["STATEMENT_CATEGORY_PROTECTION_OF_MINORS"]
    assert statement["category_specification"] == ["KEYWORD_NON_CONSENSUAL_MATERIAL_DEEPFAKE"]
    other = valid(decision(Outcome.DEMOTE, own, "composite"), own)
    assert other["incompatible_content_ground"] == "Terms on synthetic and manipulated media"


TEXT = st.text(max_size=40) | st.builds(
    lambda piece, times: piece * times, st.text(max_size=9), st.integers(0, 900)
)
CHANGES = st.builds(
    ChangeShown,
    type=st.sampled_from([one.value for one in OperationType]) | TEXT,
    degree=st.sampled_from([one.value for one in Degree]) | TEXT,
    where=st.none() | TEXT,
    seconds=st.none() | st.tuples(st.floats(allow_nan=True), st.floats(allow_nan=True)),
)
EVIDENCE = st.builds(
    EvidenceSummary,
    verdict=st.sampled_from([one.value for one in VerdictKind]) | TEXT,
    sentence=TEXT,
    record=st.none() | st.just(RECORD) | TEXT,
    label=st.none() | TEXT,
    publisher=st.none() | TEXT,
    strength=st.none() | st.sampled_from([one.value for one in Strength]) | TEXT,
    relation=st.none() | TEXT,
    verified=st.booleans(),
    changes=st.lists(CHANGES, max_size=6).map(tuple)
    | st.lists(CHANGES, max_size=1).map(lambda one: tuple(one * 300)),
    uncertain=st.lists(TEXT, max_size=2).map(tuple),
)


@given(
    found=EVIDENCE,
    ruled=st.sampled_from(ALL_RULES),
    outcome=st.sampled_from([one for one in Outcome if one is not Outcome.ALLOW]),
    state=st.sampled_from(list(DecisionState)),
    language=TEXT,
    reason=st.none() | st.text(min_size=1, max_size=20),
)
def test_no_evidence_whatever_its_words_and_length_makes_an_invalid_statement(
    found: EvidenceSummary,
    ruled: tuple[Pack | None, str | None],
    outcome: Outcome,
    state: DecisionState,
    language: str,
    reason: str | None,
) -> None:
    pack, rule = ruled
    made = decision(outcome, pack, rule, state=state, evidence=found, facts={"upload.language": language})
    if state is DecisionState.WAITING:
        assert dsa_statement(made, pack, POSTED) is None
        return
    statement = valid(made, pack)
    facts = statement["decision_facts"]
    assert len(facts) <= MOST_FACTS
    if made.rule is not None:
        assert made.rule.sha256 in facts, "what is pinned is never cut off"


@given(words=TEXT, most=st.integers(2, 120))
def test_what_is_too_long_ends_between_words(words: str, most: int) -> None:
    short = shortened(words, most)
    assert len(short) <= most
    if len(words) <= most:
        assert short == words
    else:
        assert short.endswith("…")
        assert words.startswith(short[:-1])
    assert shortened("one two three four", 15) == "one two three…"
    assert shortened("a" * 30, 10) == "a" * 9 + "…"


REQUIRED = [
    "decision_ground",
    "decision_facts",
    "content_type",
    "category",
    "content_date",
    "application_date",
    "source_type",
    "automated_detection",
    "automated_decision",
    "puid",
    "decision_visibility",
    "incompatible_content_ground",
    "incompatible_content_explanation",
]


@pytest.mark.parametrize("field", REQUIRED)
def test_the_checker_misses_what_is_not_there(field: str) -> None:
    statement = valid(decision(Outcome.REFUSE, PACK, "altered"), PACK)
    del statement[field]
    assert any(flaw.startswith(f"{field}: is required") for flaw in flaws_of(statement))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("decision_visibility", "DECISION_VISIBILITY_CONTENT_DISABLED"),
        ("decision_visibility", []),
        ("decision_visibility_other", "what is none of the others"),
        ("decision_account", "DECISION_ACCOUNT_WARNED"),
        ("account_type", "ACCOUNT_TYPE_PRIVATE"),
        ("decision_ground", "illegal"),
        ("illegal_content_explanation", "it breaks a law"),
        ("incompatible_content_illegal", "no"),
        ("decision_facts", "a" * 5001),
        ("decision_facts", "  "),
        ("incompatible_content_explanation", "a" * 2001),
        ("incompatible_content_ground", "a" * 501),
        ("decision_ground_reference_url", "see our terms"),
        ("content_type", ["CONTENT_TYPE_PICTURE"]),
        ("content_type_other", "a hologram"),
        ("category", "STATEMENT_CATEGORY_DEEPFAKES"),
        ("category_addition", "STATEMENT_CATEGORY_CYBER_VIOLENCE"),
        ("category_specification", ["KEYWORD_DEEPFAKE"]),
        ("content_language", "de"),
        ("content_date", "1999-12-31"),
        ("content_date", "2026-02-30"),
        ("application_date", "01-12-2026"),
        ("application_date", "2038-01-02"),
        ("end_date_visibility_restriction", "2026-11-30"),
        ("source_type", "SOURCE_MACHINE"),
        ("source_identity", "somebody"),
        ("automated_detection", True),
        ("automated_decision", "Yes"),
        ("puid", "urn:uuid:1"),
        ("puid", ""),
        ("url", "https://platform.example/1"),
    ],
)
def test_the_checker_refuses_what_the_database_refuses(field: str, value: Any) -> None:
    statement = valid(decision(Outcome.REFUSE, PACK, "altered"), PACK)
    flaws = flaws_of(statement | {field: value})
    assert any(flaw.startswith(f"{field}:") for flaw in flaws)
