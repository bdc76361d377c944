"""Policy packs: checked and compiled once, named by the SHA-256 of their text; those that are shipped."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from registry.errors import BadPack
from registry.gate.conditions import BadCondition, Condition, compile_condition, nearest
from registry.gate.facts import BY_NAME, flaw_of
from registry.gate.pack_schema import (
    OTHERWISE,
    Case,
    DsaTerms,
    Inference,
    Otherwise,
    PackDocument,
    Part,
    Rule,
)
from registry.gate.pack_text import BadPackText, PackText
from sdk.flaws import WORDS, flaws_in_words
from sdk.models import Outcome, PackFlaw, Question

NOT_KNOWN = WORDS["extra_forbidden"]
SHIPPED_FOLDER = Path(__file__).parent / "shipped"
PACKS_KEPT = 256  # compiled, in this process
MOST_PATTERNS_OF_PACK = 30  # a slow one takes 2 ms of a long text, and every upload is asked them
MOST_FLAWS_TOLD = 100  # each that names what is near costs some milliseconds

PARTS: Mapping[str, type[Part]] = {
    "rules": Rule,
    "otherwise": Otherwise,
    "dsa": DsaTerms,
    "questions": Inference,
    "cases": Case,
}


@dataclass(frozen=True)
class CompiledRule:
    """A rule and its condition."""

    rule: Rule
    condition: Condition


@dataclass(frozen=True)
class CompiledInference:
    """An answer that follows from facts, and its condition."""

    inference: Inference
    condition: Condition


@dataclass(frozen=True)
class Pack:
    """A checked pack, ready to decide."""

    document: PackDocument
    text: str
    sha256: str
    questions: Mapping[Question, tuple[CompiledInference, ...]]
    rules: tuple[CompiledRule, ...]
    facts: tuple[str, ...]  # that its conditions read

    @property
    def reads_what_is_not_kept(self) -> bool:
        """Whether some rule cannot be replayed."""
        return any(not BY_NAME[name].is_kept for name in self.facts)

    def rule_named(self, rule_id: str) -> Rule | Otherwise | None:
        """The rule with an id; None: the pack has none."""
        if rule_id == OTHERWISE:
            return self.document.otherwise
        return next((one.rule for one in self.rules if one.rule.id == rule_id), None)


def digest_of(text: str) -> str:
    """The SHA-256 that names a pack."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache(PACKS_KEPT)
def compile_pack(text: str) -> Pack:
    """Checks and compiles a pack. Raises BadPack with every flaw."""
    try:
        read = PackText(text.encode("utf-8", "surrogatepass"))
    except BadPackText as error:
        raise BadPack((PackFlaw(line=error.line, where="", reason=error.reason),)) from None
    try:
        document = PackDocument.model_validate(read.value)
    except ValidationError as error:
        raise BadPack(tuple(islice(_schema_flaws(read, error), MOST_FLAWS_TOLD))) from None
    flaws = list(islice(_flaws(read, document), MOST_FLAWS_TOLD))
    if flaws:
        raise BadPack(tuple(flaws))
    questions = {
        question: tuple(CompiledInference(one, compile_condition(one.when)) for one in inferences)
        for question, inferences in document.questions.items()
    }
    rules = tuple(CompiledRule(rule, compile_condition(rule.when)) for rule in document.rules)
    conditions = [one.condition for one in rules]
    conditions += [one.condition for inferences in questions.values() for one in inferences]
    answers = tuple(f"answers.{question.value}" for question in questions)
    named = (*answers, *(fact for condition in conditions for fact in condition.facts))
    return Pack(document, text, digest_of(text), questions, rules, tuple(dict.fromkeys(named)))


@cache
def shipped_packs() -> Mapping[str, Pack]:
    """The packs that come with this program, by name."""
    packs = [compile_pack(path.read_text("utf-8")) for path in sorted(SHIPPED_FOLDER.glob("*.yaml"))]
    return {pack.document.pack: pack for pack in packs}


def _schema_flaws(read: PackText, error: ValidationError) -> Iterator[PackFlaw]:
    for place, reason in flaws_in_words(error.errors()):
        where = _path_in_words(place)
        if reason == NOT_KNOWN:
            reason += nearest(str(place[-1]), _fields_beside(place))
        yield PackFlaw(line=read.line_at(place), where=where, reason=reason)


