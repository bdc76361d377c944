"""Policy packs: what is wrong with one, what it makes of cases and of past decisions, which one counts."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from sdk.models.base import PackFlaw, Wire
from sdk.models.gate import Outcome
from sdk.records import ShownText


class GateSettings(Wire):
    """How an organisation's gate works."""

    two_people: bool = False  # whether a second key must confirm what one wants to activate
    one_person_asked_by: str | None = None  # id of the key that wants to end that; another key ends it
    retention_days: int = Field(default=730, ge=1, le=3650)  # then facts and statement are deleted
    dispute_url: str | None = Field(
        default=None, description="where uploaders dispute; `{content_ref}` is replaced"
    )


class NewGateSettings(Wire):
    """What of it is to change; what is not named stays."""

    two_people: bool | None = None
    retention_days: int | None = Field(default=None, ge=1, le=3650)
    dispute_url: str | None = Field(
        default=None, max_length=500, pattern=r"^(https://[!#-&(-;=?-~]+)?$", description="empty: none"
    )


class PackSummary(Wire):
    """A policy pack, without its text."""

    name: str
    version: str
    sha256: str
    title: str
    rules: int
    cases: int
    shipped: bool
    active: bool = False
    shadow: bool = False
    added_at: datetime | None = None
    page: str


class PolicyPack(PackSummary):
    """A policy pack with its text, byte for byte what the SHA-256 is of."""

    text: str


class PackCheck(Wire):
    """Whether a pack can be used, and what is wrong with it if not."""

    ok: bool
    name: str | None = None
    version: str | None = None
    sha256: str
    flaws: tuple[PackFlaw, ...] = ()


class CaseResult(Wire):
    """What a pack made of one of its cases."""

    name: str
    passed: bool
    expected: str
    got: str
    rule: str


class PackTest(Wire):
    """What a pack made of all its cases."""

    ok: bool
    sha256: str
    cases: tuple[CaseResult, ...]


class ActivationMode(StrEnum):
    """What a pack is switched on for."""

    ACTIVE = "active"
    SHADOW = "shadow"
    SHADOW_ENDED = "shadow_ended"


class NewActivation(Wire):
    """A pack to be switched on."""

    mode: ActivationMode = ActivationMode.ACTIVE
    why: Annotated[ShownText, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        max_length=500
    )


class Activation(Wire):
    """A pack that was switched on, or waits for a second person: who, when and why."""

    number: int
    mode: ActivationMode
    pack: str
    version: str
    sha256: str
    why: str
    asked_by: str  # id of an API key
    asked_at: datetime
    confirmed_by: str | None = None  # where two people are asked for
    effective_at: datetime | None = None  # None: it waits for a second person
    rollback_of: int | None = None


class Changed(Wire):
    """One decision that would have another outcome."""

    decision: str
    at: datetime
    content_ref: str | None
    kind: str  # of the verdict
    before: Outcome
    rule_before: str
    after: Outcome
    rule_after: str


class ChangedCount(Wire):
    """How many decisions would change in one way."""

    before: Outcome
    rule_before: str
    after: Outcome
    rule_after: str
    kind: str
    count: int


class Replay(Wire):
    """What a pack would have made of decisions that were taken: counts first, then each that differs."""

    sha256: str
    against: str | None  # SHA-256 of the other pack; None: what was decided
    since: datetime
    decisions: int
    changed: int
    cannot_tell: int  # a rule reads what is not kept
    complete: bool = True  # else only the newest decisions of that time were looked at
    outcomes_before: dict[Outcome, int]
    outcomes_after: dict[Outcome, int]
    counts: tuple[ChangedCount, ...]
    uploads: tuple[Changed, ...]  # the newest first, at most as many as were asked for


class NewPack(Wire):
    """A policy pack to be checked, tested or kept."""

    text: str = Field(min_length=1, max_length=256 * 1024, description="YAML")


class NewBacktest(Wire):
    """A pack to be replayed over the decisions of the last days: one that is kept, or a text."""

    pack: str | None = Field(default=None, max_length=120, description="name, name@version or SHA-256")
    text: str | None = Field(default=None, max_length=256 * 1024, description="YAML, in place of it")
    against: str | None = Field(
        default=None, max_length=120, description="another pack; what was decided when unset"
    )
    against_text: str | None = Field(
        default=None, max_length=256 * 1024, description="YAML, in place of it"
    )
    days: int = Field(default=30, ge=1, le=3650)
    limit: int = Field(default=1000, ge=0, le=10_000, description="uploads that are listed")


class NewRollback(Wire):
    """Why the policy before the active one is switched on again."""

    why: Annotated[ShownText, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        max_length=500
    )


class FactRow(Wire):
    """One fact that conditions read (docs/policy-facts.md)."""

    name: str
    type: str
    meaning: str
    words: tuple[str, ...] = ()  # that it can be, or hold
    kept: bool = True  # whether decisions keep it, so that rules that read it can be replayed
