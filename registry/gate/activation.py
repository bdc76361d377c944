"""Which packs decide: switched on, run in shadow, rolled back; by whom, when and why.

Where an organisation asks for two people, what one API key asks for is confirmed by another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlmodel import Session, col, select

from registry.errors import ActivationRefused, NoActivePolicy
from registry.gate.evaluation import run_cases
from registry.gate.gate_settings import settings_of
from registry.gate.pack_rows import find_pack, keep_pack, lock_policies, own_pack
from registry.gate.packs import Pack, shipped_packs
from registry.records.acts import actor_of, append_act
from registry.records.publishers import is_usable
from registry.storage import direct
from registry.storage.models import ApiKey, PolicyActivation, PolicyPack
from registry.storage.models.columns import now
from sdk.models import Activation, ActivationMode, ActType, NewActivation

CONFIRMED_WITHIN = timedelta(days=7)  # what one person asked for waits no longer for the second


@dataclass(frozen=True)
class InForce:
    """What decides now: the active pack, and the one in its shadow."""

    active: Pack | None
    shadow: Pack | None


@dataclass(frozen=True)
class Standing:
    """What an organisation has switched on and set, as one look at the database tells it."""

    active: str | None  # SHA-256 of a pack
    shadow: str | None
    two_people: bool
    dispute_url: str | None
    replayed: str | None = None  # id of the decision that the same Idempotency-Key led to
    replayed_request: str | None = None  # digest of what was asked then


# One statement, since every request to the gate asks it. By number and not by time: clocks are moved, and
# an older activation is not confirmed after a newer one.
STANDING = """
SELECT active.sha256, shadow.sha256, coalesce(two_people, false), dispute_url,
    decision.id, request_sha256
FROM (VALUES (1)) AS one
LEFT JOIN decision ON decision.api_key_id = %(api_key)s AND decision.idempotency_key = %(key)s
LEFT JOIN gate_settings ON gate_settings.publisher_id = %(platform)s
LEFT JOIN LATERAL (SELECT sha256 FROM policy_activation WHERE publisher_id = %(platform)s
    AND mode = 'active' AND effective_at IS NOT NULL ORDER BY number DESC LIMIT 1) AS active ON true
LEFT JOIN LATERAL (SELECT sha256, mode, number FROM policy_activation WHERE publisher_id = %(platform)s
    AND mode IN ('shadow', 'shadow_ended') AND effective_at IS NOT NULL
    ORDER BY number DESC LIMIT 1) AS shadow ON shadow.mode = 'shadow'
    AND NOT EXISTS (SELECT 1 FROM policy_activation AS later WHERE later.publisher_id = %(platform)s
        AND later.mode = 'active' AND later.effective_at IS NOT NULL AND later.sha256 = shadow.sha256
        AND later.number > shadow.number)
