"""The gate over HTTP: whatever happens to an upload ends in a decision, on record; what cannot be
understood is a problem, and nothing is recorded."""

import io
import itertools
import json
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from PIL import Image
from sqlmodel import Session, col, func, select

from indexer.fingerprints.hashes import compute_hashes
from indexer.fingerprints.kinds import PDQ
from registry.gate.asking import _as_sent
from registry.storage.models import DecisionEntry
from sdk import gate_calls, models
from sdk.decisions import verify_decision
from sdk.models import Decision, DecisionState, Effort, GateContext, NewDecisionReview, Outcome, Role, Scope
from tests.pictures import encoded, pixels
from tests.registry.gate.desk import PACK
from tests.videos import original
from tests.waiting import soon
from tests.world import OF_THE_GATE, Party, World

OF_OUTCOME = {
    Outcome.ALLOW: 200,
    Outcome.LABEL: 200,
    Outcome.DEMOTE: 200,
    Outcome.AGE_GATE: 200,
    Outcome.HOLD: 202,
    Outcome.REFUSE: 451,
}
numbers = itertools.count()


@dataclass(frozen=True)
class Gate:
    """A platform with an active policy, over plain HTTP."""

    world: World
    platform: Party
    http: httpx2.Client

    def post(
        self,
        media: bytes | None = None,
        *,
        headers: dict[str, str] | None = None,
        form: Any = None,
        **said: Any,
    ) -> httpx2.Response:
        data = {"context": json.dumps(said), **(form or {})}
        files: dict[str, Any] = {"empty": (None, "")} if media is None else {"media": ("x", media)}
        return self.http.post("/v1/gate", files=files, data=data, headers=headers or {})

    def decide(self, media: bytes | None = None, **more: Any) -> Decision:
        answer = self.post(media, **more)
        decision = Decision.model_validate_json(answer.content)
        assert answer.status_code == OF_OUTCOME[decision.outcome]
        assert answer.headers["cache-control"] == "private, no-store"
        verify_decision(decision, self.platform.client.jwks())
        return decision

    def recorded(self) -> int:
        with Session(self.world.engine) as session:
            mine = col(DecisionEntry.publisher_id) == self.platform.publisher.id
            return session.exec(select(func.count()).select_from(DecisionEntry).where(mine)).one()

    def history(self, decision: Decision) -> list[Decision]:
        return self.platform.client.send(gate_calls.decision_history(decision.id))

    def settled(self, decision: Decision, entries: int) -> list[Decision]:
        """The history, once it has that many entries."""
        assert soon(lambda: len(self.history(decision)) >= entries)
        return self.history(decision)


@pytest.fixture(scope="module")
def gate(world_of_module: World) -> Any:
    world = world_of_module
    paper, platform = world.enrol("Daily Example"), world.enrol("Chat", Role.PLATFORM)
    world.register(paper, encoded("coffee"), "a cup")
    platform.client.send(gate_calls.add_pack(PACK))
    platform.client.send(gate_calls.activate("small", "our policy"))
    headers = {"Authorization": f"Bearer {platform.api_key.secret}"}
    with httpx2.Client(base_url=world.url, headers=headers, timeout=120) as http:
        yield Gate(world, platform, http)


@pytest.mark.parametrize(
    ("signal", "outcome"),
    [
        ("nothing", Outcome.LABEL),
        ("dull", Outcome.DEMOTE),
        ("adult", Outcome.AGE_GATE),
        ("odd", Outcome.HOLD),
        ("bad", Outcome.REFUSE),
    ],
)
def test_the_status_says_whether_to_publish(gate: Gate, signal: str, outcome: Outcome) -> None:
    answer = gate.post(encoded("coffee", quality=70), signals=[signal], content_ref="m")
    decision = Decision.model_validate_json(answer.content)
    assert (decision.outcome, answer.status_code) == (outcome, OF_OUTCOME[outcome])
    assert answer.headers["location"] == decision.links.decision
    assert gate.http.get(decision.links.decision).json()["id"] == decision.id
    assert decision.match is not None
    kept = gate.platform.client.get_decision(decision.id)
    assert kept == decision.model_copy(update={"match": None})


def test_what_no_rule_is_about_is_published(gate: Gate) -> None:
    assert gate.decide(encoded("rocket")).outcome is Outcome.ALLOW


