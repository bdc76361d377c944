"""Describes every endpoint: its request, and the type of its answer. `client` sends them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from sdk import models
from sdk.encodings import parse_object

T = TypeVar("T")


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request; `parse` turns the body of its answer into a value."""

    method: str
    path: str
    parse: Callable[[bytes], T]
    options: dict[str, Any] = field(default_factory=dict)
    repeatable: bool = True  # whether sending it twice has the effect of sending it once
    answers_with: tuple[int, ...] = ()  # statuses beside 2xx whose body is the answer, and no problem


def typed(kind: Any) -> Callable[[bytes], Any]:
    """What turns JSON into a value of this type."""
    return TypeAdapter(kind).validate_json


def enrol(new: models.NewPublisher) -> Call[models.Publisher]:
    """POST /v1/publishers."""
    body = new.model_dump(mode="json")
    return Call("POST", "/v1/publishers", typed(models.Publisher), {"json": body}, repeatable=False)


def list_publishers() -> Call[list[models.Publisher]]:
    """GET /v1/publishers."""
    return Call("GET", "/v1/publishers", typed(list[models.Publisher]))


def who_am_i() -> Call[models.Publisher]:
    """GET /v1/whoami."""
    return Call("GET", "/v1/whoami", typed(models.Publisher))


def list_keys(publisher: str) -> Call[list[models.PublisherKey]]:
    """GET /v1/publishers/{id}/keys."""
    return Call("GET", f"/v1/publishers/{publisher}/keys", typed(list[models.PublisherKey]))


def add_key(publisher: str, jwk: dict[str, str], proof: str) -> Call[models.PublisherKey]:
    """POST /v1/publishers/{id}/keys."""
    body = {"json": {"jwk": jwk, "proof": proof}}
    path = f"/v1/publishers/{publisher}/keys"
    return Call("POST", path, typed(models.PublisherKey), body, repeatable=False)


def rotate_key(publisher: str, kid: str, jwk: dict[str, str], proof: str) -> Call[models.PublisherKey]:
    """POST /v1/publishers/{id}/keys/{kid}/rotate."""
    path = f"/v1/publishers/{publisher}/keys/{kid}/rotate"
    body = {"json": {"jwk": jwk, "proof": proof}}
    return Call("POST", path, typed(models.PublisherKey), body, repeatable=False)


def revoke_key(publisher: str, kid: str) -> Call[models.PublisherKey]:
    """POST /v1/publishers/{id}/keys/{kid}/revoke."""
    return Call("POST", f"/v1/publishers/{publisher}/keys/{kid}/revoke", typed(models.PublisherKey))


def key_validity(kid: str, at: datetime) -> Call[models.KeyValidity]:
    """GET /v1/keys/{kid}/validity."""
    return Call(
        "GET", f"/v1/keys/{kid}/validity", typed(models.KeyValidity), {"params": {"at": at.isoformat()}}
    )


def issue_api_key(new: models.NewApiKey) -> Call[models.IssuedApiKey]:
    """POST /v1/api-keys."""
    body = new.model_dump(mode="json")
    return Call("POST", "/v1/api-keys", typed(models.IssuedApiKey), {"json": body}, repeatable=False)


def revoke_api_key(key_id: str) -> Call[models.ApiKey]:
    """POST /v1/api-keys/{id}/revoke."""
    return Call("POST", f"/v1/api-keys/{key_id}/revoke", typed(models.ApiKey))


def register(
    content: bytes,
    statement: str,
    idempotency_key: str | None,
    *,
    webhook: str | None = None,
    wait: bool = True,
) -> Call[models.Registration | models.Job]:
    """POST /v1/records, multipart; with `wait=False` a video is answered with a job at once."""
    data = {"statement": statement} | ({} if webhook is None else {"webhook": webhook})
    headers = idempotent(idempotency_key) | unwaited(wait)
    options: dict[str, Any] = {"files": {"media": ("media", content)}, "data": data, "headers": headers}
    return Call("POST", "/v1/records", typed(models.Registration | models.Job), options)


def register_fingerprints(
    request: models.FingerprintRegistration, idempotency_key: str | None
) -> Call[models.Registration]:
    """POST /v1/records/fingerprints."""
    options = {"json": request.model_dump(mode="json"), "headers": idempotent(idempotency_key)}
    return Call("POST", "/v1/records/fingerprints", typed(models.Registration), options)


def idempotent(key: str | None) -> dict[str, str]:
    """The header that makes a request safe to send again."""
    return {} if key is None else {"Idempotency-Key": key}


def unwaited(wait: bool) -> dict[str, str]:
    """The header that asks for a job at once, in place of waiting for a video."""
    return {} if wait else {"Prefer": "respond-async"}


def get_record(record: str) -> Call[models.RecordSummary]:
    """GET /v1/records/{id}."""
    return Call("GET", f"/v1/records/{record}", typed(models.RecordSummary))


def list_records(before: int | None, limit: int) -> Call[list[models.RecordSummary]]:
    """GET /v1/records."""
    params = {"limit": limit} | ({} if before is None else {"before": before})
    return Call("GET", "/v1/records", typed(list[models.RecordSummary]), {"params": params})


