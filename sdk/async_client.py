"""Talks to a registry over HTTP from asyncio: as `sdk.client.Client`, with every call to be awaited."""

import asyncio
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from sdk import calls, gate_calls, models
from sdk.calls import Call
from sdk.client import POLL_S, TIMEOUT_S, OnProgress, answer_of, headers_of, require_bounded
from sdk.errors import Unreachable
from sdk.flaws import fault_in_words
from sdk.patience import Patience, Pause

T = TypeVar("T")


class AsyncClient:
    """The same client for asyncio; `transport` is replaced in tests."""

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """`timeout_s`: to connect, and for each piece that is sent or received."""
        self.url = url.rstrip("/")
        self._http = httpx2.AsyncClient(
            base_url=self.url, headers=headers_of(api_key), timeout=timeout_s, transport=transport
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        """Sends any call of `sdk.calls` or `sdk.gate_calls`. Raises ProblemError, Unreachable."""
        patience = Patience(repeatable=call.repeatable)
        while True:
            content = bytearray()
            try:
                async with self._http.stream(call.method, call.path, **call.options) as response:
                    async for piece in response.aiter_bytes():
                        content += piece
                        require_bounded(call, response, len(content))
            except httpx2.HTTPError as error:
                raise Unreachable(f"no answer from {self.url}: {fault_in_words(error)}") from error
            answer = answer_of(call, response, bytes(content), patience)
            if not isinstance(answer, Pause):
                return answer
            await asyncio.sleep(answer.seconds)

    async def enrol(self, new: models.NewPublisher) -> models.Publisher:
        """Enrols an organisation (scope `admin`)."""
        return await self.send(calls.enrol(new))

    async def list_publishers(self) -> list[models.Publisher]:
        """Lists all organisations."""
        return await self.send(calls.list_publishers())

    async def who_am_i(self) -> models.Publisher:
        """Returns the organisation that this API key belongs to."""
        return await self.send(calls.who_am_i())

    async def list_keys(self, publisher: str) -> list[models.PublisherKey]:
        """Lists all signing keys of a publisher, retired and revoked ones too."""
        return await self.send(calls.list_keys(publisher))

    async def add_key(self, publisher: str, jwk: dict[str, str], proof: str) -> models.PublisherKey:
        """Enrols a signing key (scope `manage_keys`); `proof`: of `sdk.possession.prove_possession`."""
        return await self.send(calls.add_key(publisher, jwk, proof))

    async def rotate_key(
        self, publisher: str, kid: str, jwk: dict[str, str], proof: str
    ) -> models.PublisherKey:
        """Replaces a signing key: the old one signs nothing new, what it signed stays valid."""
        return await self.send(calls.rotate_key(publisher, kid, jwk, proof))

    async def revoke_key(self, publisher: str, kid: str) -> models.PublisherKey:
        """Declares a signing key compromised: nothing that it signs from now on is believed."""
        return await self.send(calls.revoke_key(publisher, kid))

    async def key_validity(self, kid: str, at: datetime) -> models.KeyValidity:
        """Tells whether this signing key was valid at that time, and why."""
        return await self.send(calls.key_validity(kid, at))

    async def issue_api_key(self, new: models.NewApiKey) -> models.IssuedApiKey:
        """Issues an API key. Its secret is in this answer and in no other (scope `admin`)."""
        return await self.send(calls.issue_api_key(new))

    async def revoke_api_key(self, key_id: str) -> models.ApiKey:
        """Revokes an API key at once (scope `admin`)."""
        return await self.send(calls.revoke_api_key(key_id))

    async def register(
        self,
        content: bytes,
        statement: str,
        *,
        idempotency_key: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> models.Registration:
        """Registers a picture or video under a signed statement, and waits until it is done.

        `on_progress` is told the share that is done, 0..1, of a video that takes longer.
        """
        answer = await self.send(calls.register(content, statement, idempotency_key))
        return answer if isinstance(answer, models.Registration) else await self._done(answer, on_progress)

    async def start_registration(
        self,
        content: bytes,
        statement: str,
        *,
        idempotency_key: str | None = None,
        webhook: str | None = None,
    ) -> models.Registration | models.Job:
        """Registers without waiting for a video: a job is returned for one that takes longer."""
        call = calls.register(content, statement, idempotency_key, webhook=webhook, wait=False)
        return await self.send(call)

    async def register_fingerprints(
        self, request: models.FingerprintRegistration, *, idempotency_key: str | None = None
    ) -> models.Registration:
        """Registers a picture by its fingerprints alone, without sending it."""
        return await self.send(calls.register_fingerprints(request, idempotency_key))

    async def get_record(self, record: str) -> models.RecordSummary:
        """Returns one record, without fingerprints."""
        return await self.send(calls.get_record(record))

    async def list_records(
        self, *, before: int | None = None, limit: int = 50
    ) -> list[models.RecordSummary]:
        """Lists records, newest first; `before` is the log index to continue below."""
        return await self.send(calls.list_records(before, limit))

    async def receipt(self, record: str) -> models.Receipt:
        """Returns everything that is needed to verify a record offline."""
        return await self.send(calls.receipt(record))

    async def preview(self, record: str) -> bytes:
        """Returns the preview that the publisher allowed, as WebP (who sees it: docs/intimate.md)."""
        return await self.send(calls.preview(record))

    async def withdraw(self, record: str) -> models.RecordSummary:
        """Withdraws a record. It matches no more, and stays readable."""
        return await self.send(calls.withdraw(record))

    async def review_fake(self, record: str, *, confirmed: bool, reason: str) -> models.RecordSummary:
        """Confirms a known fake of another organisation, or says that it is not known to be one."""
        return await self.send(calls.review_fake(record, confirmed=confirmed, reason=reason))

    async def erase(self, record: str) -> None:
        """Erases what is known of a record. Its entry in the log stays and says nothing."""
        await self.send(calls.erase(record))

    async def match(
        self,
        content: bytes,
        *,
        on_progress: OnProgress | None = None,
        effort: models.Effort | None = None,
    ) -> models.MatchAnswer:
        """Asks which registered assets a picture or video comes from, and waits for the answer.

        `on_progress` is told the share that is done, 0..1, of a video that takes longer; `effort`: how
        closely a still is looked at, if not as the registry is set.
        """
        answer = await self.send(calls.match(content, effort=effort))
        return answer if isinstance(answer, models.MatchAnswer) else await self._done(answer, on_progress)

    async def start_match(
        self, content: bytes, *, webhook: str | None = None
    ) -> models.MatchAnswer | models.Job:
        """Asks without waiting for a video: a job is returned for one that takes longer."""
        return await self.send(calls.match(content, webhook=webhook, wait=False))

    async def get_job(self, job: str) -> models.Job:
        """Returns how far a job is."""
        return await self.send(calls.get_job(job))

    async def job_result(self, job: str) -> models.MatchAnswer | models.Registration | models.Decision:
        """Returns the answer of a job that is done. Raises the problem of one that failed."""
        return await self.send(calls.job_result(job))

    async def webhook_secret(self) -> str:
        """Returns the secret that webhook deliveries for this API key are signed with."""
        return (await self.send(calls.webhook_secret())).secret

    async def _done(self, job: models.Job, on_progress: OnProgress | None) -> Any:
        while job.finished_at is None:
            if on_progress:
                on_progress(job.progress)
            await asyncio.sleep(POLL_S)
            job = await self.get_job(job.id)
        return await self.job_result(job.id)

    async def match_fingerprints(self, query: models.FingerprintQuery) -> models.MatchAnswer:
        """Asks which registered assets a picture comes from, by its fingerprints alone."""
        return await self.send(calls.match_fingerprints(query))

    async def gate(
        self,
        content: bytes | models.FingerprintQuery,
        context: models.GateContext | None = None,
        *,
        idempotency_key: str | None = None,
        webhook: str | None = None,
        wait: bool = False,
        on_progress: OnProgress | None = None,
    ) -> models.Decision:
        """Asks the platform's policy about an upload, before it is published (scope `gate`).

        A video is held, and the decision of state `waiting` names its job; with `wait` the decision that
        the job ends in is waited for. `idempotency_key` (8 to 200 characters) is good for this upload with
        this context; one is made up where none is given, so that a broken connection asks nothing twice.
        """
        said = context or models.GateContext()
        call = gate_calls.decide(content, said, idempotency_key, webhook=webhook, wait=wait)
        decision = await self.send(call)
        if not wait or decision.job is None or decision.state is not models.DecisionState.WAITING:
            return decision
        job = await self.get_job(decision.job)
        done: models.Decision = await self._done(job, on_progress)
        return done

    async def list_decisions(
        self, cursor: str | None = None, limit: int = 100, **wanted: Any
    ) -> models.DecisionPage:
        """Lists decisions of the key's organisation, newest first (scope `read_decisions`).

        `wanted`: filters of GET /v1/decisions by their names, such as `outcome`, `content_ref`, `since`.
        """
        return await self.send(gate_calls.list_decisions(cursor=cursor, limit=limit, wanted=wanted))

    async def get_decision(self, decision: str) -> models.Decision:
        """Returns one decision as it is now."""
        return await self.send(gate_calls.get_decision(decision))

    async def compare(self, content: bytes, record: str) -> models.Comparison:
        """Compares a picture or video with one registered asset: what was changed, and where."""
        return await self.send(calls.compare(content, record))

    async def compare_picture(self, content: bytes, record: str, form: str = "png") -> bytes:
        """Returns the comparison as `png` (side by side), `gif` (in turn), `pdf`, or `mp4` of a video."""
        return await self.send(calls.compare_picture(content, record, form))

    async def log_state(self) -> models.LogState:
        """Returns the newest checkpoint of the log, and the key to pin."""
        return await self.send(calls.log_state())

    async def log_keys(self) -> models.LogKeys:
        """Returns every key that the log ever had, and the notes that bind them to one another."""
        return await self.send(calls.log_keys())

    async def answer_keys(self) -> models.AnswerKeys:
        """Returns every key of answers, and the statements that bind them to one another."""
        return await self.send(calls.answer_keys())

    async def consistency(self, first: int, second: int) -> models.Consistency:
        """Returns the proof that the log of `second` entries extends the log of `first` entries."""
        return await self.send(calls.consistency(first, second))

    async def status(self) -> models.ServerStatus:
        """Returns what the registry runs on, and how current its index is."""
        return await self.send(calls.status())

    async def audit(self) -> models.AuditReport:
        """Lets the registry derive everything again and list every difference (scope `admin`)."""
        return await self.send(calls.audit())

    async def list_acts(
        self,
        *,
        before: int | None = None,
        limit: int = 50,
        act_type: models.ActType | None = None,
        api_key: str | None = None,
        publisher: str | None = None,
        on: str | None = None,
    ) -> list[models.Act]:
        """Lists administrative acts, newest first (scope `admin`); `on`: the id of what was acted on."""
        call = calls.list_acts(
            before=before, limit=limit, act_type=act_type, api_key=api_key, publisher=publisher, on=on
        )
        return await self.send(call)

    async def jwks(self) -> dict[str, Any]:
        """Returns the public keys that sign the registry's answers."""
        return await self.send(calls.jwks())
