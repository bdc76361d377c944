"""Pages of the gate: for each decision one that nobody can guess, and one for each policy and rule.

The uploader reads why, and how to dispute it. What the platform's people need to decide is shown to those
who give an API key of the platform's, which no page keeps.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from pydantic import ValidationError
from sqlmodel import Session

from registry.api.deps import BaseUrlDep, ServicesDep, SessionDep
from registry.errors import BadPack, InvalidRequest, RegistryError, UnknownDecision, UnknownPack
from registry.gate import decisions
from registry.gate.languages import LANGUAGES, language_for
from registry.gate.pack_rows import find_pack, page_of, published_pack
from registry.gate.pack_schema import json_schema
from registry.gate.packs import Pack
from registry.gate.page_words import page_words
from registry.gate.reasons import paragraphs_of
from registry.records.access import Action, require_scope
from registry.records.publishers import authenticate, get_publisher
from registry.services import Services
from registry.storage.db import release
from registry.storage.models import ApiKey, Record
from registry.storage.models.records import ERASED
from registry.web.pages import NOT_KEPT, page
from sdk.flaws import flaws_in_words
from sdk.models import Decision, NewDecisionReview, Outcome, in_words

router = APIRouter(include_in_schema=False)
TONES = {
    Outcome.ALLOW: "good",
    Outcome.LABEL: "warn",
    Outcome.DEMOTE: "warn",
    Outcome.AGE_GATE: "warn",
    Outcome.HOLD: "warn",
    Outcome.REFUSE: "bad",
}
NAMES_OF_LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español"}
# Addresses of decisions are given to uploaders only: no search engine is to list them.
PRIVATE = {**NOT_KEPT, "X-Robots-Tag": "noindex"}
KeyForm = Annotated[str, Form(max_length=200)]
LanguageQuery = Annotated[str | None, Query(alias="lang", max_length=35)]


@router.get("/decisions/{address}", response_class=HTMLResponse)
def show_decision(
    request: Request, address: str, session: SessionDep, language: LanguageQuery = None
) -> HTMLResponse:
    """Shows the uploader why, and how to dispute it; no picture and no number."""
    try:
        decision = decisions.decision_at(session, address)
        return page(request, "decision.html", _view(session, decision, address, language), headers=PRIVATE)
    except RegistryError as error:
        return page(request, "answer.html", {"problem": error}, error.status, PRIVATE)


@router.post("/decisions/{address}", response_class=HTMLResponse)
def show_to_staff(
    request: Request, address: str, services: ServicesDep, session: SessionDep, api_key: KeyForm
) -> HTMLResponse:
    """Shows the platform's people what they need to decide."""
    try:
        decision = decisions.decision_at(session, address)
        _staff(services, session, decision, api_key, Action.READ_DECISIONS)
        return _staff_page(request, session, decision, address)
    except RegistryError as error:
        return page(request, "answer.html", {"problem": error}, error.status, PRIVATE)


@router.post("/decisions/{address}/review", response_class=HTMLResponse)
def review_as_staff(
    request: Request,
    address: str,
    services: ServicesDep,
    session: SessionDep,
    base_url: BaseUrlDep,
    api_key: KeyForm,
    outcome: Annotated[Outcome, Form()],
    by: Annotated[str, Form(max_length=100)],
    reason: Annotated[str, Form(max_length=1000)],
    confirmed: Annotated[bool, Form()] = False,
) -> HTMLResponse:
    """Notes what a person of the platform decided."""
    try:
        decision = decisions.decision_at(session, address)
        key = _staff(services, session, decision, api_key, Action.REVIEW_DECISION)
        require_scope(key, Action.READ_DECISIONS)
        new = _review(by=by, reason=reason, confirmed=confirmed, outcome=outcome)
        signer, registry_key = services.signer, services.webhook_key
        reviewed = decisions.review(session, signer, registry_key, key, decision.id, new, base_url)
        return _staff_page(request, session, reviewed, address)
    except RegistryError as error:
        return page(request, "answer.html", {"problem": error}, error.status, PRIVATE)


@router.get("/schemas/policy-pack.json")
def pack_schema() -> JSONResponse:
    """The JSON Schema of policy packs."""
    return JSONResponse(json_schema(), media_type="application/schema+json")


