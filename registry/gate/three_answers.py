"""The three questions of 2020: who or what answers each, and on what evidence.

In this order: whom the platform names, the policy's own inferences, and of the first question the
comparison. What nobody answers is unknown, and stays so: no machine says that something does harm.
"""

from registry.gate.evaluation import Ruling
from sdk.models import GateContext, Question, QuestionAnswer, YesNo

POLICY, COMPARISON, NOBODY = "policy", "comparison", "nobody"
NOT_ANSWERED = "Nobody has answered this."


def answers_of(context: GateContext, ruling: Ruling) -> tuple[QuestionAnswer, ...]:
    """All three, as a decision tells them."""
    return tuple(_answer_to(question, context, ruling) for question in Question)


def _answer_to(question: Question, context: GateContext, ruling: Ruling) -> QuestionAnswer:
    given = context.answers.get(question)
    if given is not None and given.answer is not YesNo.UNKNOWN:
        return QuestionAnswer(
            question=question, answer=given.answer, by=given.by, evidence=given.reason or ""
        )
    inferred = ruling.inferred.get(question)
    if inferred is None:
        return QuestionAnswer(question=question, answer=YesNo.UNKNOWN, by=NOBODY, evidence=NOT_ANSWERED)
    by = COMPARISON if inferred.by_comparison else POLICY
    return QuestionAnswer(question=question, answer=inferred.answer, by=by, evidence=inferred.why)
