"""An organisation's policy packs, as it adds and reads them."""

from typing import Any

from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from registry.gate.activation import Standing, standing_of
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
        .options(defer(col(PolicyPack.text)))  # type: ignore[arg-type]
        .where(PolicyPack.publisher_id == platform)
        .order_by(col(PolicyPack.added_at).desc())
    ).all()
    standing = standing_of(session, platform)
    kept = {row.sha256 for row in rows}
    unused = (pack for pack in shipped_packs().values() if pack.sha256 not in kept)
    return [
        *(_summary_of_row(row, standing) for row in rows),
        *(_summary_of_pack(pack, standing) for pack in unused),
    ]


def read_pack(session: Session, platform: str, named: str) -> WirePack:
    """One pack with its text. Raises UnknownPack."""
    pack = find_pack(session, platform, named)
    row = session.get(PolicyPack, (platform, pack.sha256))
    standing = standing_of(session, platform)
    summary = _summary_of_pack(pack, standing) if row is None else _summary_of_row(row, standing)
    return WirePack(**summary.model_dump(), text=pack.text)


def _summary_of_row(row: PolicyPack, standing: Standing) -> PackSummary:
    return PackSummary(
        name=row.name,
        version=row.version,
        title=row.title,
        rules=row.rules,
        cases=row.cases,
        added_at=row.added_at,
        **_state_of(row.sha256, standing),
    )


def _summary_of_pack(pack: Pack, standing: Standing) -> PackSummary:
    document = pack.document
    return PackSummary(
        name=document.pack,
        version=document.version,
        title=document.title,
        rules=len(document.rules),
        cases=len(document.cases),
        **_state_of(pack.sha256, standing),
    )


def _state_of(sha256: str, standing: Standing) -> dict[str, Any]:
    return {
        "sha256": sha256,
        "shipped": any(sha256 == one.sha256 for one in shipped_packs().values()),
        "active": sha256 == standing.active,
        "shadow": sha256 == standing.shadow,
        "page": page_of(sha256),
    }