def review_fake(record: str, *, confirmed: bool, reason: str) -> Call[models.RecordSummary]:
    """POST /v1/records/{id}/review."""
    options = {"json": {"confirmed": confirmed, "reason": reason}}
    return Call("POST", f"/v1/records/{record}/review", typed(models.RecordSummary), options)


def receipt(record: str) -> Call[models.Receipt]:
    """GET /v1/records/{id}/receipt."""
    return Call("GET", f"/v1/records/{record}/receipt", typed(models.Receipt))


def preview(record: str) -> Call[bytes]:
    """GET /v1/records/{id}/preview."""
    return Call("GET", f"/v1/records/{record}/preview", bytes)


def withdraw(record: str) -> Call[models.RecordSummary]:
    """POST /v1/records/{id}/withdraw."""
    return Call("POST", f"/v1/records/{record}/withdraw", typed(models.RecordSummary))


def erase(record: str) -> Call[None]:
    """DELETE /v1/records/{id}."""
    return Call("DELETE", f"/v1/records/{record}", lambda _: None)


def match(
    content: bytes,
    *,
    webhook: str | None = None,
    wait: bool = True,
    effort: models.Effort | None = None,
) -> Call[models.MatchAnswer | models.Job]:
    """POST /v1/match, multipart; with `wait=False` a video is answered with a job at once."""
    given = {"webhook": webhook, "effort": effort}
    options: dict[str, Any] = {
        "files": {"media": ("media", content)},
        "data": {name: str(value) for name, value in given.items() if value is not None},
        "headers": unwaited(wait),
    }
    return Call("POST", "/v1/match", typed(models.MatchAnswer | models.Job), options)


def get_job(job: str) -> Call[models.Job]:
    """GET /v1/jobs/{id}."""
    return Call("GET", f"/v1/jobs/{job}", typed(models.Job))


def job_result(job: str) -> Call[models.MatchAnswer | models.Registration | models.Decision]:
    """GET /v1/jobs/{id}/result."""
    answer = models.MatchAnswer | models.Registration | models.Decision
    return Call("GET", f"/v1/jobs/{job}/result", typed(answer))


def webhook_secret() -> Call[models.WebhookSecret]:
    """GET /v1/webhook-secret."""
    return Call("GET", "/v1/webhook-secret", typed(models.WebhookSecret))


def match_fingerprints(query: models.FingerprintQuery) -> Call[models.MatchAnswer]:
    """POST /v1/match/fingerprints."""
    options = {"json": query.model_dump(mode="json")}
    return Call("POST", "/v1/match/fingerprints", typed(models.MatchAnswer), options)


def compare(content: bytes, record: str) -> Call[models.Comparison]:
    """POST /v1/compare, multipart."""
    options: dict[str, Any] = {"files": {"media": ("media", content)}, "data": {"record": record}}
    return Call("POST", "/v1/compare", typed(models.Comparison), options)


def compare_picture(content: bytes, record: str, form: str) -> Call[bytes]:
    """POST /v1/compare/picture, multipart."""
    options: dict[str, Any] = {
        "files": {"media": ("media", content)},
        "data": {"record": record, "form": form},
    }
    return Call("POST", "/v1/compare/picture", bytes, options)


def log_state() -> Call[models.LogState]:
    """GET /v1/log."""
    return Call("GET", "/v1/log", typed(models.LogState))


def log_keys() -> Call[models.LogKeys]:
    """GET /v1/log/keys."""
    return Call("GET", "/v1/log/keys", typed(models.LogKeys))


def answer_keys() -> Call[models.AnswerKeys]:
    """GET /v1/answer-keys."""
    return Call("GET", "/v1/answer-keys", typed(models.AnswerKeys))


def consistency(first: int, second: int) -> Call[models.Consistency]:
    """GET /v1/log/consistency."""
    params = {"params": {"first": first, "second": second}}
    return Call("GET", "/v1/log/consistency", typed(models.Consistency), params)


def status() -> Call[models.ServerStatus]:
    """GET /v1/status."""
    return Call("GET", "/v1/status", typed(models.ServerStatus))


def audit() -> Call[models.AuditReport]:
    """POST /v1/audit."""
    return Call("POST", "/v1/audit", typed(models.AuditReport))


def list_acts(
    *,
    before: int | None,
    limit: int,
    act_type: models.ActType | None,
    api_key: str | None,
    publisher: str | None,
    on: str | None,
) -> Call[list[models.Act]]:
    """GET /v1/acts."""
    wanted = {"before": before, "type": act_type, "api_key": api_key, "publisher": publisher, "object": on}
    params = {"limit": limit} | {name: value for name, value in wanted.items() if value is not None}
    return Call("GET", "/v1/acts", typed(list[models.Act]), {"params": params})


def jwks() -> Call[dict[str, Any]]:
    """GET /.well-known/jwks.json."""
    return Call("GET", "/.well-known/jwks.json", parse_object)