@router.get("/policies/{named}", response_class=HTMLResponse)
def show_policy(request: Request, named: str, session: SessionDep) -> HTMLResponse:
    """Shows a policy: its rules in their order, in words and as conditions."""
    try:
        return page(request, "policy.html", {"pack": published_pack(session, named), "only": None})
    except RegistryError as error:
        return page(request, "answer.html", {"problem": error}, error.status)


@router.get("/policies/{named}/text", response_class=PlainTextResponse)
def policy_text(named: str, session: SessionDep) -> PlainTextResponse:
    """A policy's text, byte for byte what its SHA-256 is of."""
    return PlainTextResponse(published_pack(session, named).text)


@router.get("/policies/{named}/{rule_id}", response_class=HTMLResponse)
def show_rule(request: Request, named: str, rule_id: str, session: SessionDep) -> HTMLResponse:
    """Shows one rule of a policy."""
    try:
        pack = published_pack(session, named)
        if pack.rule_named(rule_id) is None:
            raise UnknownPack("this policy has no such rule")
        return page(request, "policy.html", {"pack": pack, "only": rule_id})
    except RegistryError as error:
        return page(request, "answer.html", {"problem": error}, error.status)


def _view(session: Session, decision: Decision, address: str, language: str | None) -> dict[str, Any]:
    statement = decision.statement
    assert statement is not None
    shown, paragraphs = statement.language, statement.paragraphs
    told = _without_erased(session, decision)
    if told is not decision or (language is not None and language_for(language) != shown):
        pack = _pack_of(session, decision)
        shown, paragraphs = paragraphs_of(told, pack, language or shown, statement.dispute_until)
    platform = get_publisher(session, decision.platform).name
    return {
        "decision": told,
        "tone": TONES[decision.outcome],
        "language": shown,
        "languages": {one: NAMES_OF_LANGUAGES.get(one, one) for one in LANGUAGES},
        "paragraphs": paragraphs,
        "address": address,
        "addresses": _addresses(session, decision),
        "words": page_words(decision, shown, platform),
        "platform": platform,
        "is_own_dispute_page": decision.links.dispute.startswith(decision.links.explain),
        "policy_page": None if decision.rule is None else page_of(decision.rule.sha256),
    }


def _without_erased(session: Session, decision: Decision) -> Decision:
    """The decision without the title of a record that was erased since, which may name somebody."""
    evidence = decision.evidence
    record = None if evidence is None or evidence.record is None else session.get(Record, evidence.record)
    if evidence is None or evidence.label is None or record is None or record.status != ERASED:
        return decision
    words = {"label": record.label, "sentence": f"{in_words(evidence.verdict).capitalize()}."}
    return decision.model_copy(update={"evidence": evidence.model_copy(update=words)})


def _addresses(session: Session, decision: Decision) -> tuple[str, ...]:
    """What of a statement is made a link: a publisher's title may hold an address, too."""
    pack = _pack_of(session, decision)
    published = None if pack is None else pack.document.reference
    rule = None if decision.rule is None else decision.rule.page
    return tuple(one for one in (decision.links.dispute, rule, published) if one is not None)


def _pack_of(session: Session, decision: Decision) -> Pack | None:
    if decision.rule is None:
        return None
    try:
        return find_pack(session, decision.platform, decision.rule.sha256)
    except BadPack:  # an older version of this program took it
        return None


def _staff(services: Services, session: Session, decision: Decision, secret: str, action: Action) -> ApiKey:
    """The API key, if it is the platform's and may do this. Raises NotAuthenticated, NotAllowed."""
    release(session)
    api_key = authenticate(services.engine, secret.strip())
    if api_key.publisher_id != decision.platform:
        raise UnknownDecision("no decision of yours has this address")
    require_scope(api_key, action)
    return api_key


def _review(**given: Any) -> NewDecisionReview:
    """What the form holds. Raises InvalidRequest."""
    try:
        return NewDecisionReview(**given)
    except ValidationError as error:
        words = (f"{place[0]}: {what}" for place, what in flaws_in_words(error.errors()))
        raise InvalidRequest("; ".join(words)) from None


def _staff_page(request: Request, session: Session, decision: Decision, address: str) -> HTMLResponse:
    view = _view(session, decision, address, None)
    view["history"] = decisions.history(session, decision.platform, decision.id)
    view["outcomes"] = list(Outcome)
    return page(request, "decision_staff.html", view, headers=PRIVATE)
