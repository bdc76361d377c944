"""The statement of reasons, as the person reads it whom a decision hits."""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from babel.dates import format_date
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from indexer.compare.vocabulary import where_in_words
from indexer.operations import Degree, OperationType
from registry.gate import evidence_in_words, languages, page_words, reasons
from registry.gate.deciding import VIDEO_IS_WORKED_ON
from registry.gate.facts import Unclear
from registry.gate.languages import LANGUAGES, LOCALE_FOLDER, OPERATION_WORDS, PLACE_WORDS, language_for
from registry.gate.packs import compile_pack, shipped_packs
from registry.gate.reasons import paragraphs_of
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
    GivenException,
    MatchRelation,
    Outcome,
    PersonsReview,
    Question,
    QuestionAnswer,
    Strength,
    VerdictKind,
    YesNo,
)
from sdk.records import SHOWN_TEXT, AssetClass

UNTIL = date(2027, 7, 28)
PACK = shipped_packs()["twitter-2020"]
KEYWORDS = {"say": None, "say_number": (1, 2), "N_": None}
TRANSLATED = [language for language in LANGUAGES if language != languages.ENGLISH]
PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[a-z%]")
LABEL, PUBLISHER = "Zebra label 4711", "Quagga Publishing"
PERSONS = ("Rosa Reviewer", "Karl Classifier", "Eva Exception")
WHAT_THEY_WROTE = "Okapi said so"

EVIDENCE = EvidenceSummary(
    verdict=VerdictKind.DERIVATIVE_OF_ORIGINAL,
    sentence=f"Strong match: made from '{LABEL}', registered by {PUBLISHER} as authentic",
    record="record",
    label=LABEL,
    publisher=PUBLISHER,
    strength=Strength.STRONG,
    relation=MatchRelation.DERIVATIVE,
    verified=True,
    changes=(
        ChangeShown(type="face_swap", degree="strong", where="at the upper left", seconds=(3.2, 67.0)),
        ChangeShown(type="cropped", degree="slight"),
    ),
    uncertain=(f"It differs faintly from '{LABEL}'.",),
)
FACTS = {
    "verdict.kind": "derivative_of_original",
    "match.direction": "from_reference",
    "match.count": 3,
    "record.class": "authentic",
    "upload.unclear": ["change"],
}
ANSWERS = (
    QuestionAnswer(question=Question.ALTERED, answer=YesNo.YES, by="comparison", evidence=WHAT_THEY_WROTE),
    QuestionAnswer(question=Question.DECEPTIVE, answer=YesNo.NO, by=PERSONS[1], evidence=WHAT_THEY_WROTE),
    QuestionAnswer(question=Question.HARM, answer=YesNo.UNKNOWN, by="nobody", evidence="Nobody has."),
)


def _rule(name: str = "altered") -> AppliedRule:
    rule = PACK.rule_named(name)
    assert rule is not None
    return AppliedRule(
        pack="twitter-2020",
        version="1.0.0",
        sha256=PACK.sha256,
        rule=name,
        why=rule.why,
        page=f"/policies/twitter-2020/rules/{name}",
    )


def _decision(**given: Any) -> Decision:
    decided: dict[str, Any] = {
        "state": DecisionState.DECIDED,
        "outcome": Outcome.LABEL,
        "label": DecisionLabel(key="manipulated_media", text="Zorilla", language="en"),
        "rule": _rule(),
        "answers": ANSWERS,
        "evidence": EVIDENCE,
        "facts": FACTS,
    }
    return Decision(
        id="decision",
        platform="platform",
        at=datetime(2027, 1, 28, tzinfo=UTC),
        links=DecisionLinks(decision="/v1/decisions/1", explain="/decided/x", dispute="/decided/x#dispute"),
        number=0,
        previous="0" * 64,
        **decided | given,
    )


def _in_state(state: DecisionState, outcome: Outcome) -> Decision:
    match state:
        case DecisionState.WAITING:
            return _decision(
                state=state, outcome=outcome, rule=None, evidence=VIDEO_IS_WORKED_ON, facts={}, answers=()
            )
        case DecisionState.FAILED:
            failure = Failure(code="decoder_lost", detail=WHAT_THEY_WROTE)
            return _decision(
                state=state,
                outcome=outcome,
                rule=None,
                evidence=None,
                facts={},
                answers=(),
                failure=failure,
            )
        case DecisionState.REVIEWED:
            review = PersonsReview(by=PERSONS[0], reason=WHAT_THEY_WROTE, confirmed=True)
            return _decision(state=state, outcome=outcome, review=review)
    return _decision(state=state, outcome=outcome)


