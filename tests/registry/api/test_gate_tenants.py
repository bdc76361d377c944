"""Two platforms on every route of the gate: neither sees or changes anything of the other's, no key does
what its scopes do not say, and whoever runs the registry reads nobody's decisions.

A route that is not in `CASES` or `PAGES` fails: think about whose rows it shows, then add it.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlmodel import Session
from starlette.routing import Route

from registry.app import create_app
from registry.web import gate_pages
from sdk import gate_calls
from sdk.models import (
    ActivationMode,
    Decision,
    GateContext,
    NewApiKey,
    NewGateSettings,
    Outcome,
    Role,
    Scope,
)
from tests.pictures import encoded
from tests.registry.gate.desk import PACK
from tests.videos import original
from tests.waiting import soon
from tests.world import OF_THE_GATE, Party, World

TAGS = {"gate", "decisions", "policies"}
SECRET = "xq7secret"  # in everything that the first platform says
OWN_PACK = PACK.replace("pack: small", f"pack: {SECRET}-pack").replace("It is odd.", f"It is odd {SECRET}.")
GATE, READ, REVIEW = Scope.GATE, Scope.READ_DECISIONS, Scope.REVIEW_DECISIONS
WRITE, SWITCH = Scope.WRITE_POLICIES, Scope.ACTIVATE_POLICIES
TABLES = ("decision", "decision_entry", "policy_pack", "policy_activation", "gate_settings")


@dataclass(frozen=True)
class Tenants:
    """The first platform has everything; the second has a policy of its own, and asks for the first's."""

    world: World
    first: Party
    second: Party
    held: Decision
    pack: str  # SHA-256 of the first's own
    job: str
    waiting: int  # number of an activation that waits for a second person

    def rows(self) -> dict[str, list[str]]:
        """Everything that there is of the first."""
        with Session(self.world.engine) as session:
            query = "SELECT one::text FROM {} AS one WHERE publisher_id = :id ORDER BY 1"
            values = {"id": self.first.publisher.id}
            return {
                table: [
                    str(row[0]) for row in session.connection().execute(text(query.format(table)), values)
                ]
                for table in TABLES
            }


@pytest.fixture(scope="module")
def tenants(world_of_module: World) -> Tenants:
    world = world_of_module
    first, second = world.enrol("Chat", Role.PLATFORM), world.enrol("Board", Role.PLATFORM)
    client = first.client
    pack = client.send(gate_calls.add_pack(OWN_PACK))
    client.send(gate_calls.activate("label-only", f"first {SECRET}"))
    client.send(gate_calls.activate(pack.sha256, f"why {SECRET}"))
    client.send(gate_calls.activate("newsroom", f"beside {SECRET}", ActivationMode.SHADOW))
    said = {"content_ref": f"ref-{SECRET}", "uploader_ref": "alice", "signals": ("odd",)}
    held = client.gate(encoded("coffee"), GateContext.model_validate(said), idempotency_key="of-the-first")
    video = client.gate(original("rocket"), GateContext.model_validate(said))
    assert video.job is not None
    assert soon(lambda: client.get_job(video.job or "").finished_at is not None)
    dispute = f"https://example.org/{SECRET}?ref={{content_ref}}"
    client.send(gate_calls.change_gate_settings(NewGateSettings(two_people=True, dispute_url=dispute)))
    waiting = client.send(gate_calls.activate("ncii-strict", f"asked {SECRET}"))
    second.client.send(gate_calls.activate("label-only", "ours"))
    return Tenants(world, first, second, held, pack.sha256, video.job, waiting.number)


@dataclass(frozen=True)
class Case:
    """How a route is asked for what is the first's, and which scopes it wants."""

    scopes: tuple[Scope, ...]
    ask: Callable[[Tenants], dict[str, Any]]
    status: int  # for the second platform
    code: str | None = None


def at(url: str, **more: Any) -> Callable[[Tenants], dict[str, Any]]:
    def asked(tenants: Tenants) -> dict[str, Any]:
        places = {
            "DECISION": tenants.held.id,
            "PACK": tenants.pack,
            "NUMBER": str(tenants.waiting),
            "ADDRESS": tenants.held.links.explain.rsplit("/", 1)[1],
        }
        filled = json.dumps({"url": url, **more})
        for name, value in places.items():
            filled = filled.replace(name, value)
        made: dict[str, Any] = json.loads(filled)
        return made

    return asked


