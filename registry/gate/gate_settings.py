"""How an organisation's gate works, where it does not want the defaults."""

from sqlmodel import Session

from registry.gate.pack_rows import lock_policies
from registry.records.acts import actor_of, append_act
from registry.records.publishers import is_usable
from registry.storage.models import ApiKey, GateSettings
from sdk.models import ActType, NewGateSettings
from sdk.models import GateSettings as WireSettings


def settings_of(session: Session, platform: str) -> WireSettings:
    """How an organisation's gate works."""
    row = session.get(GateSettings, platform)
    if row is None:
        return WireSettings()
    return WireSettings(
        two_people=row.two_people,
        one_person_asked_by=row.one_person_asked_by,
        retention_days=row.retention_days,
        dispute_url=row.dispute_url,
    )


def _asker(session: Session, row: GateSettings) -> str | None:
    """The key that asked to end it, as long as that key is good for anything."""
    asker = None if row.one_person_asked_by is None else session.get(ApiKey, row.one_person_asked_by)
    return None if asker is None or not is_usable(asker) else asker.id


def change_settings(session: Session, api_key: ApiKey, wanted: NewGateSettings) -> WireSettings:
    """Changes them. That two people are asked for is ended by two: the second key that wants it ends it."""
    platform = api_key.publisher_id
    lock_policies(session, platform)
    row = session.get(GateSettings, platform) or GateSettings(publisher_id=platform)
    if wanted.two_people is not None:
        ends = row.two_people and not wanted.two_people
        waits = ends and _asker(session, row) in (None, api_key.id)
        row.one_person_asked_by = api_key.id if waits else None
        row.two_people = wanted.two_people or waits
    if wanted.retention_days is not None:
        row.retention_days = wanted.retention_days
    if wanted.dispute_url is not None:
        row.dispute_url = wanted.dispute_url or None
    session.add(row)
    session.flush()
    said = {name: getattr(row, name) for name in ("two_people", "retention_days", "dispute_url")}
    append_act(session, actor_of(api_key), ActType.CHANGE_GATE, platform, **said)
    return settings_of(session, platform)
