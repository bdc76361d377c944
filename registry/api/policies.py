"""Endpoints of policies: packs are checked, tested, replayed, and switched on."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel import Session

from registry.api.deps import AnyKey, DecisionReader, PolicyActivator, PolicyWriter, SessionDep
from registry.errors import InvalidRequest
from registry.gate import activation, gate_settings, policies
from registry.gate import replay as replays
from registry.gate.evaluation import run_cases
from registry.gate.facts import FACTS
from registry.gate.pack_rows import check_pack, find_pack
from registry.gate.packs import Pack, compile_pack
from sdk.models import (
    Activation,
    FactRow,
    GateSettings,
    NewActivation,
    NewBacktest,
    NewGateSettings,
    NewPack,
    NewRollback,
    PackCheck,
    PackSummary,
    PackTest,
    PolicyPack,
    Replay,
)

router = APIRouter(prefix="/v1", tags=["policies"])
Days = Annotated[int, Query(ge=1, le=3650)]


@router.get("/policy-facts", operation_id="listPolicyFacts")
def list_facts(_: AnyKey) -> list[FactRow]:
    """Returns every fact that conditions can read."""
    return [
        FactRow(
            name=fact.name, type=fact.type.value, meaning=fact.meaning, words=fact.words, kept=fact.is_kept
        )
        for fact in FACTS
    ]


@router.get("/policy-packs", operation_id="listPolicyPacks")
def list_packs(session: SessionDep, api_key: PolicyWriter) -> list[PackSummary]:
    """Returns the organisation's policy packs, then those shipped that it has not used."""
    return policies.list_packs(session, api_key.publisher_id)


@router.post("/policy-packs", status_code=201, operation_id="addPolicyPack")
def add_pack(new: NewPack, session: SessionDep, api_key: PolicyWriter) -> PolicyPack:
    """Keeps a policy pack under the SHA-256 of its text; nothing is switched on."""
    return policies.add_pack(session, api_key, new.text)


@router.post("/policy-packs/check", operation_id="checkPolicyPack")
def check(new: NewPack, _: PolicyWriter) -> PackCheck:
    """Says whether a pack can be used and, line by line, what is wrong with it; keeps nothing."""
    return check_pack(new.text)


@router.post("/policy-packs/test", operation_id="testPolicyPack")
def run_pack_cases(new: NewPack, _: PolicyWriter) -> PackTest:
    """Says what a pack makes of its own cases; keeps nothing."""
    return run_cases(compile_pack(new.text))


@router.post("/policy-packs/backtest", operation_id="backtestPolicyPack")
def backtest(new: NewBacktest, session: SessionDep, api_key: PolicyWriter, _: DecisionReader) -> Replay:
    """Says which decisions of the last days a pack would have made differently."""
    platform = api_key.publisher_id
    pack = _pack(session, platform, new.pack, new.text)
    if pack is None:
        raise InvalidRequest("give either `pack` or `text`")
    against = _pack(session, platform, new.against, new.against_text)
    return replays.replay(session, platform, pack, against, new.days, new.limit)


def _pack(session: Session, platform: str, named: str | None, text: str | None) -> Pack | None:
    """The pack that is named or given. Raises InvalidRequest for both, UnknownPack, BadPack."""
    if named is not None and text is not None:
        raise InvalidRequest("give either the name of a pack or its text")
    if text is not None:
        return compile_pack(text)
    return None if named is None else find_pack(session, platform, named)


@router.get("/policy-packs/{named}", operation_id="getPolicyPack")
def get_pack(named: str, session: SessionDep, api_key: PolicyWriter) -> PolicyPack:
    """Returns a pack by its name, `name@version` or SHA-256, with its text."""
    return policies.read_pack(session, api_key.publisher_id, named)


@router.post("/policy-packs/{named}/activate", operation_id="activatePolicyPack")
def activate(named: str, new: NewActivation, session: SessionDep, api_key: PolicyActivator) -> Activation:
    """Switches a pack on, or puts it into the active one's shadow; of two people it is the first."""
    return activation.activate(session, api_key, named, new)


@router.get("/policy-activations", operation_id="listPolicyActivations")
def list_activations(session: SessionDep, api_key: PolicyWriter) -> list[Activation]:
    """Returns who switched what on, when and why, the newest first."""
    return activation.activations(session, api_key.publisher_id)


@router.post("/policy-activations/{number}/confirm", operation_id="confirmPolicyActivation")
def confirm(number: int, session: SessionDep, api_key: PolicyActivator) -> Activation:
    """Confirms what another API key asked for."""
    return activation.confirm(session, api_key, number)


@router.post("/policy-activations/rollback", operation_id="rollBackPolicy")
def roll_back(new: NewRollback, session: SessionDep, api_key: PolicyActivator) -> Activation:
    """Switches on again what was active before."""
    return activation.roll_back(session, api_key, new.why)


@router.get("/policy-shadow", operation_id="getPolicyShadow")
def get_shadow(
    session: SessionDep,
    api_key: PolicyWriter,
    _: DecisionReader,
    days: Days = 30,
    limit: Annotated[int, Query(ge=0, le=10_000)] = 1000,
) -> Replay | None:
    """Says what the pack in shadow would have decided of the traffic itself; null: none ran."""
    return replays.shadow_report(session, api_key.publisher_id, days, limit)


@router.get("/gate-settings", operation_id="getGateSettings")
def get_settings(session: SessionDep, api_key: PolicyWriter) -> GateSettings:
    """Returns how the organisation's gate works."""
    return gate_settings.settings_of(session, api_key.publisher_id)


@router.post("/gate-settings", operation_id="changeGateSettings")
def change_settings(new: NewGateSettings, session: SessionDep, api_key: PolicyActivator) -> GateSettings:
    """Changes it. That two people are asked for is ended by the second API key that wants it."""
    return gate_settings.change_settings(session, api_key, new)
