"""Clients of a registry: one method per endpoint, typed answers, exceptions for problems."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from sdk import calls, models
from sdk.calls import Call
from sdk.errors import ProblemError, Unreachable, problem_to_error

T = TypeVar("T")
TIMEOUT_S = 120.0
POLL_S = 0.5  # between looks at a job
OnProgress = Callable[[float], None]  # share done, 0..1


def _headers(api_key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


def _answer(call: Call[T], response: httpx2.Response) -> T:
    if response.is_success:
        return call.parse(response.content)
    try:
        document = json.loads(response.content)
    except ValueError:
        document = {}
    error: ProblemError = problem_to_error(response.status_code, document)
    raise error


class Client:
    """A synchronous client; `transport` is for tests."""

    def __init__(
        self, url: str, api_key: str | None = None, *, transport: httpx2.BaseTransport | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._http = httpx2.Client(
            base_url=self.url, headers=_headers(api_key), timeout=TIMEOUT_S, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(self, call: Call[T]) -> T:
        try:
            response = self._http.request(call.method, call.path, **call.options)
        except httpx2.HTTPError as error:
            raise Unreachable(f"no answer from {self.url}: {error}") from error
        return _answer(call, response)

    def enrol(self, new: models.NewPublisher) -> models.Publisher:
        """Enrol an organisation (scope `admin`)."""
        return self._send(calls.enrol(new))

    def list_publishers(self) -> list[models.Publisher]:
        """All organisations."""
        return self._send(calls.list_publishers())

    def who_am_i(self) -> models.Publisher:
        """The organisation behind this API key."""
        return self._send(calls.who_am_i())

    def list_keys(self, publisher: str) -> list[models.PublisherKey]:
        """All signing keys of a publisher."""
        return self._send(calls.list_keys(publisher))

    def add_key(self, publisher: str, jwk: dict[str, str]) -> models.PublisherKey:
        """Enrol a signing key."""
        return self._send(calls.add_key(publisher, jwk))

    def rotate_key(self, publisher: str, kid: str, jwk: dict[str, str]) -> models.PublisherKey:
        """Replace a signing key."""
        return self._send(calls.rotate_key(publisher, kid, jwk))

    def revoke_key(self, publisher: str, kid: str) -> models.PublisherKey:
        """Declare a signing key compromised."""
        return self._send(calls.revoke_key(publisher, kid))

    def key_validity(self, kid: str, at: datetime) -> models.KeyValidity:
        """Was this key valid at that time?"""
        return self._send(calls.key_validity(kid, at))

    def issue_api_key(self, new: models.NewApiKey) -> models.IssuedApiKey:
        """A new API key; its secret is shown this once."""
        return self._send(calls.issue_api_key(new))

    def revoke_api_key(self, key_id: str) -> models.ApiKey:
        """From now on the key opens nothing."""
        return self._send(calls.revoke_api_key(key_id))

    def register(
        self,
        content: bytes,
        statement: str,
        *,
        idempotency_key: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> models.Registration:
        """Register a picture or video under a signed statement; `on_progress` hears of a video's."""
        answer = self._send(calls.register(content, statement, idempotency_key))
        return answer if isinstance(answer, models.Registration) else self._done(answer, on_progress)

    def start_registration(
        self,
        content: bytes,
        statement: str,
        *,
        idempotency_key: str | None = None,
        webhook: str | None = None,
    ) -> models.Registration | models.Job:
        """The same without waiting for a video."""
        call = calls.register(content, statement, idempotency_key, webhook=webhook, wait=False)
        return self._send(call)

    def register_fingerprints(
        self, request: models.FingerprintRegistration, *, idempotency_key: str | None = None
    ) -> models.Registration:
        """Register fingerprints only."""
        return self._send(calls.register_fingerprints(request, idempotency_key))

    def get_record(self, record: str) -> models.RecordSummary:
        """One record."""
        return self._send(calls.get_record(record))

    def list_records(self, *, before: int | None = None, limit: int = 50) -> list[models.RecordSummary]:
        """Records, newest first."""
        return self._send(calls.list_records(before, limit))

    def receipt(self, record: str) -> models.Receipt:
        """Everything that verifies a record offline."""
        return self._send(calls.receipt(record))

    def preview(self, record: str) -> bytes:
        """The preview that the publisher allowed, as WebP."""
        return self._send(calls.preview(record))

    def withdraw(self, record: str) -> models.RecordSummary:
        """Withdraw a record: it matches no more."""
        return self._send(calls.withdraw(record))

    def erase(self, record: str) -> None:
        """Erase a record's data; the log stays whole."""
        self._send(calls.erase(record))

    def match(self, content: bytes, *, on_progress: OnProgress | None = None) -> models.MatchAnswer:
        """Which registered assets does this picture or video come from?"""
        answer = self._send(calls.match(content))
        return answer if isinstance(answer, models.MatchAnswer) else self._done(answer, on_progress)

    def start_match(self, content: bytes, *, webhook: str | None = None) -> models.MatchAnswer | models.Job:
        """The same without waiting for a video."""
        return self._send(calls.match(content, webhook=webhook, wait=False))

    def get_job(self, job: str) -> models.Job:
        """How far a job is."""
        return self._send(calls.get_job(job))

    def job_result(self, job: str) -> models.MatchAnswer | models.Registration:
        """The answer of a job that is done; its problem as an exception, if it failed."""
        return self._send(calls.job_result(job))

    def webhook_secret(self) -> str:
        """What deliveries for this API key are signed with."""
        return self._send(calls.webhook_secret()).secret

    def _done(self, job: models.Job, on_progress: OnProgress | None) -> Any:
        while job.finished_at is None:
            if on_progress:
                on_progress(job.progress)
            time.sleep(POLL_S)
            job = self.get_job(job.id)
        return self.job_result(job.id)

    def match_fingerprints(self, query: models.FingerprintQuery) -> models.MatchAnswer:
        """The same question without the picture."""
        return self._send(calls.match_fingerprints(query))

    def compare(self, content: bytes, record: str) -> models.Comparison:
        """What was changed between a registered asset and this picture."""
        return self._send(calls.compare(content, record))

    def compare_picture(self, content: bytes, record: str, form: str = "png") -> bytes:
        """The comparison as a picture: `png` side by side, `gif` in turn."""
        return self._send(calls.compare_picture(content, record, form))

    def log_state(self) -> models.LogState:
        """The newest checkpoint and the key to pin."""
        return self._send(calls.log_state())

    def consistency(self, first: int, second: int) -> models.Consistency:
        """That the log at `second` extends the log at `first`."""
        return self._send(calls.consistency(first, second))

    def status(self) -> models.ServerStatus:
        """What the registry runs on."""
        return self._send(calls.status())

    def audit(self) -> models.AuditReport:
        """Derive everything again and list every difference (scope `admin`)."""
        return self._send(calls.audit())

    def jwks(self) -> dict[str, Any]:
        """The keys that sign the registry's answers."""
        return self._send(calls.jwks())