def gate_with(key: str, **said: Any) -> Callable[[Tenants], dict[str, Any]]:
    return lambda tenants: {
        "url": "/v1/gate",
        "files": {"media": encoded("coffee")},
        "data": {"context": json.dumps({"content_ref": "mine", **said}).replace("PACK", tenants.pack)},
        "headers": {"Idempotency-Key": key},
    }


REVIEWED = {"by": "Mallory", "reason": "because", "confirmed": False, "outcome": "allow"}
ALL = "?limit=1000"
CASES: dict[str, tuple[Case, ...]] = {
    "POST /v1/gate": (
        Case((GATE,), gate_with("of-the-first"), 200),
        Case((GATE,), gate_with("by-digest", policy="PACK"), 404, "unknown_pack"),
        Case((GATE,), gate_with("by-its-name", policy=f"{SECRET}-pack"), 404, "unknown_pack"),
    ),
    "GET /v1/decisions": (
        Case((READ,), at(f"/v1/decisions{ALL}"), 200),
        Case((READ,), at(f"/v1/decisions{ALL}&content_ref=ref-{SECRET}"), 200),
        Case((READ,), at(f"/v1/decisions{ALL}&uploader_ref=alice&dry_runs=false"), 200),
        Case((READ,), at(f"/v1/decisions{ALL}&policy=PACK&cursor=1000000"), 200),
    ),
    "GET /v1/decisions/statements": (Case((READ,), at(f"/v1/decisions/statements{ALL}"), 200),),
    "GET /v1/decisions/{decision_id}": (
        Case((READ,), at("/v1/decisions/DECISION"), 404, "unknown_decision"),
        Case((READ,), at("/v1/decisions/ADDRESS"), 404, "unknown_decision"),
    ),
    "GET /v1/decisions/{decision_id}/history": (
        Case((READ,), at("/v1/decisions/DECISION/history"), 404, "unknown_decision"),
    ),
    "POST /v1/decisions/{decision_id}/review": (
        Case((REVIEW,), at("/v1/decisions/DECISION/review", json=REVIEWED), 404, "unknown_decision"),
    ),
    "GET /v1/policy-facts": (Case((), at("/v1/policy-facts"), 200),),
    "GET /v1/policy-packs": (Case((WRITE,), at("/v1/policy-packs"), 200),),
    "POST /v1/policy-packs": (Case((WRITE,), at("/v1/policy-packs", json={"text": PACK}), 201),),
    "POST /v1/policy-packs/check": (
        Case((WRITE,), at("/v1/policy-packs/check", json={"text": PACK}), 200),
    ),
    "POST /v1/policy-packs/test": (Case((WRITE,), at("/v1/policy-packs/test", json={"text": PACK}), 200),),
    "POST /v1/policy-packs/backtest": (
        Case((WRITE, READ), at("/v1/policy-packs/backtest", json={"text": PACK}), 200),
        Case((WRITE, READ), at("/v1/policy-packs/backtest", json={"pack": "PACK"}), 404, "unknown_pack"),
        Case(
            (WRITE, READ),
            at("/v1/policy-packs/backtest", json={"pack": "newsroom", "against": "PACK"}),
            404,
            "unknown_pack",
        ),
    ),
    "GET /v1/policy-packs/{named}": (
        Case((WRITE,), at("/v1/policy-packs/PACK"), 404, "unknown_pack"),
        Case((WRITE,), at(f"/v1/policy-packs/{SECRET}-pack"), 404, "unknown_pack"),
    ),
    "POST /v1/policy-packs/{named}/activate": (
        Case((SWITCH,), at("/v1/policy-packs/PACK/activate", json={"why": "mine"}), 404, "unknown_pack"),
    ),
    "GET /v1/policy-activations": (Case((WRITE,), at("/v1/policy-activations"), 200),),
    "POST /v1/policy-activations/{number}/confirm": (
        Case((SWITCH,), at("/v1/policy-activations/NUMBER/confirm"), 409, "activation_refused"),
    ),
    "POST /v1/policy-activations/rollback": (
        Case(
            (SWITCH,), at("/v1/policy-activations/rollback", json={"why": "x"}), 409, "activation_refused"
        ),
    ),
    "GET /v1/policy-shadow": (Case((WRITE, READ), at("/v1/policy-shadow"), 200),),
    "GET /v1/gate-settings": (Case((WRITE,), at("/v1/gate-settings"), 200),),
    "POST /v1/gate-settings": (Case((SWITCH,), at("/v1/gate-settings", json={"retention_days": 3}), 200),),
}
KEY = "THE-KEY"
# Pages that are for everybody who was given their address, and those that want a key in their form.
PAGES: dict[str, Callable[[Tenants], dict[str, Any]] | None] = {
    "GET /decisions/{address}": None,
    "GET /schemas/policy-pack.json": None,
    "GET /policies/{named}": None,
    "GET /policies/{named}/text": None,
    "GET /policies/{named}/{rule_id}": None,
    "POST /decisions/{address}": at("/decisions/ADDRESS", data={"api_key": KEY}),
    "POST /decisions/{address}/review": at(
        "/decisions/ADDRESS/review",
        data={"api_key": KEY, "by": "Mallory", "reason": "because", "outcome": "allow"},
    ),
}
EACH = [(route, case) for route, cases in CASES.items() for case in cases]


