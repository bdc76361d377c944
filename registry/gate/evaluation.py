"""What a pack makes of facts: answers to the three questions, then the first rule that holds. Pure.

A question that the platform has not answered is answered by the pack's inferences, and the first one, if
these are silent, by what the comparison found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

import cel

from registry.gate.conditions import Condition, ConditionFailed, context_of
from registry.gate.facts import UNKNOWN, Unclear, Value
from registry.gate.pack_schema import OTHERWISE, Otherwise, Rule
from registry.gate.packs import Pack
from sdk.models import CaseResult, Outcome, PackTest, Question, VerdictKind, YesNo

CASES_WITHIN_S = 10
ALTERED = f"answers.{Question.ALTERED.value}"


@dataclass(frozen=True)
class Inferred:
    """An answer that follows from facts, and the sentence that says why."""

    answer: YesNo
    why: str
    by_comparison: bool = False  # else by the pack


@dataclass(frozen=True)
class Ruling:
    """The rule that decided, and the answers that it was told."""

    outcome: Outcome
    rule_id: str
    rule: Rule | Otherwise
    inferred: Mapping[Question, Inferred]
    facts: Mapping[str, Value]  # with the answers


class RuleFailed(Exception):
    """A condition could not be evaluated; no rule after it was asked."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")


def rule_on(pack: Pack, facts: Mapping[str, Value]) -> Ruling:
    """Asks the questions that are still open, then the rules in their order. Raises RuleFailed."""
    inferred: dict[Question, Inferred] = {}
    known = dict(facts)
    context = context_of(known, pack.facts)
    for question, inferences in pack.questions.items():
        name = f"answers.{question.value}"
        if known[name] != YesNo.UNKNOWN.value:
            continue  # who or what answered before knows more than a rule
        for one in inferences:
            if _holds(one.condition, context, f"questions.{question.value}"):
                inferred[question] = Inferred(one.inference.answer, one.inference.why)
                known[name] = one.inference.answer.value
                context = context_of(known, pack.facts)
                break
    if known[ALTERED] == YesNo.UNKNOWN.value and (seen := by_comparison(known)) is not None:
        inferred[Question.ALTERED] = seen
        known[ALTERED] = seen.answer.value
        context = context_of(known, pack.facts)
    for compiled in pack.rules:
        rule = compiled.rule
        if _holds(compiled.condition, context, rule.id):
            return Ruling(rule.then, rule.id, rule, inferred, known)
    otherwise = pack.document.otherwise
    return Ruling(otherwise.then, OTHERWISE, otherwise, inferred, known)


def by_comparison(facts: Mapping[str, Value]) -> Inferred | None:
    """Whether it is altered, as far as registered assets show it; None: they do not."""
    if not facts["match.sure"] or facts["record.disputed"]:
        return None
    kind, changes = facts["verdict.kind"], facts["match.changes_content"]
    if kind == VerdictKind.KNOWN_FAKE.value:
        return Inferred(YesNo.YES, "It shows what makes a registered fake false.", by_comparison=True)
    if kind == VerdictKind.AI_GENERATED.value:
        return Inferred(YesNo.YES, "It is registered as made by an AI model.", by_comparison=True)
    if kind not in (VerdictKind.REGISTERED_ORIGINAL.value, VerdictKind.DERIVATIVE_OF_ORIGINAL.value):
        return None
    if not changes and facts["upload.unclear"] in ([], [Unclear.DIRECTION.value]):
        return Inferred(YesNo.NO, "It shows what the registered original shows.", by_comparison=True)
    # Where it is not shown which of the two was made from the other, the registered one may be the altered.
    is_from_it = facts["match.direction"] == "from_reference"
    if changes and is_from_it and facts["verdict.severity"] in ("misleading_capable", "person_altered"):
        why = "Compared with the registered original, its content was changed."
        return Inferred(YesNo.YES, why, by_comparison=True)
    return None


def _holds(condition: Condition, context: cel.Context, where: str) -> bool:
    try:
        return condition.holds(context)
    except ConditionFailed as error:
        raise RuleFailed(where, str(error)) from None


def run_cases(pack: Pack) -> PackTest:
    """Runs the cases of a pack; those that are not done in time have failed."""
    cases = []
    until = monotonic() + CASES_WITHIN_S
    for case in pack.document.cases:
        try:
            if monotonic() > until:
                raise RuleFailed("not run", f"the cases before it took {CASES_WITHIN_S} seconds")
            ruling = rule_on(pack, {**UNKNOWN, **case.facts})
            got, rule = ruling.outcome.value, ruling.rule_id
        except RuleFailed as error:
            got, rule = f"failed: {error}", ""
        passed = got == case.then.value and case.rule in (None, rule)
        expected = case.then.value if case.rule is None else f"{case.then.value} by {case.rule}"
        cases.append(CaseResult(name=case.name, passed=passed, expected=expected, got=got, rule=rule))
    return PackTest(ok=all(case.passed for case in cases), sha256=pack.sha256, cases=tuple(cases))