def _told(decision: Decision, language: str = "en") -> str:
    used, paragraphs = paragraphs_of(decision, PACK, language, UNTIL)
    assert used == language_for(language)
    assert all(paragraph == paragraph.strip() for paragraph in paragraphs)
    return "\n".join(paragraphs)


def _said(language: str, sentence: str) -> str:
    """What stands in the catalogue of a language."""
    said = languages.translations(language).gettext(sentence)
    assert language == "en" or said != sentence
    return said


every_language = pytest.mark.parametrize("language", LANGUAGES)


@every_language
@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("state", DecisionState)
def test_every_statement_says_what_happened_which_rule_and_until_when_to_dispute(
    language: str, outcome: Outcome, state: DecisionState
) -> None:
    decision = _in_state(state, outcome)

    told = _told(decision, language)

    if outcome is Outcome.LABEL:
        assert "Zorilla" in told
    else:
        assert _said(language, reasons.OUTCOME_SENTENCES[outcome]) in told
    assert format_date(UNTIL, "long", locale=language) in told
    assert decision.links.dispute in told
    if decision.rule is not None:
        for words in ("altered", "1.0.0", PACK.document.title, decision.rule.page):
            assert words in told


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("state", DecisionState)
def test_nothing_of_a_translated_statement_is_left_in_english(
    language: str, outcome: Outcome, state: DecisionState
) -> None:
    told = _told(_in_state(state, outcome), language)

    pieces = (piece for msgid in _msgids() for one in msgid for piece in PLACEHOLDER.split(one))
    left = [piece.strip() for piece in pieces if len(piece.strip()) > 12 and piece.strip() in told]
    assert left == []


@every_language
@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("state", DecisionState)
@pytest.mark.parametrize(
    "verdict", [VerdictKind.KNOWN_FAKE, VerdictKind.DISPUTED, VerdictKind.ONE_OF_THESE]
)
def test_of_an_intimate_record_neither_label_nor_publisher_is_said(
    language: str, outcome: Outcome, state: DecisionState, verdict: VerdictKind
) -> None:
    decision = _in_state(state, outcome)
    if decision.evidence not in (None, VIDEO_IS_WORKED_ON):
        evidence = EVIDENCE.model_copy(update={"intimate": True, "verdict": verdict.value})
        facts = FACTS | {"record.class": "known_fake", "match.alteration": "shown", "record.disputed": True}
        facts |= {"match.sure": True}
        decision = decision.model_copy(update={"evidence": evidence, "facts": facts})

    told = _told(decision, language)

    assert LABEL not in told
    assert PUBLISHER not in told
    tactful = "It matches an intimate picture or video that somebody protects here."
    is_compared = state not in (DecisionState.WAITING, DecisionState.FAILED)
    assert (_said(language, tactful) in told) == is_compared


@every_language
def test_what_only_resembles_an_intimate_picture_is_not_said_to_match_it(language: str) -> None:
    evidence = EVIDENCE.model_copy(update={"intimate": True})
    decision = _in_state(DecisionState.DECIDED, Outcome.HOLD)
    told = _told(decision.model_copy(update={"evidence": evidence, "facts": {}}), language)
    assert _said(language, "It resembles an intimate picture or video that somebody protects here.") in told
    assert (
        _said(language, "It matches an intimate picture or video that somebody protects here.") not in told
    )


@every_language
@pytest.mark.parametrize("state", DecisionState)
def test_nobody_who_decided_or_answered_is_named_nor_quoted(language: str, state: DecisionState) -> None:
    exception = GivenException(kind=ExceptionKind.SATIRE, by=PERSONS[2], reason=WHAT_THEY_WROTE)
    decision = _in_state(state, Outcome.LABEL).model_copy(update={"exceptions": (exception,)})

    told = _told(decision, language)

    assert not any(name in told for name in (*PERSONS, WHAT_THEY_WROTE))
    assert languages.translations(language).gettext("satire") in told


def test_what_matched_how_sure_and_what_was_changed_where_is_said() -> None:
    told = _told(_decision())

    assert f"It comes from what is registered under the title “{LABEL}”" in told
    assert f"{PUBLISHER} registered that as authentic." in told
    assert "This is a strong match." in told
    assert "It matches or resembles 2 other registered entries as well." in told
    assert (
        "this was changed in your upload: a face was replaced by that of another person (a strong change, "
        "at the upper left, from 0:03 to 1:07); it was cropped (a slight change)." in told
    )
    assert "A person's face is affected by this." in told
    assert "fingerprints" not in told.lower()
    assert "Some details of the comparison could not be told" in told


