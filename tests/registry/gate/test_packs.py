"""What a policy pack may say: hostile YAML, flaws at the right lines, and the schema that is published."""

import json
from typing import Any

import jsonschema_rs
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import BadPack
from registry.gate import evaluation
from registry.gate.evaluation import run_cases
from registry.gate.pack_rows import check_pack
from registry.gate.pack_schema import json_schema
from registry.gate.pack_text import MAXIMUM_BYTES, MAXIMUM_DEPTH
from registry.gate.packs import SHIPPED_FOLDER, compile_pack
from sdk.models import Outcome, PackFlaw, Question

MOST_FLAWS_TOLD = 200
HEAD = """\
pack: a-pack
version: 1.0.0
title: A pack
summary: What it is about.
"""
GOOD = (
    HEAD
    + """\
labels:
  edited:
    en: This was edited.
questions:
  harm:
    - when: match.another_face
      answer: yes
      why: A face was replaced.
rules:
  - id: swapped
    when: answers.harm == 'yes'
    then: refuse
    account: warn
    why: Faces are not replaced here.
    why_in: {de: Hier werden keine Gesichter ersetzt.}
    dsa: {ground: illegal}
  - id: edited
    when: |
      match.found
      && match.changes_content
    then: label
    label: edited
    why: It was edited.
otherwise: {then: allow}
cases:
  - name: a swap
    facts: {match.another_face: true, match.count: 1, match.operations: [face_swap]}
    then: refuse
    rule: swapped
"""
)


def flaws_of(text: str) -> tuple[PackFlaw, ...]:
    with pytest.raises(BadPack) as caught:
        compile_pack(text)
    assert check_pack(text).flaws == caught.value.flaws
    return caught.value.flaws


def flaw_of(text: str) -> PackFlaw:
    flaws = flaws_of(text)
    assert len(flaws) == 1, flaws
    return flaws[0]


def line_of(text: str, part: str) -> int:
    """The line on which a part of the text begins, which is there once."""
    assert text.count(part) == 1
    return text[: text.index(part)].count("\n") + 1


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


def test_a_good_pack_is_compiled_and_its_cases_hold() -> None:
    assert run_cases(compile_pack(GOOD)).ok
    assert check_pack(GOOD).ok