class AsyncClient:
    """An asynchronous client; `transport` is for tests."""

    def __init__(
        self, url: str, api_key: str | None = None, *, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._http = httpx2.AsyncClient(
            base_url=self.url, headers=_headers(api_key), timeout=TIMEOUT_S, transport=transport
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _send(self, call: Call[T]) -> T:
        try:
            response = await self._http.request(call.method, call.path, **call.options)
        except httpx2.HTTPError as error:
            raise Unreachable(f"no answer from {self.url}: {error}") from error
        return _answer(call, response)

    async def enrol(self, new: models.NewPublisher) -> models.Publisher:
        """Enrol an organisation (scope `admin`)."""
        return await self._send(calls.enrol(new))

    async def list_publishers(self) -> list[models.Publisher]:
        """All organisations."""
        return await self._send(calls.list_publishers())

    async def who_am_i(self) -> models.Publisher:
        """The organisation behind this API key."""
        return await self._send(calls.who_am_i())

    async def list_keys(self, publisher: str) -> list[models.PublisherKey]:
        """All signing keys of a publisher."""
        return await self._send(calls.list_keys(publisher))

    async def add_key(self, publisher: str, jwk: dict[str, str]) -> models.PublisherKey:
        """Enrol a signing key."""
        return await self._send(calls.add_key(publisher, jwk))

    async def rotate_key(self, publisher: str, kid: str, jwk: dict[str, str]) -> models.PublisherKey:
        """Replace a signing key."""
        return await self._send(calls.rotate_key(publisher, kid, jwk))

    async def revoke_key(self, publisher: str, kid: str) -> models.PublisherKey:
        """Declare a signing key compromised."""
        return await self._send(calls.revoke_key(publisher, kid))

    async def key_validity(self, kid: str, at: datetime) -> models.KeyValidity:
        """Was this key valid at that time?"""
        return await self._send(calls.key_validity(kid, at))

    async def issue_api_key(self, new: models.NewApiKey) -> models.IssuedApiKey:
        """A new API key; its secret is shown this once."""
        return await self._send(calls.issue_api_key(new))

    async def revoke_api_key(self, key_id: str) -> models.ApiKey:
        """From now on the key opens nothing."""
        return await self._send(calls.revoke_api_key(key_id))

    async def register(
        self,
        content: bytes,
        statement: str,
        *,
        idempotency_key: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> models.Registration:
        """Register a picture or video under a signed statement; `on_progress` hears of a video's."""
        answer = await self._send(calls.register(content, statement, idempotency_key))
        return answer if isinstance(answer, models.Registration) else await self._done(answer, on_progress)

    async def start_registration(
        self,
        content: bytes,
        statement: str,
        *,
        idempotency_key: str | None = None,
        webhook: str | None = None,
    ) -> models.Registration | models.Job:
        """The same without waiting for a video."""
        call = calls.register(content, statement, idempotency_key, webhook=webhook, wait=False)
        return await self._send(call)

    async def register_fingerprints(
        self, request: models.FingerprintRegistration, *, idempotency_key: str | None = None
    ) -> models.Registration:
        """Register fingerprints only."""
        return await self._send(calls.register_fingerprints(request, idempotency_key))

    async def get_record(self, record: str) -> models.RecordSummary:
        """One record."""
        return await self._send(calls.get_record(record))

    async def list_records(
        self, *, before: int | None = None, limit: int = 50
    ) -> list[models.RecordSummary]:
        """Records, newest first."""
        return await self._send(calls.list_records(before, limit))

    async def receipt(self, record: str) -> models.Receipt:
        """Everything that verifies a record offline."""
        return await self._send(calls.receipt(record))

    async def preview(self, record: str) -> bytes:
        """The preview that the publisher allowed, as WebP."""
        return await self._send(calls.preview(record))

    async def withdraw(self, record: str) -> models.RecordSummary:
        """Withdraw a record: it matches no more."""
        return await self._send(calls.withdraw(record))

    async def erase(self, record: str) -> None:
        """Erase a record's data; the log stays whole."""
        await self._send(calls.erase(record))

    async def match(self, content: bytes, *, on_progress: OnProgress | None = None) -> models.MatchAnswer:
        """Which registered assets does this picture or video come from?"""
        answer = await self._send(calls.match(content))
        return answer if isinstance(answer, models.MatchAnswer) else await self._done(answer, on_progress)

    async def start_match(
        self, content: bytes, *, webhook: str | None = None
    ) -> models.MatchAnswer | models.Job:
        """The same without waiting for a video."""
        return await self._send(calls.match(content, webhook=webhook, wait=False))

    async def get_job(self, job: str) -> models.Job:
        """How far a job is."""
        return await self._send(calls.get_job(job))

    async def job_result(self, job: str) -> models.MatchAnswer | models.Registration:
        """The answer of a job that is done; its problem as an exception, if it failed."""
        return await self._send(calls.job_result(job))

    async def webhook_secret(self) -> str:
        """What deliveries for this API key are signed with."""
        return (await self._send(calls.webhook_secret())).secret

    async def _done(self, job: models.Job, on_progress: OnProgress | None) -> Any:
        while job.finished_at is None:
            if on_progress:
                on_progress(job.progress)
            await asyncio.sleep(POLL_S)
            job = await self.get_job(job.id)
        return await self.job_result(job.id)

    async def match_fingerprints(self, query: models.FingerprintQuery) -> models.MatchAnswer:
        """The same question without the picture."""
        return await self._send(calls.match_fingerprints(query))

    async def compare(self, content: bytes, record: str) -> models.Comparison:
        """What was changed between a registered asset and this picture."""
        return await self._send(calls.compare(content, record))

    async def compare_picture(self, content: bytes, record: str, form: str = "png") -> bytes:
        """The comparison as a picture: `png` side by side, `gif` in turn."""
        return await self._send(calls.compare_picture(content, record, form))

    async def log_state(self) -> models.LogState:
        """The newest checkpoint and the key to pin."""
        return await self._send(calls.log_state())

    async def consistency(self, first: int, second: int) -> models.Consistency:
        """That the log at `second` extends the log at `first`."""
        return await self._send(calls.consistency(first, second))

    async def status(self) -> models.ServerStatus:
        """What the registry runs on."""
        return await self._send(calls.status())

    async def audit(self) -> models.AuditReport:
        """Derive everything again and list every difference (scope `admin`)."""
        return await self._send(calls.audit())

    async def jwks(self) -> dict[str, Any]:
        """The keys that sign the registry's answers."""
        return await self._send(calls.jwks())