"""


def standing_of(
    session: Session, platform: str, api_key: str | None = None, idempotency_key: str | None = None
) -> Standing:
    """What decides now, and how; of a request with an Idempotency-Key also whether it came before.

    A pack that was tried in the shadow and switched on is no shadow, also after a rollback.
    """
    named = {"platform": platform, "api_key": api_key, "key": idempotency_key}
    active, shadow, *others = direct.fetch_one(session, STANDING, named)
    return Standing(active, None if shadow == active else shadow, *others)


def in_force(session: Session, platform: str) -> InForce:
    """The packs that decide now."""
    return _packs(session, platform, standing_of(session, platform))


def _packs(session: Session, platform: str, standing: Standing) -> InForce:
    return InForce(
        active=None if standing.active is None else own_pack(session, platform, standing.active),
        shadow=None if standing.shadow is None else own_pack(session, platform, standing.shadow),
    )


def require_pack(
    session: Session, platform: str, standing: Standing, named: str | None, *, is_dry_run: bool = False
) -> InForce:
    """The packs that decide about a request. Raises UnknownPack, NoActivePolicy, ActivationRefused.

    A name alone means the active pack, if that is its name: a version that was only added decides nothing.
    """
    force = _packs(session, platform, standing)
    if force.active is not None and named == force.active.document.pack:
        return force
    if named is not None:
        pack = find_pack(session, platform, named)
        is_active = pack.sha256 == standing.active
        if not (is_active or is_dry_run) and standing.two_people:
            raise ActivationRefused("two people are asked for: a pack decides once both switched it on")
        return InForce(pack, force.shadow)
    if force.active is None:
        shipped = ", ".join(shipped_packs())
        raise NoActivePolicy(
            f"switch one on with `trueprint policy activate NAME`, or name one in `policy` ({shipped})"
        )
    return force


def activate(
    session: Session, api_key: ApiKey, named: str, new: NewActivation, *, rollback_of: int | None = None
) -> Activation:
    """Switches a pack on, or asks a second person to. Raises UnknownPack, ActivationRefused, BadPack."""
    platform = api_key.publisher_id
    lock_policies(session, platform)
    pack = find_pack(session, platform, named)
    failed = [case.name for case in run_cases(pack).cases if not case.passed]
    if failed and new.mode is ActivationMode.ACTIVE:
        raise ActivationRefused(f"{len(failed)} of its cases fail, such as {failed[0]!r}")
    keep_pack(session, api_key, pack)
    numbers = select(PolicyActivation.number).where(PolicyActivation.publisher_id == platform)
    last = session.exec(numbers.order_by(col(PolicyActivation.number).desc()).limit(1)).first()
    waits = settings_of(session, platform).two_people and new.mode is ActivationMode.ACTIVE
    row = PolicyActivation(
        publisher_id=platform,
        number=0 if last is None else last + 1,
        mode=new.mode.value,
        sha256=pack.sha256,
        why=new.why,
        asked_by=api_key.id,
        effective_at=None if waits else now(),
        rollback_of=rollback_of,
    )
    session.add(row)
    session.flush()
    act = ActType.ASK_FOR_POLICY if waits else ActType.SWITCH_POLICY
    append_act(session, actor_of(api_key), act, pack.sha256, mode=row.mode, activation=row.number)
    return _wire(row, pack.document.pack, pack.document.version)


def confirm(session: Session, api_key: ApiKey, number: int) -> Activation:
    """Confirms what another person asked for. Raises ActivationRefused."""
    platform = api_key.publisher_id
    lock_policies(session, platform)
    row = session.get(PolicyActivation, (platform, number))
    if row is None:
        raise ActivationRefused(f"there is no activation {number}")
    if row.effective_at is not None:
        raise ActivationRefused(f"activation {number} is in effect already")
    if row.asked_by == api_key.id:
        raise ActivationRefused("two people are needed: the API key that asked cannot confirm")
    asker = session.get(ApiKey, row.asked_by)
    if asker is None or not is_usable(asker) or now() - row.asked_at > CONFIRMED_WITHIN:
        raise ActivationRefused(
            f"activation {number} was asked for too long ago, or by a key that was revoked or expired"
        )
    newer = select(PolicyActivation.number).where(
        PolicyActivation.publisher_id == platform,
        PolicyActivation.mode == row.mode,
        col(PolicyActivation.number) > number,
        col(PolicyActivation.effective_at).is_not(None),
    )
    if session.exec(newer).first() is not None:
        raise ActivationRefused(f"a newer pack was switched on since activation {number} was asked for")
    row.confirmed_by, row.effective_at = api_key.id, now()
    session.add(row)
    session.flush()
    append_act(
        session, actor_of(api_key), ActType.SWITCH_POLICY, row.sha256, mode=row.mode, activation=number
    )
    document = find_pack(session, platform, row.sha256).document
    return _wire(row, document.pack, document.version)


def roll_back(session: Session, api_key: ApiKey, why: str) -> Activation:
    """Switches on again what was active before. Raises ActivationRefused: nothing was."""
    platform = api_key.publisher_id
    lock_policies(session, platform)
    rows = session.exec(
        select(PolicyActivation)
        .where(PolicyActivation.publisher_id == platform)
        .where(PolicyActivation.mode == ActivationMode.ACTIVE.value)
        .where(col(PolicyActivation.effective_at).is_not(None))
        .order_by(col(PolicyActivation.number))
    ).all()
    standing = _standing_ones(rows)
    if len(standing) < 2:
        raise ActivationRefused("no other policy was active before")
    current, before = standing[-1], standing[-2]
    wanted = NewActivation(mode=ActivationMode.ACTIVE, why=why)
    return activate(session, api_key, before.sha256, wanted, rollback_of=current.number)


def _standing_ones(rows: Sequence[PolicyActivation]) -> list[PolicyActivation]:
    """The activations that were not rolled back, the newest last; no pack twice in a row."""
    standing: list[PolicyActivation] = []
    for row in rows:
        while row.rollback_of is not None and standing and standing[-1].sha256 != row.sha256:
            standing.pop()
        if not standing or standing[-1].sha256 != row.sha256:
            standing.append(row)
    return standing


def activations(session: Session, platform: str, limit: int = 100) -> list[Activation]:
    """Who switched what on, when and why; the newest first."""
    rows = session.exec(
        select(PolicyActivation)
        .where(PolicyActivation.publisher_id == platform)
        .order_by(col(PolicyActivation.number).desc())
        .limit(limit)
    ).all()
    packs = select(PolicyPack).where(PolicyPack.publisher_id == platform)
    named = {pack.sha256: (pack.name, pack.version) for pack in session.exec(packs)}
    return [_wire(row, *named[row.sha256]) for row in rows if row.sha256 in named]


def _wire(row: PolicyActivation, name: str, version: str) -> Activation:
    return Activation(
        number=row.number,
        mode=ActivationMode(row.mode),
        pack=name,
        version=version,
        sha256=row.sha256,
        why=row.why,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        confirmed_by=row.confirmed_by,
        effective_at=row.effective_at,
        rollback_of=row.rollback_of,
    )
