"""The policy packs that come with the program: what they mean, and what none of them ever does."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.operations import OPERATIONS, OperationType
from registry.gate.dsa_terms import Keyword
from registry.gate.evaluation import Ruling, rule_on, run_cases
from registry.gate.facts import BY_NAME, UNKNOWN, Fact, FactType, Value
from registry.gate.pack_schema import OTHERWISE, Otherwise, Rule
from registry.gate.packs import SHIPPED_FOLDER, Pack, shipped_packs
from sdk.models import AccountAction, Outcome, Question, VerdictKind

PAGES = Path(__file__).parents[3] / "docs" / "policies"
PACKS = ("label-only", "meta-label", "ncii-strict", "newsroom", "twitter-2020")
LANGUAGES = {"de", "fr", "es"}  # beside English
LONGEST_PAGE = 70  # lines
SIGNALS = ("election", "nudity", "public_importance", "sexual", "sport")
ANSWERS = tuple(f"answers.{question.value}" for question in Question)
UNANSWERED: Mapping[str, Value] = dict.fromkeys(ANSWERS, "unknown")
LABELLED = {Outcome.LABEL, Outcome.DEMOTE}
# What the comparison reads when it answers whether something is altered; a pack need not name it.
READ_BESIDE = (
    "match.sure",
    "match.changes_content",
    "match.direction",
    "record.disputed",
    "upload.unclear",
    "verdict.kind",
    "verdict.severity",
)
ORIGINAL: Mapping[str, Value] = {
    "verdict.kind": "registered_original",
    "match.found": True,
    "match.sure": True,
    "record.class": "authentic",
}
SWAP: Mapping[str, Value] = {
    **ORIGINAL,
    "verdict.kind": "derivative_of_original",
    "verdict.severity": "person_altered",
    "match.changes_content": True,
    "match.another_face": True,
    "match.operations": ["face_swap"],
    "upload.unclear": ["direction"],
}


def pack_named(name: str) -> Pack:
    return shipped_packs()[name]


def parts_of(name: str) -> tuple[Rule | Otherwise, ...]:
    document = pack_named(name).document
    return (*document.rules, document.otherwise)


def ruling_of(name: str, facts: Mapping[str, Value]) -> Ruling:
    return rule_on(pack_named(name), {**UNKNOWN, **facts})


def values_of(fact: Fact) -> st.SearchStrategy[Any]:
    """Whatever fits the type and the words of a fact."""
    if fact.type is FactType.BOOLEAN:
        return st.booleans()
    if fact.type is FactType.NUMBER:
        return st.sampled_from((0, 1, 2, 5)) | st.floats(0, 1)
    words = fact.words or SIGNALS
    if fact.type is FactType.WORDS:
        return st.lists(st.sampled_from(words), max_size=3, unique=True)
    return st.sampled_from(words)


def any_facts() -> st.SearchStrategy[dict[str, Value]]:
    """Facts of a case of any pack, some of them changed: chance alone would seldom reach a late rule."""
    packs = shipped_packs().values()
    read = sorted({*READ_BESIDE, *ANSWERS, *(name for pack in packs for name in pack.facts)})
    cases = [case.facts for pack in packs for case in pack.document.cases]
    changes = st.fixed_dictionaries({}, optional={name: values_of(BY_NAME[name]) for name in read})
    return st.tuples(st.sampled_from(cases), changes).map(lambda pair: {**pair[0], **pair[1]})


def rulings_on(facts: Mapping[str, Value]) -> dict[str, Ruling]:
    return {name: ruling_of(name, facts) for name in PACKS}


def refusing(facts: Mapping[str, Value]) -> set[str]:
    """Names of the packs that refuse."""
    return {name for name, ruling in rulings_on(facts).items() if ruling.outcome is Outcome.REFUSE}


def test_these_packs_are_shipped_under_the_names_of_their_files() -> None:
    files = {path.stem: path for path in SHIPPED_FOLDER.glob("*.yaml")}
    assert set(files) == set(PACKS)
    for name, path in files.items():
        assert pack_named(name).text == path.read_text("utf-8")


@pytest.mark.parametrize("name", PACKS)
def test_every_case_of_a_pack_comes_out_as_it_says(name: str) -> None:
    assert [case for case in run_cases(pack_named(name)).cases if not case.passed] == []


@pytest.mark.parametrize("name", PACKS)
def test_a_case_reaches_every_rule(name: str) -> None:
    pack = pack_named(name)
    reached = {case.rule for case in run_cases(pack).cases}
    assert reached == {OTHERWISE, *(rule.id for rule in pack.document.rules)}


@pytest.mark.parametrize("name", PACKS)
def test_everything_that_people_read_is_there_in_four_languages(name: str) -> None:
    document = pack_named(name).document
    for part in parts_of(name):
        assert set(part.why_in) == LANGUAGES, part
    for key, texts in document.labels.items():
        assert set(texts) == {"en", *LANGUAGES}, key


@pytest.mark.parametrize("name", PACKS)
def test_every_label_of_a_pack_is_put_by_some_rule(name: str) -> None:
    document = pack_named(name).document
    assert {rule.label for rule in document.rules if rule.label} == set(document.labels)


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_says_that_its_words_are_ours(name: str) -> None:
    comment = " ".join(re.findall(r"^# ?(.*)$", pack_named(name).text, re.MULTILINE))
    assert "wording" in comment
    assert "wrote or approved it" in comment


@pytest.mark.parametrize("name", PACKS)
def test_the_page_of_a_pack_lists_its_rules_in_order(name: str) -> None:
    page = (PAGES / f"{name}.md").read_text("utf-8")
    rules = [rule.id for rule in pack_named(name).document.rules]
    table = page.partition("## The rules, in order")[2]
    rows = re.findall(r"^\| `([a-z-]+)` \|.*\| ([a-z]+)", table, re.MULTILINE)
    assert [rule for rule, _ in rows] == [*rules, OTHERWISE]
    assert [outcome for _, outcome in rows] == [part.then.value for part in parts_of(name)]
    assert page.count("\n") <= LONGEST_PAGE
    for heading in ("What it never does", "What is put to people", "Sources"):
        assert f"\n## {heading}\n" in page


@pytest.mark.parametrize("name", PACKS)
def test_a_stranger_is_allowed(name: str) -> None:
    ruling = ruling_of(name, {})
    assert (ruling.outcome, ruling.rule_id) == (Outcome.ALLOW, OTHERWISE)


@pytest.mark.parametrize("name", PACKS)
def test_a_registered_original_is_allowed(name: str) -> None:
    assert ruling_of(name, ORIGINAL).outcome is Outcome.ALLOW


@pytest.mark.parametrize("name", PACKS)
@pytest.mark.parametrize(
    "operation",
    [row.type.value for row in OPERATIONS.values() if row.severity.value in ("technical", "edited")],
)
def test_a_copy_of_an_original_after_everyday_editing_is_allowed(name: str, operation: str) -> None:
    row = OPERATIONS[OperationType(operation)]
    facts: dict[str, Value] = {
        **ORIGINAL,
        "verdict.kind": "derivative_of_original",
        "verdict.severity": row.severity.value,
        "match.operations": [operation],
        f"op.{operation}.found": True,
        "match.changes_content": row.changes_content,
        "match.concerns_face": row.concerns_face,
    }
    assert ruling_of(name, {**facts, "upload.unclear": ["direction"]}).outcome is Outcome.ALLOW
    assert ruling_of(name, {**facts, "match.direction": "from_reference"}).outcome is Outcome.ALLOW


@pytest.mark.parametrize("name", PACKS)
def test_the_original_of_a_registered_fake_is_allowed(name: str) -> None:
    facts: dict[str, Value] = {
        **SWAP,
        "verdict.kind": "shares_picture",
        "match.alteration": "not_shown",
        "record.class": "known_fake",
        "record.standing": "confirmed",
    }
    assert ruling_of(name, facts).outcome is Outcome.ALLOW


@pytest.mark.parametrize("platform_owns_it", [False, True])
def test_a_mirrored_crop_of_an_intimate_picture_is_refused_whoever_registered_it(
    platform_owns_it: bool,
) -> None:
    facts: dict[str, Value] = {
        **ORIGINAL,
        "verdict.kind": "derivative_of_original",
        "match.operations": ["mirrored", "cropped"],
        "record.intimate": True,
        "record.own": platform_owns_it,
    }
    assert refusing(facts) == {"ncii-strict", "meta-label"}


def test_another_face_in_an_intimate_picture_is_told_as_a_deepfake_to_the_database_of_the_union() -> None:
    for name in ("ncii-strict", "meta-label"):
        rule = ruling_of(name, {**SWAP, "record.intimate": True}).rule
        assert isinstance(rule, Rule)
        assert rule.then is Outcome.REFUSE
        assert rule.dsa is not None
        assert rule.dsa.keywords == (Keyword.DEEPFAKE_WITHOUT_CONSENT,)


@pytest.mark.parametrize("shown", [ORIGINAL, SWAP], ids=["a copy", "another face"])
@pytest.mark.parametrize(
    ("poster", "violations", "action"),
    [
        ("first", 0, AccountAction.SUSPEND),
        ("first", 1, AccountAction.SUSPEND),
        ("first", 2, AccountAction.TERMINATE),
        ("resharer", 0, AccountAction.WARN),
        ("resharer", 1, AccountAction.SUSPEND),
        ("resharer", 2, AccountAction.TERMINATE),
        ("unknown", 0, None),
        ("unknown", 1, AccountAction.SUSPEND),
        ("unknown", 2, AccountAction.TERMINATE),
    ],
)
def test_what_happens_to_an_account_depends_on_who_posts_first_and_what_was_confirmed_before(
    shown: Mapping[str, Value], poster: str, violations: int, action: AccountAction | None
) -> None:
    history: dict[str, Value] = {
        "record.intimate": True,
        "uploader.poster": poster,
        "uploader.confirmed_violations": violations,
    }
    rule = ruling_of("ncii-strict", {**shown, **history}).rule
    assert isinstance(rule, Rule)
    assert (rule.then, rule.account) == (Outcome.REFUSE, action)


@pytest.mark.parametrize(
    ("altered", "deceptive", "harm", "family"),
    [
        ("yes", "unknown", "unknown", LABELLED),
        ("unknown", "yes", "unknown", LABELLED),
        ("yes", "unknown", "yes", LABELLED | {Outcome.REFUSE}),
        ("yes", "yes", "unknown", LABELLED),
        ("yes", "yes", "yes", {Outcome.REFUSE}),
    ],
    ids=["altered", "deceptive", "altered, harmful", "altered, deceptive", "all three"],
)
def test_the_five_rows_of_the_matrix_of_2020(
    altered: str, deceptive: str, harm: str, family: set[Outcome]
) -> None:
    answers = dict(zip(ANSWERS, (altered, deceptive, harm), strict=True))
    for open_or_no in ("unknown", "no"):
        given_answers = {name: open_or_no if said == "unknown" else said for name, said in answers.items()}
        assert ruling_of("twitter-2020", given_answers).outcome in family
        assert ruling_of("twitter-2020", {**ORIGINAL, **given_answers}).outcome in family


def test_a_face_swap_waits_for_a_person_until_somebody_says_that_it_does_harm() -> None:
    made_from_it: dict[str, Value] = {**SWAP, "match.direction": "from_reference", "upload.unclear": []}
    assert ruling_of("twitter-2020", made_from_it).rule_id == "face-altered"
    assert ruling_of("twitter-2020", {**made_from_it, "answers.harm": "yes"}).outcome is Outcome.REFUSE
    assert ruling_of("twitter-2020", {**made_from_it, "answers.harm": "no"}).outcome is Outcome.LABEL


def test_another_face_is_not_refused_while_nothing_tells_which_picture_was_changed() -> None:
    harmful: dict[str, Value] = {**SWAP, "answers.deceptive": "yes", "answers.harm": "yes"}
    assert ruling_of("twitter-2020", harmful).outcome is Outcome.HOLD
    assert ruling_of("twitter-2020", {**harmful, "answers.altered": "yes"}).outcome is Outcome.REFUSE
    assert ruling_of("twitter-2020", {**harmful, "match.direction": "to_reference"}).outcome in LABELLED


def test_a_newsroom_hears_that_its_own_picture_came_back_altered() -> None:
    advice = ruling_of("newsroom", {**SWAP, "record.own": True})
    assert (advice.outcome, advice.rule_id) == (Outcome.HOLD, "own-face-altered")
    assert ruling_of("newsroom", SWAP).rule_id == "face-altered"


@pytest.mark.parametrize("signal", ["election", "public_importance"])
def test_what_matters_to_all_carries_the_stronger_label(signal: str) -> None:
    for altered in ({**SWAP, "match.direction": "from_reference"}, {"declared.ai_generated": True}):
        rule = ruling_of("meta-label", {**altered, "upload.signals": [signal]}).rule
        assert isinstance(rule, Rule)
        assert (rule.then, rule.label) == (Outcome.LABEL, "high_risk")


@given(any_facts())
@settings(max_examples=100, deadline=None)
def test_nothing_is_refused_that_is_not_sure_and_that_nobody_has_answered(facts: dict[str, Value]) -> None:
    assert refusing({**facts, **UNANSWERED, "match.sure": False}) == set()


@given(any_facts())
@settings(max_examples=100, deadline=None)
def test_without_a_sure_match_a_refusal_needs_all_three_answers(facts: dict[str, Value]) -> None:
    unsure: dict[str, Value] = {**facts, "match.sure": False}
    for name in refusing(unsure):
        assert name == "twitter-2020"
        assert {str(rulings_on(unsure)[name].facts[answer]) for answer in ANSWERS} == {"yes"}


@given(any_facts())
@settings(max_examples=100, deadline=None)
def test_one_report_alone_never_leads_to_a_refusal(facts: dict[str, Value]) -> None:
    reported: dict[str, Value] = {
        **facts,
        "answers.altered": "unknown",
        "verdict.kind": VerdictKind.REPORTED.value,
        "record.class": "known_fake",
        "record.standing": "reported",
    }
    assert refusing(reported) == set()


@given(any_facts())
@settings(max_examples=100, deadline=None)
def test_what_differs_from_an_original_is_not_refused_while_its_direction_is_unknown(
    facts: dict[str, Value],
) -> None:
    differing: dict[str, Value] = {
        **facts,
        "answers.altered": "unknown",
        "verdict.kind": VerdictKind.DERIVATIVE_OF_ORIGINAL.value,
        "match.direction": "unknown",
        "record.intimate": False,
    }
    assert refusing(differing) == set()


@given(any_facts())
@settings(max_examples=100, deadline=None)
def test_packs_that_advise_or_label_never_do_more_than_that(facts: dict[str, Value]) -> None:
    rulings = rulings_on(facts)
    assert rulings["label-only"].outcome in (Outcome.ALLOW, Outcome.LABEL)
    assert rulings["newsroom"].outcome in (Outcome.ALLOW, Outcome.LABEL, Outcome.HOLD)
    if not facts.get("record.intimate"):
        assert rulings["meta-label"].outcome in (Outcome.ALLOW, Outcome.LABEL)
        assert rulings["ncii-strict"].outcome in (Outcome.ALLOW, Outcome.HOLD)
    for name in ("label-only", "newsroom", "meta-label", "twitter-2020"):
        assert getattr(rulings[name].rule, "account", None) is None
