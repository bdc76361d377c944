"""Clients of a registry: one method per endpoint, typed answers, exceptions for problems.

What is refused for now (429, or 503 with `Retry-After`) is sent again for up to a minute.
"""

import time
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2
from pydantic import ValidationError

from sdk import calls, gate_calls, models
from sdk.calls import Call
from sdk.encodings import BadEncoding, parse_object
from sdk.errors import ProblemError, SdkError, Unreachable, problem_to_error
from sdk.flaws import fault_in_words
from sdk.patience import Patience, Pause, retry_after_s

T = TypeVar("T")
TIMEOUT_S = 120.0
MOST_JSON_BYTES = 64 << 20
POLL_S = 0.5  # between looks at a job
OnProgress = Callable[[float], None]  # share done, 0..1


def headers_of(api_key: str | None) -> dict[str, str]:
    """What tells the registry who asks. Raises SdkError: no registry gave out such a key."""
    if api_key and not (api_key.isascii() and api_key.isprintable()):
        raise SdkError("an API key has letters, digits and underscores only; this one has other characters")
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


def require_bounded(call: Call[T], response: httpx2.Response, received: int) -> None:
    """Raises Unreachable: no registry answers with that much JSON. Pictures and videos may be longer."""
    if received > MOST_JSON_BYTES and not (call.parse is bytes and response.is_success):
        raise Unreachable(
            f"{response.url.netloc.decode()} answers {call.path} with more than {MOST_JSON_BYTES} bytes"
        )


def answer_of(call: Call[T], response: httpx2.Response, content: bytes, patience: Patience) -> T | Pause:
    """The answer, or the pause after which to ask again. Raises ProblemError, Unreachable."""
    if response.is_success or response.status_code in call.answers_with:
        try:
            return call.parse(content)
        except (ValidationError, BadEncoding):
            raise Unreachable(
                f"{response.url.netloc.decode()} answers {call.path} as no registry of this version does"
            ) from None
    try:
        document = parse_object(content)
    except BadEncoding:
        document = {}
    error: ProblemError = problem_to_error(response.status_code, document)
    error.retry_after_s = retry_after_s(response)
    pause = patience.pause_after(error)
    if pause is None:
        raise error
    return pause