def test_the_same_is_said_in_german() -> None:
    told = _told(_decision(), "de-AT")

    assert f"Er stammt von dem, was unter dem Titel „{LABEL}“ registriert ist" in told
    assert (
        "ein Gesicht wurde durch das einer anderen Person ersetzt (eine starke Veränderung, oben links"
        in told
    )
    assert "bis zum 28. Juli 2027 widersprechen" in told


def test_where_no_direction_is_known_nothing_is_said_to_have_been_done_to_the_upload() -> None:
    told = _told(_decision(facts={"record.class": "authentic", "upload.unclear": ["direction"]}))

    assert "It has something in common with" in told
    assert "In one of the two, this was changed" in told
    assert "changed in your upload" not in told
    assert "could not be told which of the two was made from the other" in told


def test_what_a_video_shows_in_many_stretches_is_told_once() -> None:
    stretches = [(0.0, 2.0), (2.4, 5.0), (10.0, 12.0), (20.0, 22.0), (30.0, 32.0), (40.0, 42.0)]
    changes = (
        ChangeShown(type="colour", degree="slight"),
        ChangeShown(type="face_swap", degree="clear", where="on the left"),
        *(
            ChangeShown(type="face_swap", degree="strong", where="on the left", seconds=at)
            for at in stretches
        ),
        ChangeShown(type="retimed", degree="clear", seconds=(7.0, 7.2)),
    )

    told = _told(_decision(evidence=EVIDENCE.model_copy(update={"changes": changes})))

    assert (
        "in your upload: a face was replaced by that of another person (a strong change, on the left, "
        "from 0:00 to 0:05, from 0:10 to 0:12, from 0:20 to 0:22, and in 2 other stretches); it plays at "
        "another speed, or stands still for a while (a clear change, at 0:07); its colours" in told
    )


def test_of_very_many_changes_the_least_serious_are_counted() -> None:
    changes = tuple(ChangeShown(type=one.value, degree="slight") for one in reversed(OperationType))

    told = _told(_decision(evidence=EVIDENCE.model_copy(update={"changes": changes})))

    assert "in your upload: a face was replaced by that of another person (a slight change); " in told
    assert (
        f"{len(changes) - evidence_in_words.MOST_CHANGES} less serious changes were found as well." in told
    )


@pytest.mark.parametrize("alteration", ["not_shown", "not_in_frame", "unknown"])
def test_an_upload_that_does_not_show_the_falsehood_is_not_said_to_come_from_the_fake(
    alteration: str,
) -> None:
    facts = {
        "record.class": "known_fake",
        "match.alteration": alteration,
        "match.direction": "from_reference",
        "upload.unclear": ["alteration"] if alteration == "unknown" else [],
    }

    told = _told(_decision(facts=facts))

    assert "comes from" not in told
    assert "changed in your upload" not in told
    assert "as a fake, which nobody else has confirmed." in told
    assert "Your upload shows the part" not in told


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"record.class": "known_fake"}, "as a fake, which nobody else has confirmed."),
        (
            {"record.class": "known_fake", "record.standing": "confirmed"},
            "as a fake, and not only this report",
        ),
        ({"record.class": "ai_generated"}, "registered that as AI-generated."),
        ({"record.class": "derivative"}, "registered that as made from something else."),
        ({}, "registered that."),
    ],
)
def test_it_says_as_what_the_record_is_registered_and_no_more(facts: dict[str, Any], sentence: str) -> None:
    assert f"{PUBLISHER} " in _told(_decision(facts=facts))
    assert sentence in _told(_decision(facts=facts))


@every_language
def test_where_only_fingerprints_were_compared_that_is_said(language: str) -> None:
    unverified = EVIDENCE.model_copy(update={"verified": False})
    same_file = unverified.model_copy(update={"relation": MatchRelation.SAME_FILE.value})
    sentence = _said(
        language,
        "Only fingerprints were compared, not the pictures themselves. Fingerprints cannot tell a fake "
        "from the picture that it was made from.",
    )

    assert sentence in _told(_decision(evidence=unverified), language)
    assert sentence not in _told(_decision(evidence=same_file), language)