@pytest.mark.parametrize(
    ("of_policy", "of_request", "taken"),
    [
        (None, None, Effort.STANDARD),
        (None, Effort.FAST, Effort.FAST),
        (Effort.STANDARD, Effort.FAST, Effort.STANDARD),
        (Effort.FAST, None, Effort.FAST),
        (Effort.FAST, Effort.THOROUGH, Effort.THOROUGH),
    ],
)
def test_a_request_may_ask_for_a_closer_look_than_its_policy_and_for_none_less_close(
    gate: Gate, of_policy: Effort | None, of_request: Effort | None, taken: Effort
) -> None:
    name = f"looks-{next(numbers)}"
    pack = PACK.replace("pack: small", f"pack: {name}") + (f"effort: {of_policy}\n" if of_policy else "")
    gate.platform.client.send(gate_calls.add_pack(pack))
    decision = gate.decide(encoded("coffee", quality=71), policy=name, effort=of_request)
    assert decision.match is not None
    assert decision.match.computed.effort is taken


def test_a_context_that_asks_for_no_effort_is_told_from_others_as_it_always_was() -> None:
    """So that a request that is sent again after an update is still known."""
    assert "effort" not in _as_sent(GateContext())
    assert '"effort":"thorough"' in _as_sent(GateContext(effort=Effort.THOROUGH))


