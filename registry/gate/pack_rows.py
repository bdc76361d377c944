"""Keeps an organisation's policy packs, and finds one by its name or digest.

A pack is named by the SHA-256 of its text and never changed. A shipped one becomes a row when it is first
used, so that an upgrade of this program changes no policy.
"""

from sqlalchemy import text
from sqlmodel import Session, col, func, select

from registry.errors import ActivationRefused, BadPack, UnknownPack
from registry.gate.packs import PACKS_KEPT, Pack, compile_pack, digest_of, shipped_packs
from registry.records.acts import actor_of, append_act
from registry.storage.models import ApiKey, PolicyPack
from sdk.models import ActType, PackCheck, PackFlaw

LOCKS_OF_POLICIES = 0x706F_6C69  # "poli"
MOST_PACKS = 1000  # of one organisation


def check_pack(text_of_pack: str) -> PackCheck:
    """Whether a pack can be used; keeps nothing."""
    try:
        pack = compile_pack(text_of_pack)
    except BadPack as error:
        return PackCheck(ok=False, sha256=digest_of(text_of_pack), flaws=error.flaws)
    document = pack.document
    return PackCheck(ok=True, name=document.pack, version=document.version, sha256=pack.sha256)


def keep_pack(session: Session, api_key: ApiKey, pack: Pack) -> None:
    """Makes a pack a row, unless it is one. Raises BadPack: its version has another text already."""
    platform, document = api_key.publisher_id, pack.document
    if session.get(PolicyPack, (platform, pack.sha256)) is not None:
        return
    mine = select(PolicyPack).where(PolicyPack.publisher_id == platform)
    same = mine.where(PolicyPack.name == document.pack, PolicyPack.version == document.version)
    if session.exec(same).first() is not None:
        reason = (
            f"version {document.version} of {document.pack} has another text: give this one a new version"
        )
        raise BadPack((PackFlaw(line=1, where="version", reason=reason),))
    kept = select(func.count()).select_from(PolicyPack).where(PolicyPack.publisher_id == platform)
    if session.exec(kept).one() >= MOST_PACKS:
        raise ActivationRefused(f"{MOST_PACKS} packs are kept already")
    session.add(
        PolicyPack(
            publisher_id=platform,
            sha256=pack.sha256,
            name=document.pack,
            version=document.version,
            title=document.title,
            rules=len(document.rules),
            cases=len(document.cases),
            text=pack.text,
            added_by=api_key.id,
        )
    )
    session.flush()
    append_act(
        session,
        actor_of(api_key),
        ActType.ADD_POLICY,
        pack.sha256,
        pack=document.pack,
        version=document.version,
    )


def find_pack(session: Session, platform: str, named: str) -> Pack:
    """The pack of a name, `name@version` or SHA-256; of a name alone the newest. Raises UnknownPack."""
    name, at, version = named.partition("@")
    if at and not version:
        raise UnknownPack(f"{named[:80]!r} names no version")
    mine = select(PolicyPack).where(PolicyPack.publisher_id == platform)
    by_name = mine.where(PolicyPack.name == name)
    wanted = by_name.where(PolicyPack.version == version) if version else by_name
    row = session.exec(mine.where(PolicyPack.sha256 == named)).first()
    row = row or session.exec(wanted.order_by(col(PolicyPack.added_at).desc()).limit(1)).first()
    if row is not None:
        return compile_pack(row.text)
    for pack in shipped_packs().values():
        document = pack.document
        if pack.sha256 == named or (document.pack == name and version in ("", document.version)):
            return pack
    raise UnknownPack(f"no policy pack is called {named[:80]!r} here; `trueprint policy list` names them")


_compiled: dict[str, Pack] = {}  # by SHA-256; packs are never changed, so whichever thread writes is right


def own_pack(session: Session, platform: str, sha256: str) -> Pack:
    """A pack that the organisation is known to have, as an activation or a decision names it.

    Asks the database once in this process. Raises UnknownPack.
    """
    pack = _compiled.get(sha256)
    if pack is None:
        pack = find_pack(session, platform, sha256)
        if len(_compiled) >= PACKS_KEPT:
            _compiled.clear()
        _compiled[sha256] = pack
    return pack


_kept: set[tuple[str, str]] = set()  # platforms and the shipped packs that they are known to have as rows


def keep_used_pack(session: Session, api_key: ApiKey, pack: Pack) -> bool:
    """Makes a shipped pack a row of the organisation that uses it, before a decision names it.

    Returns whether it was none before. Then commit before anything is decided: what a failure rolls back
    would be missing for the decision that tells of the failure, and the acts are locked until then.
    """
    used = api_key.publisher_id, pack.sha256
    if used in _kept or pack.sha256 not in {one.sha256 for one in shipped_packs().values()}:
        return False
    if session.get(PolicyPack, used) is None:
        lock_policies(session, api_key.publisher_id)
        keep_pack(session, api_key, pack)
        return True
    _kept.add(used)  # committed: a row of this transaction might yet be rolled back
    return False


def page_of(sha256: str, rule_id: str | None = None) -> str:
    """The path of the page of a pack, or of one of its rules."""
    return f"/policies/{sha256}" + (f"/{rule_id}" if rule_id else "")


def published_pack(session: Session, named: str) -> Pack:
    """The pack that a page is about: by SHA-256 anybody's, since decisions name it; by name those shipped.

    Raises UnknownPack.
    """
    if named in shipped_packs():
        return shipped_packs()[named]
    by_digest = (pack for pack in shipped_packs().values() if pack.sha256 == named)
    row = session.exec(select(PolicyPack).where(PolicyPack.sha256 == named).limit(1)).first()
    found = compile_pack(row.text) if row is not None else next(by_digest, None)
    if found is None:
        raise UnknownPack("no policy has this address")
    return found


def lock_policies(session: Session, platform: str) -> None:
    """Changes of one organisation's policies come one after another."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(:policies, hashtext(:platform))"),
        {"policies": LOCKS_OF_POLICIES, "platform": platform},
    )
