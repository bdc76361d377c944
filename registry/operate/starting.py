"""Notes a start of the registry as an act, where what it starts with is not what it started with before."""

import hashlib
from collections.abc import Mapping

import rfc8785
from sqlmodel import Session, col, select

from registry import __version__
from registry.log.transparency_log import lock_writer
from registry.records.acts import LOCAL_OPERATOR, append_act
from registry.settings import Settings
from registry.storage.models import Act
from registry.thresholds import Thresholds
from sdk.models import ActType
from sdk.witness_policy import WitnessPolicy

# What changes the answers, who may reach what, or what is looked after. No address, which may hold a
# password.
NOTED = (
    "allowed_hosts",
    "candidates",
    "descriptor",
    "effort",
    "detail_long_side",
    "faces",
    "hash_lists",
    "index",
    "log_origin",
    "nightly_audit",
    "preview_long_side",
    "probed_windows",
    "webhook_ports",
    "webhooks_to_private_networks",
)
NO_WITNESSES = "none"


def note_start(session: Session, role: str, told: Mapping[str, str]) -> None:
    """Appends an act unless the last start of this role was told the same."""
    lock_writer(session)  # several processes may start at once
    starts = select(Act).where(Act.type == ActType.START.value).order_by(col(Act.number).desc())
    before = session.exec(starts.where(Act.object == role).limit(1)).first()
    old = before.details["settings"] if before else {}
    changed = sorted(name for name in told.keys() | old.keys() if told.get(name) != old.get(name))
    if changed:
        append_act(session, LOCAL_OPERATOR, ActType.START, role, settings=dict(told), changed=changed)


def settings_told(
    settings: Settings, thresholds: Thresholds, policy: WitnessPolicy | None
) -> dict[str, str]:
    """The version and the settings that an act tells, as text; of files their SHA-256."""
    told = {name: str(getattr(settings, name)) for name in NOTED}
    told["descriptor"] = settings.wanted_descriptor
    lines = rfc8785.dumps(thresholds.model_dump(mode="json"))
    told["thresholds"] = hashlib.sha256(lines).hexdigest()
    told["witnesses"] = NO_WITNESSES if policy is None else policy.sha256
    return {**told, "version": __version__}