def routes_of_the_gate(world: World) -> Iterator[str]:
    document = create_app(world.services).openapi()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if TAGS & set(operation.get("tags", ())):
                yield f"{method.upper()} {path}"


def test_every_route_and_page_of_the_gate_has_a_case(tenants: Tenants) -> None:
    assert set(routes_of_the_gate(tenants.world)) == set(CASES), "whose rows does a new route show?"
    pages = {
        f"{method} {route.path}"
        for route in gate_pages.router.routes
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert pages == set(PAGES)


def asked(tenants: Tenants, route: str, case: Case, key: str | None) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = case.ask(tenants)
    request["headers"] = {**headers, **request.get("headers", {})}
    with httpx2.Client(base_url=tenants.world.url, timeout=60) as http:
        return http.request(route.split(" ")[0], **request)


@pytest.mark.parametrize(("route", "case"), EACH)
def test_another_platform_sees_and_changes_nothing(tenants: Tenants, route: str, case: Case) -> None:
    before = tenants.rows()
    answer = asked(tenants, route, case, tenants.second.api_key.secret)
    assert answer.status_code == case.status, answer.text
    if case.code is not None:
        assert answer.json()["code"] == case.code
    assert SECRET not in answer.text.replace(f"'{SECRET}-pack'", "")  # but what was asked for, repeated
    assert tenants.held.id not in answer.text.replace(f"'{tenants.held.id}'", "")
    assert tenants.first.publisher.id not in answer.text
    assert tenants.rows() == before


@pytest.mark.parametrize(("route", "case"), [pair for pair in EACH if pair[0].startswith("GET")])
def test_the_owner_is_answered(tenants: Tenants, route: str, case: Case) -> None:
    """So that the test above asks for what there is."""
    answer = asked(tenants, route, case, tenants.first.api_key.secret)
    is_of_a_page = tenants.held.links.explain.rsplit("/", 1)[1] in case.ask(tenants)["url"]
    assert answer.status_code == (404 if is_of_a_page else 200)
    assert SECRET in answer.text or is_of_a_page or "facts" in route or "statements" in route


@pytest.mark.parametrize(("route", "case"), [pair for pair in EACH if pair[1].scopes])
def test_a_key_without_the_scope_is_refused(tenants: Tenants, route: str, case: Case) -> None:
    before = tenants.rows()
    for scope in case.scopes:
        others = tuple(one for one in (Scope.MATCH, *OF_THE_GATE) if one is not scope)
        new = NewApiKey(publisher=tenants.first.publisher.id, scopes=others)
        answer = asked(tenants, route, case, tenants.world.operator.issue_api_key(new).secret)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert asked(tenants, route, case, None).status_code == 401
    assert asked(tenants, route, case, "tp_nonsense").status_code == 401
    assert tenants.rows() == before


@pytest.mark.parametrize(("route", "case"), EACH)
def test_whoever_runs_the_registry_reads_and_changes_nobodys_decisions(
    tenants: Tenants, route: str, case: Case
) -> None:
    before = tenants.rows()
    operator = tenants.world.operator.who_am_i()
    admin = NewApiKey(publisher=operator.id, scopes=(Scope.ADMIN,))
    only_admin = asked(tenants, route, case, tenants.world.operator.issue_api_key(admin).secret)
    if case.scopes:
        assert (only_admin.status_code, only_admin.json()["code"]) == (403, "not_allowed")
    everything = asked(tenants, route, case, tenants.world.operator_secret)
    for answer in (only_admin, everything):
        assert SECRET not in answer.text.replace(f"'{SECRET}-pack'", "")
        assert tenants.first.publisher.id not in answer.text
    assert tenants.rows() == before


@pytest.mark.parametrize("path", ["", "/result", "/events"])
def test_the_job_of_a_video_is_its_own_platforms(tenants: Tenants, path: str) -> None:
    def get(key: str) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return httpx2.get(f"{tenants.world.url}/v1/jobs/{tenants.job}{path}", headers=headers, timeout=60)

    assert SECRET in get(tenants.first.api_key.secret).text
    assert get(tenants.second.api_key.secret).status_code == 404
    match_only = NewApiKey(publisher=tenants.first.publisher.id, scopes=(Scope.MATCH,))
    said = get(tenants.world.operator.issue_api_key(match_only).secret)
    assert SECRET not in said.text, "a key that is not of the gate reads no decision"
    admin = get(tenants.world.operator_secret)
    assert SECRET not in admin.text


PAGES_WITH_KEYS = [route for route, asked_for in PAGES.items() if asked_for]


@pytest.mark.parametrize("route", PAGES_WITH_KEYS)
def test_what_a_platforms_people_read_is_shown_to_nobody_else(tenants: Tenants, route: str) -> None:
    before = tenants.rows()
    new = NewApiKey(publisher=tenants.first.publisher.id, scopes=(Scope.MATCH, GATE))
    keys = {
        "another platform's": (tenants.second.api_key.secret, 404),
        "the operator's": (tenants.world.operator_secret, 404),
        "without the scope": (tenants.world.operator.issue_api_key(new).secret, 403),
        "no key": ("tp_nonsense", 401),
        "empty": ("", 401),
    }
    for whose, (key, status) in keys.items():
        make = PAGES[route]
        assert make is not None
        request = make(tenants)
        request["data"]["api_key"] = key
        with httpx2.Client(base_url=tenants.world.url, timeout=60) as http:
            answer = http.post(**request)
        assert answer.status_code == status or (key == "" and answer.status_code == 422), whose
        assert SECRET not in answer.text, whose
        assert "history" not in answer.text.casefold(), whose
    assert tenants.rows() == before


def test_the_page_for_the_uploader_shows_no_fact_no_key_and_no_id_of_the_platform(tenants: Tenants) -> None:
    page = httpx2.get(tenants.held.links.explain)
    assert page.status_code == 200
    assert page.headers["cache-control"] == "private, no-store"
    assert page.headers["x-robots-tag"] == "noindex"
    assert tenants.held.uploader is not None
    for hidden in (tenants.held.uploader, tenants.first.api_key.id, tenants.held.previous, "alice"):
        assert hidden not in page.text
    address = tenants.held.links.explain.rsplit("/", 1)[1]
    assert tenants.held.id not in address
    assert httpx2.get(f"{tenants.world.url}/decisions/{tenants.held.id}").status_code == 404


def test_policies_that_were_never_named_are_found_by_their_whole_digest_only(tenants: Tenants) -> None:
    def get(path: str) -> int:
        return httpx2.get(f"{tenants.world.url}/policies/{path}").status_code

    assert get(tenants.pack) == 200
    assert get(f"{tenants.pack}/text") == 200
    assert get(f"{SECRET}-pack") == 404
    assert get(tenants.pack[:63]) == 404
    assert get(f"{tenants.pack}/nothing") == 404
    assert get("%25") == 404


def test_everything_was_asked_of_a_whole_registry(tenants: Tenants) -> None:
    assert tenants.first.client.get_decision(tenants.held.id).outcome is Outcome.HOLD
    tenants.world.audit()
