"""Describes the endpoints of the gate, of decisions and of policies; `Client.send` sends them."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from os import PathLike
from typing import Any

from sdk import models
from sdk.calls import Call, idempotent, typed, unwaited
from sdk.models import Outcome

# Of a hold and of a refusal the body is a decision, too.
FILTERS = (
    *("outcome", "state", "rule", "policy", "content_ref", "uploader_ref", "record", "since", "until"),
    "dry_runs",
)
DECIDES_WITH = (Outcome.HOLD.http_status, Outcome.REFUSE.http_status)


def decide(
    content: bytes | models.FingerprintQuery,
    context: models.GateContext,
    idempotency_key: str | None,
    *,
    webhook: str | None = None,
    wait: bool = True,
) -> Call[models.Decision]:
    """POST /v1/gate, multipart; with `wait=False` a video is held at once, and worked on.

    Raises TypeError: a path would be sent as if it were the file.
    """
    if isinstance(content, str | PathLike):
        raise TypeError("give the bytes of the file, `Path(...).read_bytes()`, or a FingerprintQuery")
    if not isinstance(context, models.GateContext):
        raise TypeError("the context is a GateContext; of a dict, `GateContext(**that)`")
    data = {"context": context.model_dump_json(exclude_defaults=True)}
    if webhook is not None:
        data["webhook"] = webhook
    if isinstance(content, models.FingerprintQuery):
        data["fingerprints"] = content.model_dump_json()
        files: dict[str, Any] = {"empty": (None, "")}  # makes it multipart
    else:
        files = {"media": ("media", content)}
    headers = idempotent(idempotency_key or str(uuid.uuid4())) | unwaited(wait)
    options: dict[str, Any] = {"files": files, "data": data, "headers": headers}
    return Call("POST", "/v1/gate", typed(models.Decision), options, answers_with=DECIDES_WITH)


def list_decisions(
    *, cursor: str | None = None, limit: int = 100, wanted: Mapping[str, Any] | None = None
) -> Call[models.DecisionPage]:
    """GET /v1/decisions; `wanted`: values of FILTERS. Raises TypeError for one that is none."""
    unknown = set(wanted or {}) - set(FILTERS)
    if unknown:
        raise TypeError(f"{', '.join(sorted(unknown))}: the filters are {', '.join(FILTERS)}")
    said = {"cursor": cursor, "limit": limit, **(wanted or {})}
    params = {name: _plain(value) for name, value in said.items() if value is not None}
    return Call("GET", "/v1/decisions", typed(models.DecisionPage), {"params": params})


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def list_statements(
    *, cursor: str | None = None, limit: int = 100, since: datetime | None = None
) -> Call[models.StatementPage]:
    """GET /v1/decisions/statements."""
    said = {"cursor": cursor, "limit": limit, "since": since}
    params = {name: _plain(value) for name, value in said.items() if value is not None}
    return Call("GET", "/v1/decisions/statements", typed(models.StatementPage), {"params": params})


def get_decision(decision: str) -> Call[models.Decision]:
    """GET /v1/decisions/{id}."""
    return Call("GET", f"/v1/decisions/{decision}", typed(models.Decision))


def decision_history(decision: str) -> Call[list[models.Decision]]:
    """GET /v1/decisions/{id}/history."""
    return Call("GET", f"/v1/decisions/{decision}/history", typed(list[models.Decision]))


def review_decision(decision: str, review: models.NewDecisionReview) -> Call[models.Decision]:
    """POST /v1/decisions/{id}/review."""
    path, body = f"/v1/decisions/{decision}/review", {"json": review.model_dump(mode="json")}
    return Call("POST", path, typed(models.Decision), body, repeatable=False)


def policy_facts() -> Call[list[models.FactRow]]:
    """GET /v1/policy-facts."""
    return Call("GET", "/v1/policy-facts", typed(list[models.FactRow]))


def list_packs() -> Call[list[models.PackSummary]]:
    """GET /v1/policy-packs."""
    return Call("GET", "/v1/policy-packs", typed(list[models.PackSummary]))


def get_pack(named: str) -> Call[models.PolicyPack]:
    """GET /v1/policy-packs/{named}."""
    return Call("GET", f"/v1/policy-packs/{named}", typed(models.PolicyPack))


def add_pack(text: str) -> Call[models.PolicyPack]:
    """POST /v1/policy-packs."""
    return Call("POST", "/v1/policy-packs", typed(models.PolicyPack), {"json": {"text": text}})


def check_pack(text: str) -> Call[models.PackCheck]:
    """POST /v1/policy-packs/check."""
    return Call("POST", "/v1/policy-packs/check", typed(models.PackCheck), {"json": {"text": text}})


def run_pack_cases(text: str) -> Call[models.PackTest]:
    """POST /v1/policy-packs/test."""
    return Call("POST", "/v1/policy-packs/test", typed(models.PackTest), {"json": {"text": text}})


def backtest(new: models.NewBacktest) -> Call[models.Replay]:
    """POST /v1/policy-packs/backtest."""
    body = {"json": new.model_dump(mode="json")}
    return Call("POST", "/v1/policy-packs/backtest", typed(models.Replay), body)


def shadow(days: int, limit: int) -> Call[models.Replay | None]:
    """GET /v1/policy-shadow."""
    params = {"params": {"days": days, "limit": limit}}
    return Call("GET", "/v1/policy-shadow", typed(models.Replay | None), params)


def activate(
    named: str, why: str, mode: models.ActivationMode = models.ActivationMode.ACTIVE
) -> Call[models.Activation]:
    """POST /v1/policy-packs/{named}/activate."""
    path, body = f"/v1/policy-packs/{named}/activate", {"json": {"mode": mode.value, "why": why}}
    return Call("POST", path, typed(models.Activation), body, repeatable=False)


def confirm(activation: int) -> Call[models.Activation]:
    """POST /v1/policy-activations/{number}/confirm."""
    path = f"/v1/policy-activations/{activation}/confirm"
    return Call("POST", path, typed(models.Activation), repeatable=False)


def roll_back(why: str) -> Call[models.Activation]:
    """POST /v1/policy-activations/rollback."""
    path, body = "/v1/policy-activations/rollback", {"json": {"why": why}}
    return Call("POST", path, typed(models.Activation), body, repeatable=False)


def list_activations() -> Call[list[models.Activation]]:
    """GET /v1/policy-activations."""
    return Call("GET", "/v1/policy-activations", typed(list[models.Activation]))


def gate_settings() -> Call[models.GateSettings]:
    """GET /v1/gate-settings."""
    return Call("GET", "/v1/gate-settings", typed(models.GateSettings))


def change_gate_settings(wanted: models.NewGateSettings) -> Call[models.GateSettings]:
    """POST /v1/gate-settings."""
    body = {"json": wanted.model_dump(mode="json")}
    return Call("POST", "/v1/gate-settings", typed(models.GateSettings), body)