@every_language
@pytest.mark.parametrize("verdict", [VerdictKind.NOT_IN_REGISTRY, VerdictKind.NOT_FINGERPRINTABLE])
def test_where_nothing_matched_nothing_is_said_of_authenticity(language: str, verdict: VerdictKind) -> None:
    evidence = EvidenceSummary(verdict=verdict, sentence="Not in this registry.")

    told = _told(_decision(outcome=Outcome.ALLOW, evidence=evidence, facts={}, answers=()), language)

    assert _said(language, "This says nothing about whether it is authentic.") in told
    assert _said(language, "None of them matches it.") in told or verdict is not VerdictKind.NOT_IN_REGISTRY


@every_language
@pytest.mark.parametrize("sent", ["fingerprints", "image"])
def test_fingerprints_that_match_nothing_are_said_to_miss_copies(language: str, sent: str) -> None:
    evidence = EvidenceSummary(verdict=VerdictKind.NOT_IN_REGISTRY, sentence="Not in this registry.")

    told = _told(_decision(evidence=evidence, facts={"upload.media": sent}), language)

    only = "Only fingerprints were compared; they can miss a copy that was cropped or changed."
    assert (_said(language, only) in told) == (sent == "fingerprints")


@every_language
@pytest.mark.parametrize("outcome", Outcome)
def test_a_person_who_did_not_say_whether_it_breaks_the_policy_is_not_said_to(
    language: str, outcome: Outcome
) -> None:
    """A box that was not ticked, of an upload that stays held or is refused, says nothing."""
    review = PersonsReview(by="Kim", reason="Stolen.", confirmed=False, answers={})
    told = _told(_decision(state=DecisionState.REVIEWED, outcome=outcome, review=review), language)

    innocent = _said(language, "That person found that it does not break the policy.")
    assert (innocent in told) == (outcome is Outcome.ALLOW)


@every_language
@pytest.mark.parametrize("state", [DecisionState.WAITING, DecisionState.REVIEWED])
def test_of_a_video_that_is_worked_on_nothing_is_said_to_match(language: str, state: DecisionState) -> None:
    waiting = _in_state(DecisionState.WAITING, Outcome.HOLD).model_copy(update={"state": state})

    told = _told(waiting, language)

    for sentence in (
        "Your upload was compared with pictures and videos that publishers have registered.",
        "It matches something that is registered.",
    ):
        assert _said(language, sentence) not in told


@every_language
@pytest.mark.parametrize(
    ("on_failure", "meanwhile"),
    [(Outcome.ALLOW, "published"), (Outcome.HOLD, "held back"), (Outcome.REFUSE, "refused")],
)
def test_a_late_decision_is_the_decision_and_says_what_was_done_until_then(
    language: str, on_failure: Outcome, meanwhile: str
) -> None:
    decision = _decision(state=DecisionState.LATE, outcome=Outcome.REFUSE, on_failure=on_failure)

    told = _told(decision, language)

    sentences = (
        f"The check took longer than planned, and your upload was {meanwhile} until now.",
        "Now it has been checked, and this is the decision.",
        "Your upload is not published.",
    )
    assert told.startswith(" ".join(_said(language, one) for one in sentences))
    assert decision.rule is not None
    assert decision.rule.rule in told


@every_language
@pytest.mark.parametrize(
    ("code", "because"),
    [
        ("deadline", "there was not enough time."),
        ("undecodable_media", "the file could not be read."),
        ("rule_failed", "something went wrong in the check itself."),
    ],
)
def test_a_check_that_failed_is_called_no_accusation(language: str, code: str, because: str) -> None:
    failure = Failure(code=code, detail="")

    told = _told(_decision(state=DecisionState.FAILED, outcome=Outcome.HOLD, failure=failure), language)

    what_happens, why_it_failed, *_ = told.split("\n")
    assert what_happens.startswith(_said(language, reasons.OUTCOME_SENTENCES[Outcome.HOLD]))
    assert why_it_failed.startswith(_said(language, f"It could not be checked, because {because}"))
    assert why_it_failed.endswith(
        _said(language, "This is what the platform provides for such cases. It is no accusation.")
    )


@every_language
def test_the_three_answers_name_who_or_what_gave_them(language: str) -> None:
    told = _told(_decision(), language)

    for question in Question:
        assert _said(language, reasons.QUESTIONS[question]) in told
    assert _said(language, "Yes: the comparison shows that.") in told
    assert _said(language, "No: that is what the platform says.") in told
    assert _said(language, reasons.UNKNOWN_ANSWER) in told


