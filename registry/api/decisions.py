"""Endpoints of decisions: an organisation's own, read, listed and reviewed."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from registry.api.deps import BaseUrlDep, DecisionReader, DecisionReviewer, ServicesDep, SessionDep
from registry.gate import decisions
from registry.gate.platform_keys import key_of, uploader_digest
from sdk.models import Decision, DecisionPage, DecisionState, NewDecisionReview, Outcome, StatementPage

router = APIRouter(prefix="/v1/decisions", tags=["decisions"])
LAST_NUMBER = 1 << 62


@router.get("", operation_id="listDecisions")
def list_decisions(
    services: ServicesDep,
    session: SessionDep,
    api_key: DecisionReader,
    cursor: Annotated[str | None, Query(max_length=20, pattern=r"^\d+$")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    outcome: Outcome | None = None,
    state: DecisionState | None = None,
    rule: Annotated[str | None, Query(max_length=60)] = None,
    policy: Annotated[str | None, Query(pattern=r"^[0-9a-f]{64}$", description="SHA-256")] = None,
    content_ref: Annotated[str | None, Query(max_length=200)] = None,
    uploader_ref: Annotated[str | None, Query(max_length=200)] = None,
    record: Annotated[str | None, Query(max_length=100)] = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    dry_runs: bool | None = None,
) -> DecisionPage:
    """Returns decisions of the API key's own organisation, the newest first."""
    platform_key = key_of(services.webhook_key, api_key.publisher_id)
    wanted = decisions.DecisionFilter(
        before=None if cursor is None else min(int(cursor), LAST_NUMBER),
        outcome=outcome,
        state=state,
        rule=rule,
        policy=policy,
        content_ref=content_ref,
        uploader=None if uploader_ref is None else uploader_digest(platform_key, uploader_ref),
        record=record,
        since=since,
        until=until,
        dry_runs=dry_runs,
    )
    return decisions.list_decisions(session, api_key.publisher_id, wanted, limit)


@router.get("/statements", operation_id="listDsaStatements")
def list_statements(
    session: SessionDep,
    api_key: DecisionReader,
    cursor: Annotated[str | None, Query(max_length=20, pattern=r"^\d+$")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    since: AwareDatetime | None = None,
) -> StatementPage:
    """Returns what the DSA Transparency Database is owed: the statement of every entry that has one."""
    before = None if cursor is None else min(int(cursor), LAST_NUMBER)
    return decisions.list_statements(session, api_key.publisher_id, before, since, limit)


@router.get("/{decision_id}", operation_id="getDecision")
def get_decision(decision_id: str, session: SessionDep, api_key: DecisionReader) -> Decision:
    """Returns one decision as it is now."""
    return decisions.get_decision(session, api_key.publisher_id, decision_id)


@router.get("/{decision_id}/history", operation_id="getDecisionHistory")
def get_history(decision_id: str, session: SessionDep, api_key: DecisionReader) -> list[Decision]:
    """Returns everything that was noted of a decision, the oldest first."""
    return decisions.history(session, api_key.publisher_id, decision_id)


@router.post("/{decision_id}/review", operation_id="reviewDecision")
def review(
    decision_id: str,
    new: NewDecisionReview,
    services: ServicesDep,
    session: SessionDep,
    api_key: DecisionReviewer,
    _: DecisionReader,
    base_url: BaseUrlDep,
) -> Decision:
    """Notes what a person decided of an upload that was held, or otherwise than the rule."""
    return decisions.review(
        session, services.signer, services.webhook_key, api_key, decision_id, new, base_url
    )
