"""Decisions of the gate: what was decided of an upload, by which rule, on what evidence."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, JsonValue, StringConstraints

from sdk.models.base import Wire
from sdk.models.gate import SHA256, AccountAction, GivenException, Name, Outcome, Question, YesNo
from sdk.models.matching import MatchAnswer
from sdk.records import ShownText


class DecisionState(StrEnum):
    """How a decision came to its outcome, or why it has none yet."""

    DECIDED = "decided"  # by a rule
    WAITING = "waiting"  # a video is being worked on
    FAILED = "failed"  # time ran out or something broke: the caller's `on_failure`
    LATE = "late"  # by a rule, after the caller was answered with its `on_failure`
    REVIEWED = "reviewed"  # by a person


class AppliedRule(Wire):
    """The rule that decided, and where to read it."""

    pack: str
    version: str
    sha256: Annotated[str, Field(pattern=SHA256)]  # of the pack's text
    rule: str  # id, or `otherwise`
    why: str  # a sentence
    page: str  # path of the page that shows the rule


class QuestionAnswer(Wire):
    """One of the three answers: who or what gave it, and on what evidence."""

    question: Question
    answer: YesNo
    by: str  # `comparison`, `registry`, `policy`, or the name that the platform gave
    evidence: str


class DecisionLabel(Wire):
    """What a platform is told to write beside the upload."""

    key: str
    text: str  # in the language that was asked for, or the nearest that the pack has
    language: str


class Failure(Wire):
    """What went wrong; docs/problems.md lists the codes."""

    code: str
    detail: str


class Timings(Wire):
    """How long each part took, in milliseconds."""

    match_ms: float
    facts_ms: float
    rules_ms: float


class ChangeShown(Wire):
    """One thing that was done to the registered asset, without numbers."""

    type: str
    degree: str
    where: str | None = None  # in words, of the upload
    seconds: tuple[float, float] | None = None  # of the upload, where it is a video


class EvidenceSummary(Wire):
    """What the decision rests on, in words; no picture and no fingerprint."""

    verdict: str
    sentence: str
    record: str | None = None  # id of the record that it is about
    label: str | None = None  # of that record
    publisher: str | None = None  # name of who registered it
    strength: str | None = None
    relation: str | None = None
    verified: bool = False  # whether pictures were compared, not only fingerprints
    intimate: bool = False
    changes: tuple[ChangeShown, ...] = ()
    uncertain: tuple[str, ...] = ()


class StatementOfReasons(Wire):
    """Why, for the uploader, and as the DSA Transparency Database takes it."""

    language: str
    paragraphs: tuple[str, ...]
    dispute_until: date
    # A statement of the DSA Transparency Database; None: the uploader is restricted in nothing.
    dsa: dict[str, JsonValue] | None = None


class DecisionLinks(Wire):
    """Where a decision is explained and disputed: addresses of this registry, or the platform's own."""

    decision: str  # for the platform, with an API key
    explain: str  # a page for the uploader, whose address nobody can guess
    dispute: str


class PersonsReview(Wire):
    """What a person decided of an upload that was held, or otherwise than the rule."""

    by: Name
    reason: Annotated[ShownText, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        max_length=1000
    )
    confirmed: bool  # whether the upload breaks the policy
    answers: dict[Question, YesNo] = Field(default_factory=dict)


class NewDecisionReview(PersonsReview):
    """A review to be noted, and the outcome that it leads to."""

    outcome: Outcome
    account_action: AccountAction | None = None


class Decision(Wire):
    """What a platform's own policy makes of an upload, signed, one link of the platform's chain."""

    id: str
    platform: str  # id of the organisation
    state: DecisionState
    at: datetime
    outcome: Outcome
    account_action: AccountAction | None = None
    label: DecisionLabel | None = None
    rule: AppliedRule | None = None
    answers: tuple[QuestionAnswer, ...] = ()
    evidence: EvidenceSummary | None = None
    facts: dict[str, JsonValue] = Field(default_factory=dict)  # docs/policy-facts.md
    policy: str | None = None  # SHA-256 of the pack that was asked
    content_ref: str | None = None
    uploader: str | None = None  # digest of `uploader_ref` under a key of the platform's
    content: str | None = None  # digest of the file's digest under the same key
    idempotency_key: str | None = None
    request_sha256: str | None = None  # what the Idempotency-Key is good for
    exceptions: tuple[GivenException, ...] = ()
    on_failure: Outcome = Outcome.HOLD
    dry_run: bool = False
    failure: Failure | None = None
    job: str | None = None  # id, while a video is worked on
    review: PersonsReview | None = None
    language: str = "en"  # that the statement was asked for in
    content_date: date | None = None
    statement: StatementOfReasons | None = None
    links: DecisionLinks
    timings: Timings | None = None
    shadow: AppliedRule | None = None  # what the pack that runs in its shadow would have applied
    shadow_outcome: Outcome | None = None
    # The entry of the platform's chain that holds this, and the digest of the one before.
    number: Annotated[int, Field(ge=0)]
    previous: Annotated[str, Field(pattern=SHA256)]
    api_key: str | None = None  # id of the key that asked, or whose holder reviewed
    match_sha256: str | None = None  # digest of the match answer, `sdk.answers.answer_digest`
    match: MatchAnswer | None = None  # in the gate's own answer; it is not kept
    signature: str | None = None  # by the registry; `sdk.decisions.verify_decision` checks it


class StatementPage(Wire):
    """Some statements for the DSA Transparency Database, the newest first."""

    statements: tuple[dict[str, JsonValue], ...]
    next: str | None = None  # cursor of those before


class DecisionPage(Wire):
    """Some decisions, the newest first."""

    decisions: tuple[Decision, ...]
    next: str | None = None  # cursor of those before