class Client:
    """A client that waits for its answers; `transport` is replaced in tests."""

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """`timeout_s`: to connect, and for each piece that is sent or received."""
        self.url = url.rstrip("/")
        self._http = httpx2.Client(
            base_url=self.url, headers=headers_of(api_key), timeout=timeout_s, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def send(self, call: Call[T]) -> T:
        """Sends any call of `sdk.calls` or `sdk.gate_calls`. Raises ProblemError, Unreachable."""
        patience = Patience(repeatable=call.repeatable)
        while True:
            content = bytearray()
            try:
                with self._http.stream(call.method, call.path, **call.options) as response:
                    for piece in response.iter_bytes():
                        content += piece
                        require_bounded(call, response, len(content))
            except httpx2.HTTPError as error:
                raise Unreachable(f"no answer from {self.url}: {fault_in_words(error)}") from error
            answer = answer_of(call, response, bytes(content), patience)
            if not isinstance(answer, Pause):
                return answer
            time.sleep(answer.seconds)

    def enrol(self, new: models.NewPublisher) -> models.Publisher:
        """Enrols an organisation (scope `admin`)."""
        return self.send(calls.enrol(new))

    def list_publishers(self) -> list[models.Publisher]:
        """Lists all organisations."""
        return self.send(calls.list_publishers())

    def who_am_i(self) -> models.Publisher:
        """Returns the organisation that this API key belongs to."""
        return self.send(calls.who_am_i())

    def list_keys(self, publisher: str) -> list[models.PublisherKey]:
        """Lists all signing keys of a publisher, retired and revoked ones too."""
        return self.send(calls.list_keys(publisher))

    def add_key(self, publisher: str, jwk: dict[str, str], proof: str) -> models.PublisherKey:
        """Enrols a signing key (scope `manage_keys`); `proof`: of `sdk.possession.prove_possession`."""
        return self.send(calls.add_key(publisher, jwk, proof))

    def rotate_key(self, publisher: str, kid: str, jwk: dict[str, str], proof: str) -> models.PublisherKey:
        """Replaces a signing key: the old one signs nothing new, what it signed stays valid."""
        return self.send(calls.rotate_key(publisher, kid, jwk, proof))

    def revoke_key(self, publisher: str, kid: str) -> models.PublisherKey:
        """Declares a signing key compromised: nothing that it signs from now on is believed."""
        return self.send(calls.revoke_key(publisher, kid))

    def key_validity(self, kid: str, at: datetime) -> models.KeyValidity:
        """Tells whether this signing key was valid at that time, and why."""
        return self.send(calls.key_validity(kid, at))

    def issue_api_key(self, new: models.NewApiKey) -> models.IssuedApiKey:
        """Issues an API key. Its secret is in this answer and in no other (scope `admin`)."""
        return self.send(calls.issue_api_key(new))

    def revoke_api_key(self, key_id: str) -> models.ApiKey:
        """Revokes an API key at once (scope `admin`)."""
        return self.send(calls.revoke_api_key(key_id))

    def register(
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
        answer = self.send(calls.register(content, statement, idempotency_key))
        return answer if isinstance(answer, models.Registration) else self._done(answer, on_progress)

    def start_registration(
        self,
        content: bytes,
        statement: str,
        *,
        idempotency_key: str | None = None,
        webhook: str | None = None,
    ) -> models.Registration | models.Job:
        """Registers without waiting for a video: a job is returned for one that takes longer."""
        call = calls.register(content, statement, idempotency_key, webhook=webhook, wait=False)
        return self.send(call)

    def register_fingerprints(
        self, request: models.FingerprintRegistration, *, idempotency_key: str | None = None
    ) -> models.Registration:
        """Registers a picture by its fingerprints alone, without sending it."""
        return self.send(calls.register_fingerprints(request, idempotency_key))

    def get_record(self, record: str) -> models.RecordSummary:
        """Returns one record, without fingerprints."""
        return self.send(calls.get_record(record))

    def list_records(self, *, before: int | None = None, limit: int = 50) -> list[models.RecordSummary]:
        """Lists records, newest first; `before` is the log index to continue below."""
        return self.send(calls.list_records(before, limit))

    def receipt(self, record: str) -> models.Receipt:
        """Returns everything that is needed to verify a record offline."""
        return self.send(calls.receipt(record))

    def preview(self, record: str) -> bytes:
        """Returns the preview that the publisher allowed, as WebP (who sees it: docs/intimate.md)."""
        return self.send(calls.preview(record))

    def withdraw(self, record: str) -> models.RecordSummary:
        """Withdraws a record. It matches no more, and stays readable."""
        return self.send(calls.withdraw(record))

    def review_fake(self, record: str, *, confirmed: bool, reason: str) -> models.RecordSummary:
        """Confirms a known fake of another organisation, or says that it is not known to be one."""
        return self.send(calls.review_fake(record, confirmed=confirmed, reason=reason))

    def erase(self, record: str) -> None:
        """Erases what is known of a record. Its entry in the log stays and says nothing."""
        self.send(calls.erase(record))

    def match(
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
        answer = self.send(calls.match(content, effort=effort))
        return answer if isinstance(answer, models.MatchAnswer) else self._done(answer, on_progress)

    def start_match(self, content: bytes, *, webhook: str | None = None) -> models.MatchAnswer | models.Job:
        """Asks without waiting for a video: a job is returned for one that takes longer."""
        return self.send(calls.match(content, webhook=webhook, wait=False))

    def get_job(self, job: str) -> models.Job:
        """Returns how far a job is."""
        return self.send(calls.get_job(job))

    def job_result(self, job: str) -> models.MatchAnswer | models.Registration | models.Decision:
        """Returns the answer of a job that is done. Raises the problem of one that failed."""
        return self.send(calls.job_result(job))

    def webhook_secret(self) -> str:
        """Returns the secret that webhook deliveries for this API key are signed with."""
        return self.send(calls.webhook_secret()).secret

    def _done(self, job: models.Job, on_progress: OnProgress | None) -> Any:
        while job.finished_at is None:
            if on_progress:
                on_progress(job.progress)
            time.sleep(POLL_S)
            job = self.get_job(job.id)
        return self.job_result(job.id)

    def match_fingerprints(self, query: models.FingerprintQuery) -> models.MatchAnswer:
        """Asks which registered assets a picture comes from, by its fingerprints alone."""
        return self.send(calls.match_fingerprints(query))

    def gate(
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
        decision = self.send(call)
        if not wait or decision.job is None or decision.state is not models.DecisionState.WAITING:
            return decision
        job = self.get_job(decision.job)
        done: models.Decision = self._done(job, on_progress)
        return done

    def list_decisions(
        self, cursor: str | None = None, limit: int = 100, **wanted: Any
    ) -> models.DecisionPage:
        """Lists decisions of the key's organisation, newest first (scope `read_decisions`).

        `wanted`: filters of GET /v1/decisions by their names, such as `outcome`, `content_ref`, `since`.
        """
        return self.send(gate_calls.list_decisions(cursor=cursor, limit=limit, wanted=wanted))

    def get_decision(self, decision: str) -> models.Decision:
        """Returns one decision as it is now."""
        return self.send(gate_calls.get_decision(decision))

    def compare(self, content: bytes, record: str) -> models.Comparison:
        """Compares a picture or video with one registered asset: what was changed, and where."""
        return self.send(calls.compare(content, record))

    def compare_picture(self, content: bytes, record: str, form: str = "png") -> bytes:
        """Returns the comparison as `png` (side by side), `gif` (in turn), `pdf`, or `mp4` of a video."""
        return self.send(calls.compare_picture(content, record, form))

    def log_state(self) -> models.LogState:
        """Returns the newest checkpoint of the log, and the key to pin."""
        return self.send(calls.log_state())

    def log_keys(self) -> models.LogKeys:
        """Returns every key that the log ever had, and the notes that bind them to one another."""
        return self.send(calls.log_keys())

    def answer_keys(self) -> models.AnswerKeys:
        """Returns every key of answers, and the statements that bind them to one another."""
        return self.send(calls.answer_keys())

    def consistency(self, first: int, second: int) -> models.Consistency:
        """Returns the proof that the log of `second` entries extends the log of `first` entries."""
        return self.send(calls.consistency(first, second))

    def status(self) -> models.ServerStatus:
        """Returns what the registry runs on, and how current its index is."""
        return self.send(calls.status())

    def audit(self) -> models.AuditReport:
        """Lets the registry derive everything again and list every difference (scope `admin`)."""
        return self.send(calls.audit())

    def list_acts(
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
        return self.send(call)

    def jwks(self) -> dict[str, Any]:
        """Returns the public keys that sign the registry's answers."""
        return self.send(calls.jwks())