def test_questions_that_nobody_answered_and_no_rule_asks_are_left_out() -> None:
    pack = compile_pack(
        "pack: small\nversion: 1.0.0\ntitle: A small one\nsummary: Nothing is asked.\nrules:\n"
        "  - {id: found, when: match.found, then: hold, why: It is registered.}\n"
    )
    unknown = tuple(one.model_copy(update={"answer": YesNo.UNKNOWN}) for one in ANSWERS)

    _, paragraphs = paragraphs_of(_decision(answers=unknown), pack, "en", UNTIL)

    assert not any(reasons.UNKNOWN_ANSWER in paragraph for paragraph in paragraphs)


def test_a_persons_review_is_said_and_its_answers_count() -> None:
    review = PersonsReview(
        by=PERSONS[0], reason="Seen.", confirmed=False, answers={Question.HARM: YesNo.NO}
    )

    told = _told(_decision(state=DecisionState.REVIEWED, outcome=Outcome.ALLOW, review=review))

    assert "A person on the platform looked at it and decided this." in told
    assert "does not break the policy" in told
    assert "Before that person looked at it, the rule “altered”" in told
    assert "Is the upload likely to cause serious harm? No: that is what the platform says." in told
    assert "automatic" not in told


def test_fully_automatic_is_said_only_where_nothing_came_from_the_platform() -> None:
    assert "fully automatically" in _told(_decision(answers=ANSWERS[:1]))
    assert "rests on what the platform says" in _told(_decision())
    assert "no person has been involved" in _told(_decision(answers=ANSWERS[:1], outcome=Outcome.HOLD))


@every_language
@pytest.mark.parametrize("action", AccountAction)
def test_what_happens_to_the_account_is_said(language: str, action: AccountAction) -> None:
    sentence = _said(language, reasons.ACCOUNT_SENTENCES[action])

    assert sentence in _told(_decision(account_action=action), language)
    assert sentence not in _told(_decision(), language)


@every_language
def test_a_test_of_a_policy_says_first_that_it_is_one(language: str) -> None:
    told = _told(_decision(dry_run=True), language)

    assert told.startswith(
        _said(language, "This is a test of the policy, and nothing happens to your upload.")
    )


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (1, "1 früheren Upload Ihres Kontos"),
        (3, "3 früheren Uploads Ihres Kontos"),
        (0, None),
    ],
)
def test_earlier_violations_are_counted_where_the_rule_asks_for_them(
    number: int, sentence: str | None
) -> None:
    pack = compile_pack(
        "pack: strikes\nversion: 1.0.0\ntitle: Strikes\nsummary: Three strikes.\n"
        "reference: https://platform.example/policy\nrules:\n"
        "  - {id: altered, when: uploader.confirmed_violations > 0, then: refuse, why: Again.}\n"
    )
    decision = _decision(facts={"uploader.confirmed_violations": number})

    _, paragraphs = paragraphs_of(decision, pack, "de", UNTIL)

    told = "\n".join(paragraphs)
    assert "Kontos" not in _told(decision, "de")
    assert "https://platform.example/policy" in told
    assert (sentence in told) if sentence else ("Kontos" not in told)


def test_a_reason_that_the_pack_has_in_no_other_language_is_said_to_be_english() -> None:
    pack = compile_pack(
        "pack: small\nversion: 1.0.0\ntitle: A small one\nsummary: One rule.\nrules:\n"
        "  - {id: altered, when: match.found, then: hold, why: Because., why_in: {fr: Parce que.}}\n"
    )
    decision = _decision(rule=_rule().model_copy(update={"why": "Because."}))

    german = " ".join(paragraphs_of(decision, pack, "de", UNTIL)[1])
    french = " ".join(paragraphs_of(decision, pack, "fr-CH", UNTIL)[1])
    without_pack = " ".join(paragraphs_of(decision, None, "de", UNTIL)[1])

    assert "auf Englisch: Because." in german
    assert "Motif indiqué\u00a0: Parce que." in french
    assert "auf Englisch: Because." in without_pack
    assert "twitter-2020" in without_pack


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("fr_CA", "fr"),
        ("ES", "es"),
        ("pt-BR", "en"),
        ("", "en"),
        ("x-de", "en"),
    ],
)
def test_a_language_tag_falls_back_to_its_language_and_then_to_english(tag: str, language: str) -> None:
    assert language_for(tag) == language