BILLION_LAUGHS = "a: &a [lol, lol]\n" + "".join(
    f"{name}: &{name} [*{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (BILLION_LAUGHS, 1, "anchors and aliases are not read"),
        ("pack: &one a-pack\n", 1, "anchors"),
        ("pack: a-pack\ntitle: *one\n", 2, "anchors"),
        ("&whole\npack: a-pack\n", 1, "anchors"),
        ("pack: a-pack\nbase: {<<: *one}\n", 2, "anchors"),
        ("pack: !!python/object/apply:os.system [id]\n", 1, "tags are not read"),
        ("pack: a\ntitle: !!str 1\n", 2, "tags are not read"),
        ("pack: a\ntitle: ! b\n", 2, "tags are not read"),
        ("pack: a\n!!null x: b\n", 2, "tags are not read"),
        ("pack: a\ntitle: b\npack: c\n", 3, "'pack' is given twice"),
        ('pack: a\ntitle: b\n"pack": c\n', 3, "'pack' is given twice"),
        (HEAD + "rules:\n  - id: a\n    id: b\n", 7, "'id' is given twice"),
        ("pack: a\n---\npack: b\n", 2, "another document"),
        ("- pack\n- b\n", 1, "a pack is a mapping"),
        ("a-pack", 1, "a pack is a mapping"),
        ("", 1, "a pack is a mapping"),
        ("# nothing\n", 1, "a pack is a mapping"),
        ("pack: a\n[a, b]: c\n", 2, "a field has a plain name"),
        ("pack: a\n? {a: b}\n: c\n", 2, "a field has a plain name"),
        ("pack: a\ntitle: [\n", 3, ""),
        ("pack: a\n\ttitle: b\n", 2, ""),
        ("pack: 'a\n", 2, ""),
        ("pack: a\0b\n", 1, "cannot be read"),
        ('pack: a\ntitle: "\\ud800"\n', 2, "Unicode"),
        ("pack: a\ntitle: \ud800\n", 1, "UTF-8"),
        ("pack: \x07\n", 1, "cannot be read"),
        ("a: " + "[" * 200_000, 1, "nesting"),
        ("? " * 100_000, 1, f"more than {MAXIMUM_DEPTH} levels"),
        ("- " * 100_000, 1, f"more than {MAXIMUM_DEPTH} levels"),
        (
            "a:\n" + "".join(" " * n + "a:\n" for n in range(1, 400)),
            13,
            f"more than {MAXIMUM_DEPTH} levels",
        ),
        ("#" + "x" * MAXIMUM_BYTES, 1, "bytes; 262144 are allowed"),
        ("#" + "\N{GRINNING FACE}" * (MAXIMUM_BYTES // 4), 1, "bytes; 262144 are allowed"),
    ],
)
def test_text_that_is_no_plain_yaml_is_refused_with_its_line(text: str, line: int, reason: str) -> None:
    flaw = flaw_of(text)
    assert reason in flaw.reason
    assert flaw.line == line or "nesting" in reason
    assert len(flaw.reason) < 300


def test_a_pack_may_have_just_the_most_bytes() -> None:
    compile_pack(GOOD + "#" * (MAXIMUM_BYTES - len(GOOD.encode())))


@pytest.mark.parametrize(
    ("old", "new", "part", "reason"),
    [
        ("    then: label\n", "    thne: label\n", "thne", "did you mean then?"),
        ("version: 1.0.0", "version: 1.0", "1.0", ""),
        ("version: 1.0.0", "version: 1.0.0\nrulez: []", "rulez", "did you mean rules?"),
        ("    dsa: {ground: illegal}", "    dsa: {groud: illegal}", "groud", "did you mean ground?"),
        ("    rule: swapped", "    rul: swapped", "rul: s", "did you mean rule?"),
        ("      answer: yes", "      answr: yes", "answr", "did you mean answer?"),
        ("otherwise: {then: allow}", "otherwise: {thn: allow}", "thn", "did you mean then?"),
        (
            "  - id: edited",
            "  - id: swapped",
            "id: swapped\n    when: |",
            "another rule has the id swapped",
        ),
        ("  - id: edited", "  - id: otherwise", "id: otherwise", "another rule has the id otherwise"),
        ("  - id: edited", "  - id: Edited!", "id: Edited!", ""),
        ("    then: label\n", "    then: remove\n", "then: remove", "'allow'"),
        ("    label: edited", "    label: editd", "label: editd", "no label editd; did you mean edited?"),
        ("    label: edited\n", "", "then: label", "names one of the pack's labels"),
        ("    then: label\n", "    then: refuse\n", "label: edited", "nothing is labelled by refuse"),
        (
            "    then: refuse\n    account",
            "    then: hold\n    account",
            "account: warn",
            "not restricted by",
        ),
        ("otherwise: {then: allow}", "otherwise: {then: label}", "otherwise:", "only a rule labels"),
        ("    en: This was edited.", "    de: Bearbeitet.", "de: Bearbeitet.", "a text in English"),
        ("    rule: swapped", "    rule: swaped", "rule: swaped", "no rule swaped; did you mean swapped?"),
        (
            "match.count: 1",
            "match.coutn: 1",
            "match.coutn",
            "no fact match.coutn; did you mean match.count?",
        ),
        ("match.count: 1", "match.count: many", "match.count", "match.count is a number"),
        ("match.count: 1", "match.count: true", "match.count", "match.count is a number"),
        ("match.count: 1", f"match.count: {'9' * 5000}", "match.count", "match.count is a number"),
        ("match.count: 1", "match.count: 1e5", "match.count", "match.count is a number"),
        ("match.count: 1", "match.count: .inf", "match.count", "match.count is a number"),
        ("match.count: 1", "match.count: .nan", "match.count", "match.count is a number"),
        ("match.another_face: true", "match.another_face: yes", "match.another_face: yes", "true or false"),
        ("match.another_face: true", "match.another_face: 1", "match.another_face: 1", "true or false"),
        ("[face_swap]", "[face_swop]", "[face_swop]", "match.operations is one of"),
        ("[face_swap]", "face_swap", "match.operations: face_swap", "is a list of words"),
        ("[face_swap]", "[true]", "[true]", "is a list of words"),
        ("when: match.another_face", "when: match.anothr_face", "match.anothr_face", "match.another_face?"),
        ("when: match.another_face", "when: answers.harm == 'no'", "answers.harm == 'no'", "this answers"),
        ("when: match.another_face", "when: true", "when: true", ""),
        ("      answer: yes", "      answer: true", "answer: true", ""),
    ],
)
def test_a_flaw_is_named_at_its_line_with_what_was_meant(
    old: str, new: str, part: str, reason: str
) -> None:
    text = changed(old, new)
    flaws = flaws_of(text)
    assert any(reason in flaw.reason for flaw in flaws), flaws
    assert {flaw.line for flaw in flaws if reason in flaw.reason} == {line_of(text, part)}


@pytest.mark.parametrize(
    "when",
    [
        "when: match.fond",
        'when: "match.fond"',
        "when: |\n      match.found\n\n      && match.fond",
        "when: |-  # on several lines\n      match.found\n      && match.fond\n\n",
        "when: |\n\n\n      match.fond",
        "when: |2\n      match.found\n      && match.fond",
        "when: >\n      match.found\n      && match.fond",
        "when: >-\n      match.found\n\n      && match.fond\n      || match.verified",
        "when: match.found\n      && match.fond",
        "when: match.found &&\n      match.verified &&\n      match.fond",
        'when: "match.found\n      && match.fond"',
        'when: "match.found \\\n      && match.fond"',
        "when:\n      match.fond",
        "when:\n      match.found\n      && match.fond",
    ],
)
def test_a_flaw_in_a_condition_over_several_lines_is_at_the_very_line(when: str) -> None:
    text = changed("when: answers.harm == 'yes'", when)
    flaw = flaw_of(text)
    assert "there is no fact match.fond; did you mean match.found?" in flaw.reason
    assert (flaw.where, flaw.line) == ("rules[0].when", line_of(text, "match.fond"))


def test_every_flaw_is_told_at_once() -> None:
    text = changed("    then: label\n", "    then: allow\n").replace("rule: swapped", "rule: none")
    text = text.replace("when: match.another_face", "when: match.bad")
    assert {flaw.where for flaw in flaws_of(text)} == {
        "questions.harm[0].when",
        "rules[1].label",
        "cases[0].rule",
    }


# 256 KiB of names that nobody knows took a minute to look up, and the answer was larger than the pack.
@pytest.mark.parametrize(
    "text",
    [
        "".join(f"k{number}: 1\n" for number in range(3000)),
        HEAD
        + "rules:\n"
        + "".join(
            f'  - {{id: r{number}, then: allow, why: because, when: "{" && ".join(["a"] * 150)}"}}\n'
            for number in range(10)
        ),
        HEAD
        + "rules: []\ncases:\n"
        + "".join(
            "  - {name: abc, then: allow, facts: {" + ",".join(f"f{one}: 1" for one in range(150)) + "}}\n"
            for _ in range(10)
        ),
    ],
    ids=["fields", "conditions", "cases"],
)
def test_of_very_many_flaws_only_the_first_are_told(text: str) -> None:
    assert 0 < len(flaws_of(text)) <= MOST_FLAWS_TOLD


def test_words_of_yaml_1_1_are_words() -> None:
    """`yes` and `no` answer a question; `on`, `off`, `~1` and dates are text, as they are written."""
    for answer in ("yes", "no", "unknown"):
        pack = compile_pack(changed("      answer: yes", f"      answer: {answer}").split("cases:")[0])
        assert pack.document.questions[Question.HARM][0].answer.value == answer
    for word in ("yes", "no", "off", "2020-02-04", "0o17", "0x1F", "1_000", "12:30:00", "Yes", "NULL"):
        title = changed("title: A pack", f"title: {word} it is")
        assert compile_pack(title).document.title == f"{word} it is"
        signals = changed("match.count: 1", f"upload.language: {word}")
        assert compile_pack(signals).document.cases[0].facts["upload.language"] == word


def test_a_pack_is_named_by_its_very_bytes() -> None:
    one, other = compile_pack(GOOD), compile_pack(GOOD + "\n")
    assert one.sha256 != other.sha256
    assert one.document == other.document
    assert compile_pack(GOOD).sha256 == one.sha256


SOUP = [
    *("pack", "rules", "when", "then", "cases", "facts", ": ", ":\n", "- ", "\n", "\n  ", "\n    ", "? "),
    *(
        "|\n",
        ">-\n",
        "{",
        "}",
        "[",
        "]",
        ",",
        "'",
        '"',
        "&a",
        "*a",
        "!!x",
        "!",
        "%YAML 1.1\n",
        "---\n",
        "...",
    ),
    *("a-pack", "1.0.0", "allow", "true", "~", "null", "1", "-1.5", "\t", "\0", "\x85", "\u2028", "\ud800"),
    *("#", "\ufeff", "\N{GRINNING FACE}", "<<", "=", "match.found"),
]


@given(st.lists(st.sampled_from(SOUP), max_size=30).map("".join) | st.text(max_size=100))
@settings(max_examples=500, deadline=None)
def test_whatever_is_written_is_a_pack_or_is_refused(text: str) -> None:
    _compiled_or_refused(text)


@given(
    st.integers(0, len(GOOD)), st.integers(0, 20), st.lists(st.sampled_from(SOUP), max_size=3).map("".join)
)
@settings(max_examples=500, deadline=None)
def test_a_pack_that_is_changed_anywhere_is_a_pack_or_is_refused(at: int, length: int, new: str) -> None:
    _compiled_or_refused(GOOD[:at] + new + GOOD[at + length :])


def _compiled_or_refused(text: str) -> None:
    try:
        compile_pack(text)
    except BadPack as error:
        refused = error
    else:
        return
    lines = text.count("\n") + text.count("\x85") + text.count("\u2028") + 2
    assert refused.flaws
    assert all(1 <= flaw.line <= lines and flaw.reason for flaw in refused.flaws)


def plain(text: str) -> dict[str, Any]:
    """A pack as it is, in JSON: read here without the registry's own reader."""
    read: dict[str, Any] = yaml.load(text, Loader=yaml.BaseLoader)  # makes strings only
    return read


def validator() -> Any:
    return jsonschema_rs.validator_for(json.loads(json.dumps(json_schema())))


@pytest.mark.parametrize("path", sorted(SHIPPED_FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_packs_are_valid_by_the_published_schema(path: Any) -> None:
    text = path.read_text("utf-8")
    compile_pack(text)
    document = plain(text)
    document["cases"] = [{**case, "facts": {}} for case in document.get("cases", [])]
    validator().validate(document)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    then: label\n", "    thne: label\n"),
        ("    then: label\n", "    then: remove\n"),
        ("version: 1.0.0", "version: 1.0"),
        ("version: 1.0.0", "version: 1.0.0\nextra: 1"),
        ("pack: a-pack", "pack: A Pack"),
        ("title: A pack", "title: A"),
        ("title: A pack", "subtitle: A pack"),
        ("  - id: edited", "  - id: Edited!"),
        ("    label: edited", "    label: Edited!"),
        ("    account: warn", "    account: shoot"),
        ("    dsa: {ground: illegal}", "    dsa: {ground: immoral}"),
        ("      answer: yes", "      answer: perhaps"),
        ("  harm:\n", "  hamr:\n"),
        ("otherwise: {then: allow}", "otherwise: {}\nreference: ftp://example.org"),
        ("    en: This was edited.", "    en: " + "x" * 301),
        ("why_in: {de: ", "why_in: {deutsch!: "),
    ],
)
def test_what_the_published_schema_refuses_is_refused(old: str, new: str) -> None:
    assert validator().is_valid(plain(GOOD))
    text = changed(old, new)
    assert not validator().is_valid(plain(text))
    flaws_of(text)


def test_the_published_schema_names_every_outcome_and_itself() -> None:
    schema = json_schema()
    assert schema["$defs"]["Outcome"]["enum"] == [one.value for one in Outcome]
    assert schema["$id"] == "urn:trueprint:policy-pack"
    assert schema["additionalProperties"] is False
    jsonschema_rs.meta.validate(schema)


def test_patterns_are_few_in_all_of_a_pack() -> None:
    rules = "".join(
        f"  - {{id: r{number}, when: upload.text.matches('a{number}'), then: hold, why: A test.}}\n"
        for number in range(31)
    )
    text = f"pack: many\nversion: 1.0.0\ntitle: Many patterns\nsummary: For a test.\nrules:\n{rules}"
    flaw = flaw_of(text)
    assert (flaw.where, flaw.line) == ("rules[30].when", 36)
    assert flaw.reason == "matches() can stand 30 times in a pack"


def test_cases_that_take_too_long_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "CASES_WITHIN_S", -1)
    result = run_cases(compile_pack(GOOD))
    assert not result.ok
    assert all(case.got.startswith("failed: not run: the cases before it took") for case in result.cases)


@pytest.mark.parametrize("address", ["https://x/\\0", "https://x/\\u202e", "https://x/é"])
def test_an_address_has_no_hidden_characters(address: str) -> None:
    flaws_of(changed("otherwise: {then: allow}", f'otherwise: {{then: allow}}\nreference: "{address}"'))


def test_a_version_is_written_in_plain_digits() -> None:
    flaws_of(changed("version: 1.0.0", "version: \uff11.0.0"))