def png_of(width: int, height: int) -> bytes:
    """A small file that says it has that many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def damaged_video() -> bytes:
    content = original("rocket")
    return content[:2000] + bytes(len(content) - 4000) + content[-2000:]


def tiny() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("on_failure", ["allow", "hold", "refuse"])
@pytest.mark.parametrize(
    ("media", "code"),
    [
        (b"this is no picture", "unsupported_media"),
        (b"", "unsupported_media"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_media"),
        (encoded("coffee", "PNG")[:3000], "undecodable_media"),
        (png_of(100_000, 100_000), "media_too_large"),
    ],
    ids=["text", "nothing", "svg", "broken", "pixels"],
)
def test_media_that_cannot_be_read_end_in_the_callers_own_choice(
    gate: Gate, media: bytes, code: str, on_failure: str
) -> None:
    before = gate.recorded()
    decision = gate.decide(media, on_failure=on_failure, content_ref="broken")
    assert (decision.state, decision.outcome) == (DecisionState.FAILED, Outcome(on_failure))
    assert decision.failure is not None
    assert decision.failure.code == code
    assert (decision.rule, decision.on_failure) == (None, Outcome(on_failure))
    assert decision.statement is not None
    assert gate.recorded() == before + 1
    assert gate.platform.client.get_decision(decision.id) == decision


def test_a_picture_without_detail_is_decided_by_the_policy(gate: Gate) -> None:
    decision = gate.decide(tiny(), on_failure="refuse")
    assert decision.state in (DecisionState.DECIDED, DecisionState.FAILED)
    if decision.state is DecisionState.DECIDED:
        assert decision.facts["verdict.kind"] == "not_fingerprintable"


def test_a_file_that_is_too_large_ends_in_the_callers_own_choice(gate: Gate) -> None:
    limit = gate.world.services.uploads.decoders.images.limits.video.max_bytes
    object.__setattr__(gate.world.services.uploads.decoders.images.limits.video, "max_bytes", 500_000)
    try:
        decision = gate.decide(bytes(500_001), on_failure="refuse")
    finally:
        object.__setattr__(gate.world.services.uploads.decoders.images.limits.video, "max_bytes", limit)
    assert (decision.state, decision.outcome) == (DecisionState.FAILED, Outcome.REFUSE)
    assert decision.failure is not None
    assert decision.failure.code == "media_too_large"


def test_time_that_runs_out_ends_in_the_callers_own_choice_and_what_came_late_is_noted(gate: Gate) -> None:
    decision = gate.decide(
        encoded("coffee", quality=60), deadline_ms=1, on_failure="refuse", content_ref="late"
    )
    assert (decision.state, decision.outcome) == (DecisionState.FAILED, Outcome.REFUSE)
    assert decision.failure is not None
    assert decision.failure.code == "deadline"
    failed, late = gate.settled(decision, 2)
    assert failed == decision
    assert (late.state, late.outcome, late.rule and late.rule.rule) == (
        DecisionState.LATE,
        Outcome.LABEL,
        "known",
    )
    assert gate.platform.client.get_decision(decision.id) == late
    verify_decision(late, gate.platform.client.jwks())
    again = gate.platform.client.list_decisions(content_ref="late").decisions
    assert [one.id for one in again] == [decision.id]


def test_what_breaks_late_is_not_noted_again(gate: Gate) -> None:
    decision = gate.decide(encoded("coffee", "PNG")[:3000], deadline_ms=1, on_failure="allow")
    assert decision.state is DecisionState.FAILED
    assert gate.decide(encoded("rocket")).state is DecisionState.DECIDED
    assert len(gate.history(decision)) == 1


def test_time_that_suffices_changes_nothing(gate: Gate) -> None:
    decision = gate.decide(encoded("coffee", quality=61), deadline_ms=600_000)
    assert (decision.state, decision.failure) == (DecisionState.DECIDED, None)


@pytest.mark.parametrize(
    ("context", "field"),
    [
        ("{", "context"),
        ("[]", "context"),
        ("null", "context"),
        ('{"audience": "everybody"}', "context.audience"),
        ('{"on_failure": "label"}', "context.on_failure"),
        ('{"deadline_ms": 0}', "context.deadline_ms"),
        ('{"deadline_ms": 1e400}', "context.deadline_ms"),
        ('{"contentref": "x"}', "context.contentref"),
        ('{"content_ref": "a\\u0000b"}', "context.content_ref"),
        ('{"content_ref": "\\ud800"}', "context"),
        ('{"uploader_ref": ""}', "context.uploader_ref"),
        ('{"declared": ["real"]}', "context.declared.0"),
        ('{"signals": ["Not A Word"]}', "context.signals.0"),
        ('{"language": "no language"}', "context.language"),
        ('{"answers": {"harm": {"answer": "yes", "by": "comparison"}}}', "context.answers.harm.by"),
        ('{"answers": {"harm": {"answer": "yes"}}}', "context.answers.harm.by"),
        ('{"exceptions": [{"kind": "news", "by": " "}]}', "context.exceptions.0.by"),
        ('{"content_date": "yesterday"}', "context.content_date"),
        ('{"policy": 7}', "context.policy"),
        (json.dumps({"text": "x" * 10_001}), "context.text"),
        ("[" * 5000, "context"),
    ],
)
def test_a_context_that_cannot_be_understood_is_a_problem_and_nothing_is_recorded(
    gate: Gate, context: str, field: str
) -> None:
    before = gate.recorded()
    answer = gate.post(encoded("rocket"), form={"context": context})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert field in answer.json()["detail"]
    assert gate.recorded() == before


def test_a_context_that_is_too_long_is_a_problem(gate: Gate) -> None:
    before = gate.recorded()
    answer = gate.post(encoded("rocket"), form={"context": "{" + " " * (64 * 1024) + "}"})
    assert answer.status_code == 422
    assert gate.recorded() == before


FINGERPRINTS = json.dumps({"fingerprints": [{"value": "pdq.v1:" + "f0" * 32, "quality": 90}]})


@pytest.mark.parametrize(
    ("media", "form"),
    [
        (None, {}),
        (encoded("rocket"), {"fingerprints": FINGERPRINTS}),
        (None, {"fingerprints": "{"}),
        (None, {"fingerprints": "{}"}),
        (None, {"fingerprints": '{"fingerprints": [{"value": "pdq.v1:zz"}]}'}),
        (None, {"fingerprints": '{"fingerprints": [{"value": "nothing.v9:00"}]}'}),
    ],
)
def test_neither_both_or_bad_fingerprints_are_a_problem_and_nothing_is_recorded(
    gate: Gate, media: bytes | None, form: dict[str, str]
) -> None:
    before = gate.recorded()
    answer = gate.post(media, form=form)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert gate.recorded() == before


def test_fingerprints_alone_are_decided_about_and_prove_nothing(gate: Gate) -> None:
    codes = [one for one in compute_hashes(pixels("coffee")) if one.kind == PDQ.name]
    values = tuple(models.FingerprintValue(value=one.text(), quality=one.quality) for one in codes[:1])
    query = models.FingerprintQuery(fingerprints=values)
    decision = gate.platform.client.gate(query, GateContext(content_ref="hash-only"))
    verify_decision(decision, gate.platform.client.jwks())
    assert decision.outcome is Outcome.ALLOW
    assert decision.facts["match.found"] is True
    assert "match.sure" not in decision.facts
    assert "not_compared" in decision.facts["upload.unclear"]  # type: ignore[operator]
    assert decision.evidence is not None
    assert not decision.evidence.verified


@pytest.mark.parametrize("policy", ["nothing", "small@9.9.9", "0" * 64, "' OR 1=1"])
def test_a_policy_that_is_not_known_is_a_problem(gate: Gate, policy: str) -> None:
    before = gate.recorded()
    answer = gate.post(encoded("rocket"), policy=policy)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_pack")
    assert gate.recorded() == before


def test_a_policy_may_be_named_where_none_is_active(gate: Gate) -> None:
    other = gate.world.enrol(f"Platform {next(numbers)}", Role.PLATFORM)
    headers = {"Authorization": f"Bearer {other.api_key.secret}"}
    none = gate.post(encoded("rocket"), headers=headers)
    assert (none.status_code, none.json()["code"]) == (409, "no_active_policy")
    named = gate.post(encoded("rocket"), headers=headers, policy="label-only")
    assert named.status_code == 200
    assert named.json()["rule"]["pack"] == "label-only"
    digest = named.json()["rule"]["sha256"]
    assert gate.post(encoded("rocket"), headers=headers, policy=digest).status_code == 200
    assert gate.post(encoded("rocket"), headers=headers, policy="small").status_code == 404


@pytest.mark.parametrize(
    "scopes", [(Scope.MATCH,), tuple(one for one in OF_THE_GATE if one is not Scope.GATE)]
)
def test_keys_without_the_scope_may_not_ask(gate: Gate, scopes: tuple[Scope, ...]) -> None:
    other = gate.world.enrol(f"Platform {next(numbers)}", Role.PLATFORM, scopes)
    before = gate.recorded()
    headers = {"Authorization": f"Bearer {other.api_key.secret}"}
    refused = gate.post(encoded("rocket"), headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    nobody = httpx2.post(f"{gate.world.url}/v1/gate", files={"media": encoded("rocket")})
    assert nobody.status_code == 401
    assert gate.recorded() == before


def finished(gate: Gate, job_id: str) -> dict[str, Any]:
    assert soon(lambda: gate.http.get(f"/v1/jobs/{job_id}").json()["finished_at"] is not None)
    job: dict[str, Any] = gate.http.get(f"/v1/jobs/{job_id}").json()
    return job


def test_a_video_waits_for_its_job_and_ends_in_one_decision(gate: Gate) -> None:
    said = {"signals": ["adult"], "content_ref": "clip", "uploader_ref": "eve", "on_failure": "refuse"}
    headers = {"Prefer": "wait=0", "Idempotency-Key": "one-video-once"}
    answer = gate.post(original("cat"), headers=headers, **said)
    waiting = Decision.model_validate_json(answer.content)
    assert answer.status_code == 202
    assert (waiting.state, waiting.outcome) == (DecisionState.WAITING, Outcome.HOLD)
    assert waiting.job is not None
    assert answer.headers["location"] == f"/v1/jobs/{waiting.job}"
    verify_decision(waiting, gate.platform.client.jwks())
    again = gate.post(original("cat"), headers=headers, **said)
    assert again.json()["id"] == waiting.id
    job = finished(gate, waiting.job)
    assert (job["status"], job["kind"], job["problem"]) == ("done", "gate", None)
    done = Decision.model_validate_json(gate.http.get(f"/v1/jobs/{waiting.job}/result").content)
    verify_decision(done, gate.platform.client.jwks())
    assert (done.id, done.state, done.outcome) == (waiting.id, DecisionState.DECIDED, Outcome.AGE_GATE)
    assert done.facts["upload.media"] == "video"
    assert (done.content_ref, done.uploader) == ("clip", waiting.uploader)
    assert job["decision"]["id"] == done.id
    assert job["decision"]["match"] is None
    assert [one.state for one in gate.history(done)] == [DecisionState.WAITING, DecisionState.DECIDED]
    assert gate.platform.client.get_decision(done.id) == done.model_copy(update={"match": None})
    events = gate.http.get(f"/v1/jobs/{waiting.job}/events").text
    assert "event: done" in events
    assert done.id in events
    with Session(gate.world.engine) as session:
        assert session.exec(select(DecisionEntry).where(DecisionEntry.decision_id == done.id)).all()


def test_a_video_that_is_sent_twice_at_once_gets_one_decision(gate: Gate) -> None:
    content = original("rocket")

    def send(_: int) -> httpx2.Response:
        return gate.post(content, headers={"Prefer": "wait=0", "Idempotency-Key": "two-at-once"})

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(send, range(3)))
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    finished(gate, answers[0].json()["job"])


def test_a_video_that_is_damaged_ends_in_the_callers_own_choice(gate: Gate) -> None:
    waiting = gate.decide(damaged_video(), headers={"Prefer": "wait=0"}, on_failure="refuse")
    if waiting.job is not None:
        job = finished(gate, waiting.job)
        assert job["status"] == "done"
        assert job["decision"]["outcome"] == "refuse"
    decision = gate.platform.client.get_decision(waiting.id)
    assert (decision.state, decision.outcome) == (DecisionState.FAILED, Outcome.REFUSE)
    assert decision.failure is not None
    assert decision.failure.code in ("undecodable_media", "unsupported_media")


def test_a_video_whose_time_runs_out_ends_in_the_callers_own_choice_and_its_job_goes_on(gate: Gate) -> None:
    decision = gate.decide(original("hubble"), deadline_ms=1, on_failure="allow", signals=["bad"])
    assert (decision.state, decision.outcome) == (DecisionState.FAILED, Outcome.ALLOW)
    assert soon(lambda: gate.history(decision)[-1].state is DecisionState.LATE)
    history = gate.history(decision)
    assert (history[-1].state, history[-1].outcome) == (DecisionState.LATE, Outcome.REFUSE)
    assert [one.state for one in history if one.state is DecisionState.FAILED] == [DecisionState.FAILED]


def test_a_persons_review_stands_against_a_video_that_is_done_later(gate: Gate) -> None:
    waiting = gate.decide(original("rocket"), headers={"Prefer": "wait=0"}, signals=["bad"])
    assert waiting.job is not None
    review = NewDecisionReview(by="Kim", reason="It is ours.", confirmed=False, outcome=Outcome.ALLOW)
    reviewed = gate.platform.client.send(gate_calls.review_decision(waiting.id, review))
    assert reviewed.state is DecisionState.REVIEWED
    finished(gate, waiting.job)
    assert gate.platform.client.get_decision(waiting.id).outcome is Outcome.ALLOW


def test_videos_beyond_the_share_of_a_key_end_in_the_callers_own_choice(gate: Gate) -> None:
    settings = gate.world.services.settings
    kept = settings.jobs_per_key
    object.__setattr__(settings, "jobs_per_key", 0)
    try:
        decision = gate.decide(original("coffee"), headers={"Prefer": "wait=0"}, on_failure="refuse")
    finally:
        object.__setattr__(settings, "jobs_per_key", kept)
    assert (decision.state, decision.outcome) == (DecisionState.FAILED, Outcome.REFUSE)
    assert decision.failure is not None
    assert decision.failure.code == "too_many_requests"


NUL = "%00"


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/decisions/{NUL}",
        f"/v1/decisions/{NUL}/history",
        f"/v1/decisions?content_ref={NUL}",
        f"/v1/decisions?rule={NUL}",
        f"/v1/decisions?record={NUL}",
        f"/v1/decisions?uploader_ref={NUL}",
        "/v1/decisions?cursor=99999999999999999999",
        "/v1/decisions?since=0001-01-01T00:00:00%2B14:00",
        "/v1/decisions?until=9999-12-31T23:59:59-14:00",
        f"/v1/policy-packs/{NUL}",
        "/v1/policy-packs/a@b@c",
        f"/policies/{NUL}",
        f"/policies/{NUL}/text",
        f"/policies/{NUL}/{NUL}",
        "/policies/nothing/text",
        f"/decisions/{NUL}",
        f"/decisions/{'0' * 32}",
        f"/decisions/{'0' * 32}?lang={NUL}",
    ],
)
def test_no_address_however_odd_breaks_the_registry(gate: Gate, path: str) -> None:
    assert gate.http.get(path).status_code < 500


@pytest.mark.parametrize("number", ["-1", "99999999999999999999999", "9223372036854775807"])
def test_no_number_of_an_activation_breaks_the_registry(gate: Gate, number: str) -> None:
    answer = gate.http.post(f"/v1/policy-activations/{number}/confirm")
    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize(
    "form",
    [
        {"by": "comparison", "reason": "because"},
        {"by": " ", "reason": "because"},
        {"by": "Kim", "reason": " "},
        {"by": "Kim", "reason": "a\0b"},
        {"by": "Kim\u202e", "reason": "because"},
        {"by": "Kim", "reason": "because", "outcome": "publish"},
        {"by": "Kim", "reason": "because", "outcome": ""},
    ],
)
def test_the_page_of_a_decision_refuses_a_review_that_cannot_be_used(
    gate: Gate, form: dict[str, str]
) -> None:
    decision = gate.decide(encoded("rocket"), signals=["odd"])
    before = gate.recorded()
    data = {"api_key": gate.platform.api_key.secret, "outcome": "allow", **form}
    answer = httpx2.post(f"{decision.links.explain}/review", data=data)
    assert 400 <= answer.status_code < 500
    assert gate.recorded() == before


def test_a_pack_of_text_that_is_no_unicode_is_a_problem(gate: Gate) -> None:
    for path in ("/v1/policy-packs", "/v1/policy-packs/check", "/v1/policy-packs/test"):
        answer = gate.http.post(
            path, content=b'{"text": "pack: \\ud800"}', headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in (200, 422)