def test_a_catalogue_is_read_once() -> None:
    assert languages.translations("de") is languages.translations("de")


shown_text = st.one_of(
    st.sampled_from(["100 %s", "%(label)s", "%(x)s", "%", "{0} {label}", "<b>&amp;</b>", "”“»«"]),
    st.from_regex(SHOWN_TEXT, fullmatch=True),
)


@given(
    label=shown_text,
    publisher=st.none() | shown_text,
    name=shown_text,
    language=st.sampled_from([*LANGUAGES, "de-CH", "tlh"]),
    outcome=st.sampled_from(Outcome),
    state=st.sampled_from(DecisionState),
    verdict=st.sampled_from(VerdictKind),
    relation=st.none() | st.sampled_from(MatchRelation),
    record_class=st.sampled_from(AssetClass),
    verified=st.booleans(),
    changes=st.lists(
        st.builds(
            ChangeShown,
            type=st.sampled_from([*OperationType, "something_new"]),
            degree=st.sampled_from([*Degree, "unheard_of"]),
            where=st.none() | st.sampled_from([*PLACE_WORDS, "elsewhere"]),
            seconds=st.none() | st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)),
        ),
        max_size=14,
    ),
    unclear=st.lists(st.sampled_from(Unclear)),
)
def test_no_label_name_or_constellation_breaks_a_statement(
    label: str,
    publisher: str | None,
    name: str,
    language: str,
    outcome: Outcome,
    state: DecisionState,
    verdict: VerdictKind,
    relation: MatchRelation | None,
    record_class: AssetClass,
    verified: bool,
    changes: list[ChangeShown],
    unclear: list[Unclear],
) -> None:
    evidence = EVIDENCE.model_copy(
        update={
            "verdict": verdict.value,
            "relation": relation,
            "label": label,
            "publisher": publisher,
            "verified": verified,
            "changes": tuple(changes),
        }
    )
    decision = _in_state(state, outcome).model_copy(
        update={
            "evidence": evidence,
            "label": DecisionLabel(key="x", text=name, language="en"),
            "facts": {"record.class": record_class.value, "upload.unclear": [one.value for one in unclear]},
        }
    )

    _, paragraphs = paragraphs_of(decision, PACK, language, UNTIL)

    told = "\n".join(paragraphs)
    if verdict not in (VerdictKind.NOT_IN_REGISTRY, VerdictKind.NOT_FINGERPRINTABLE):
        assert label in told  # as it is: text, neither a format nor HTML
    assert outcome is not Outcome.LABEL or name in told


def _msgids() -> list[tuple[str, ...]]:
    """What is said in code, as it is found there."""
    found: dict[tuple[str, ...], None] = {}
    for module in (languages, reasons, evidence_in_words, page_words):
        assert module.__file__ is not None
        for _, message, _, _ in extract_from_file("python", Path(module.__file__), keywords=KEYWORDS):
            found[(message,) if isinstance(message, str) else tuple(message)] = None
    return list(found)


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_has_every_sentence_and_no_other(language: str) -> None:
    with (LOCALE_FOLDER / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language, abort_invalid=True)
    known = {
        (one.id,) if isinstance(one.id, str) else tuple(one.id): one for one in catalogue if one.id != ""
    }

    assert set(known) == set(_msgids())
    assert not catalogue.obsolete
    assert not any(one.fuzzy for one in known.values())
    for msgid, one in known.items():
        strings = (one.string,) if isinstance(one.string, str) else tuple(one.string or ())
        assert len(strings) == len(msgid)
        for english, translated in zip(msgid, strings, strict=True):
            assert translated.strip() == translated != "", msgid
            assert sorted(PLACEHOLDER.findall(translated)) == sorted(PLACEHOLDER.findall(english)), msgid
            assert translated.endswith(".") == english.endswith("."), msgid


def test_every_operation_degree_and_exception_has_words() -> None:
    assert set(OPERATION_WORDS) == set(OperationType)
    assert set(languages.DEGREE_WORDS) == set(Degree)
    assert set(languages.EXCEPTION_WORDS) == set(ExceptionKind)
    assert set(evidence_in_words.STRENGTH_SENTENCES) == set(Strength)


def test_every_place_that_the_comparison_names_has_words() -> None:
    def around(x: float, y: float) -> tuple[tuple[float, float], ...]:
        return ((x, y),) * 4

    steps = [step / 20 for step in range(21)]

    assert {where_in_words(around(x, y)) for x in steps for y in steps} == set(PLACE_WORDS)
