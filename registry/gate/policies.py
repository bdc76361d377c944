"""An organisation's policy packs, as it adds and reads them."""

from sqlmodel import Session, col, select

from registry.gate.activation import InForce, in_force
from registry.gate.pack_rows import find_pack, keep_pack, lock_policies, page_of
from registry.gate.packs import Pack, compile_pack, shipped_packs
from registry.storage.models import ApiKey, PolicyPack
from sdk.models import PackSummary
from sdk.models import PolicyPack as WirePack


def add_pack(session: Session, api_key: ApiKey, text_of_pack: str) -> WirePack:
    """Keeps a pack; the same text again changes nothing. Raises BadPack, ActivationRefused."""
    pack = compile_pack(text_of_pack)
    lock_policies(session, api_key.publisher_id)
    keep_pack(session, api_key, pack)
    return read_pack(session, api_key.publisher_id, pack.sha256)


def list_packs(session: Session, platform: str) -> list[PackSummary]:
    """The organisation's packs, the newest first, then those shipped that it has not used."""
    rows = session.exec(
        select(PolicyPack)
        .where(PolicyPack.publisher_id == platform)
        .order_by(col(PolicyPack.added_at).desc())
    ).all()
    force = in_force(session, platform)
    mine = [_summary(compile_pack(row.text), row, force) for row in rows]
    kept = {one.sha256 for one in mine}
    return mine + [
        _summary(pack, None, force) for pack in shipped_packs().values() if pack.sha256 not in kept
    ]


def read_pack(session: Session, platform: str, named: str) -> WirePack:
    """One pack with its text. Raises UnknownPack."""
    pack = find_pack(session, platform, named)
    row = session.get(PolicyPack, (platform, pack.sha256))
    summary = _summary(pack, row, in_force(session, platform))
    return WirePack(**summary.model_dump(), text=pack.text)


def _summary(pack: Pack, row: PolicyPack | None, force: InForce) -> PackSummary:
    document = pack.document
    return PackSummary(
        name=document.pack,
        version=document.version,
        sha256=pack.sha256,
        title=document.title,
        rules=len(document.rules),
        cases=len(document.cases),
        shipped=any(pack.sha256 == one.sha256 for one in shipped_packs().values()),
        active=force.active is not None and force.active.sha256 == pack.sha256,
        shadow=force.shadow is not None and force.shadow.sha256 == pack.sha256,
        added_at=None if row is None else row.added_at,
        page=page_of(pack.sha256),
    )