def _fields_beside(place: tuple[int | str, ...]) -> tuple[str, ...]:
    """What the part of a pack has that an unknown field stands in."""
    named = [step for step in place[:-1] if isinstance(step, str)]
    part = next((PARTS[name] for name in reversed(named) if name in PARTS), PackDocument)
    return tuple(part.model_fields)


def _path_in_words(place: tuple[int | str, ...]) -> str:
    words = ""
    for step in place:
        words += f"[{step}]" if isinstance(step, int) else f".{step}" if words else step
    return words


def _flaws(read: PackText, document: PackDocument) -> Iterator[PackFlaw]:
    """Everything that the schema cannot say."""
    yield from _condition_flaws(read, document)
    yield from _rule_flaws(read, document)
    yield from _case_flaws(read, document)


def _condition_flaws(read: PackText, document: PackDocument) -> Iterator[PackFlaw]:
    places: list[tuple[tuple[str | int, ...], str]] = [
        (("rules", number, "when"), rule.when) for number, rule in enumerate(document.rules)
    ]
    for question, inferences in document.questions.items():
        for number, one in enumerate(inferences):
            where: tuple[str | int, ...] = ("questions", question.value, number, "when")
            places.append((where, one.when))
            if f"answers.{question.value}" in one.when:
                reason = f"answers.{question.value} is what this answers"
                yield PackFlaw(line=read.line_at(where), where=_path_in_words(where), reason=reason)
    patterns = 0
    for where, text in places:
        try:
            patterns += compile_condition(text).patterns
            if patterns > MOST_PATTERNS_OF_PACK:
                reason = f"matches() can stand {MOST_PATTERNS_OF_PACK} times in a pack"
                yield PackFlaw(line=read.line_at(where), where=_path_in_words(where), reason=reason)
                return
        except BadCondition as error:
            for flaw in error.flaws:
                line = read.line_in(where, flaw.at, text)
                yield PackFlaw(line=line, where=_path_in_words(where), reason=flaw.reason)


def _rule_flaws(read: PackText, document: PackDocument) -> Iterator[PackFlaw]:
    seen: set[str] = {OTHERWISE}
    for number, rule in enumerate(document.rules):
        place: tuple[str | int, ...] = ("rules", number)
        if rule.id in seen:
            yield _flaw(read, (*place, "id"), f"another rule has the id {rule.id}")
        seen.add(rule.id)
        if rule.label is not None and rule.label not in document.labels:
            meant = nearest(rule.label, tuple(document.labels))
            yield _flaw(read, (*place, "label"), f"the pack has no label {rule.label}{meant}")
        if rule.then is Outcome.LABEL and rule.label is None:
            yield _flaw(read, (*place, "then"), "a rule that labels names one of the pack's labels")
        if rule.label is not None and rule.then in (Outcome.ALLOW, Outcome.REFUSE):
            yield _flaw(read, (*place, "label"), f"nothing is labelled by {rule.then.value}")
        if rule.account is not None and rule.then in (Outcome.ALLOW, Outcome.HOLD):
            yield _flaw(read, (*place, "account"), f"an account is not restricted by {rule.then.value}")
    if document.otherwise.then is Outcome.LABEL:
        yield _flaw(read, ("otherwise", "then"), "only a rule labels")
    for key, texts in document.labels.items():
        if "en" not in texts:
            yield _flaw(read, ("labels", key), "a label has a text in English (en)")


def _case_flaws(read: PackText, document: PackDocument) -> Iterator[PackFlaw]:
    rules = {rule.id for rule in document.rules} | {OTHERWISE}
    for number, case in enumerate(document.cases):
        place: tuple[str | int, ...] = ("cases", number)
        for name, value in case.facts.items():
            fact = BY_NAME.get(name)
            reason = (
                f"there is no fact {name}{nearest(name, tuple(BY_NAME))}"
                if fact is None
                else flaw_of(fact, value)
            )
            if reason is not None:
                yield _flaw(read, (*place, "facts", name), reason)
        if case.rule is not None and case.rule not in rules:
            meant = nearest(case.rule, sorted(rules))
            yield _flaw(read, (*place, "rule"), f"the pack has no rule {case.rule}{meant}")


def _flaw(read: PackText, place: tuple[str | int, ...], reason: str) -> PackFlaw:
    return PackFlaw(line=read.line_at(place), where=_path_in_words(place), reason=reason)
