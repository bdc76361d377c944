"""What another policy would have made of decisions that were taken: from their facts, without any media."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlmodel import Session, col, select

from registry.gate.activation import standing_of
from registry.gate.decisions import bodies_of
from registry.gate.evaluation import RuleFailed, rule_on
from registry.gate.facts import BY_NAME, UNKNOWN, Value
from registry.gate.packs import Pack
from registry.storage.models import Decision as DecisionRow
from registry.storage.models.columns import now
from sdk.models import Changed, ChangedCount, Decision, DecisionState, Outcome, Replay

ROWS_AT_ONCE = 500
MOST_REPLAYED = 20_000  # in a request: some seconds; `complete` says whether there were more
BY_RULES = (DecisionState.DECIDED.value, DecisionState.LATE.value, DecisionState.REVIEWED.value)
CANNOT_TELL, REVIEW = "cannot_tell", "review"  # in place of the id of a rule


@dataclass(frozen=True)
class _Made:
    """What a pack makes of one decision's facts; the outcome None: it cannot be told."""

    outcome: Outcome | None
    rule: str


class _Change(NamedTuple):
    """One way in which decisions would change."""

    before: Outcome
    rule_before: str
    after: Outcome
    rule_after: str
    kind: str  # of the verdict


class _Tally:
    """Counts what would change, and keeps the newest of it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._before: Counter[Outcome] = Counter()
        self._after: Counter[Outcome] = Counter()
        self._changes: Counter[_Change] = Counter()
        self._uploads: list[Changed] = []
        self._decisions = self._cannot_tell = 0
        self.is_complete = True

    def add(self, decision: Decision, before: _Made, after: _Made) -> None:
        """Counts one decision."""
        self._decisions += 1
        if before.outcome is None or after.outcome is None:
            self._cannot_tell += 1
            return
        self._before[before.outcome] += 1
        self._after[after.outcome] += 1
        if before.outcome is after.outcome:
            return
        kind = str(decision.facts.get("verdict.kind", UNKNOWN["verdict.kind"]))
        change = _Change(before.outcome, before.rule, after.outcome, after.rule, kind)
        self._changes[change] += 1
        if len(self._uploads) < self._limit:
            self._uploads.append(
                Changed(
                    decision=decision.id,
                    at=decision.at,
                    content_ref=decision.content_ref,
                    **change._asdict(),
                )
            )

    def result(self, sha256: str, against: str | None, since: datetime) -> Replay:
        """What was counted."""
        return Replay(
            sha256=sha256,
            against=against,
            since=since,
            decisions=self._decisions,
            changed=self._changes.total(),
            cannot_tell=self._cannot_tell,
            complete=self.is_complete,
            outcomes_before=dict(self._before),
            outcomes_after=dict(self._after),
            counts=tuple(
                ChangedCount(count=count, **change._asdict())
                for change, count in self._changes.most_common()
            ),
            uploads=tuple(self._uploads),
        )


def replay(
    session: Session, platform: str, pack: Pack, against: Pack | None, days: int, limit: int
) -> Replay:
    """Every decision of the last days whose outcome a pack would change; counts first.

    `against`: compared with another pack, in place of what was decided.
    """
    since, tally = now() - timedelta(days=days), _Tally(limit)
    for decision in _decisions(session, platform, since, tally):
        before = _decided(decision) if against is None else _made(against, decision)
        tally.add(decision, before, _made(pack, decision))
    return tally.result(pack.sha256, None if against is None else against.sha256, since)


def shadow_report(session: Session, platform: str, days: int, limit: int) -> Replay | None:
    """What the pack in shadow says of the traffic itself, beside what was decided.

    Of the one that runs, or else of the one that ran last; None: it saw no upload.
    """
    since, tally = now() - timedelta(days=days), _Tally(limit)
    sha256 = standing_of(session, platform).shadow
    seen = False
    for decision in _decisions(session, platform, since, tally):
        if decision.shadow is None or decision.shadow_outcome is None:
            continue
        sha256 = sha256 or decision.shadow.sha256
        if decision.shadow.sha256 != sha256:
            break  # what ran in the shadow before
        seen = True
        tally.add(decision, _decided(decision), _Made(decision.shadow_outcome, decision.shadow.rule))
    return tally.result(sha256, None, since) if sha256 is not None and seen else None


def _decisions(session: Session, platform: str, since: datetime, tally: _Tally) -> Iterator[Decision]:
    """Those that a rule took, the newest first, some at a time; dry runs count for nothing here either."""
    before: int | None = None
    left = MOST_REPLAYED
    while left > 0:
        rows = (
            select(DecisionRow)
            .where(DecisionRow.publisher_id == platform, col(DecisionRow.at) >= since)
            .where(col(DecisionRow.is_dry_run).is_(False), col(DecisionRow.state).in_(BY_RULES))
            .where(col(DecisionRow.rule_id).is_not(None))
        )
        if before is not None:
            rows = rows.where(col(DecisionRow.first_number) < before)
        page = list(session.exec(rows.order_by(col(DecisionRow.first_number).desc()).limit(ROWS_AT_ONCE)))
        yield from bodies_of(session, page)
        if len(page) < ROWS_AT_ONCE:
            return
        before, left = page[-1].first_number, left - len(page)
    tally.is_complete = False


def _decided(decision: Decision) -> _Made:
    """What was decided: by a person, where one reviewed it."""
    if decision.review is not None or decision.rule is None:
        return _Made(decision.outcome, REVIEW)
    return _Made(decision.outcome, decision.rule.rule)


def _made(pack: Pack, decision: Decision) -> _Made:
    if any(not BY_NAME[name].is_kept for name in pack.facts):
        return _Made(None, CANNOT_TELL)
    facts: dict[str, Value] = {**UNKNOWN, **_readable(decision)}
    try:
        ruling = rule_on(pack, facts)
    except RuleFailed:
        return _Made(None, CANNOT_TELL)
    return _Made(ruling.outcome, ruling.rule_id)


def _readable(decision: Decision) -> dict[str, Value]:
    """The facts that there still are: a fact may be renamed in a later version of this program."""
    return {name: value for name, value in decision.facts.items() if name in BY_NAME}  # type: ignore[misc]
