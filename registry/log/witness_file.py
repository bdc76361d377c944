"""Reads the policy of the witnesses that this log asks, and refuses one that it could not live by."""

from collections.abc import Collection
from pathlib import Path

import httpx2

from registry.errors import BadWitnesses
from sdk.checkpoint import VerifierKey
from sdk.witness_policy import NONE, BadPolicy, NamedWitness, WitnessPolicy, parse_policy

MOST_WITNESSES = 15  # with the log's own line sixteen, which every reader of notes has to take


def read_policy(path: Path) -> WitnessPolicy:
    """Reads the file. Raises BadWitnesses."""
    try:
        policy = parse_policy(path.read_bytes())
    except OSError as error:
        raise BadWitnesses(f"{path}: {error.strerror}") from error
    except BadPolicy as error:
        raise BadWitnesses(f"{path}, {error}") from error
    if policy.quorum == NONE:
        raise BadWitnesses(f"{path}: `quorum none` wants no witness; leave the file out instead")
    if len(policy.witnesses) > MOST_WITNESSES:
        raise BadWitnesses(f"{path}: a checkpoint has room for {MOST_WITNESSES} witnesses")
    for witness in policy.witnesses:
        if not _is_address(witness):
            raise BadWitnesses(f"{path}: witness {witness.name} has no address (https://...)")
    return policy


def require_this_log(policy: WitnessPolicy, keys: Collection[VerifierKey]) -> None:
    """Raises BadWitnesses where the policy is of other logs. `keys`: all that this log has and had.

    Any of them names it, so that a rotation of its key leaves the policy as good as it was.
    """
    if policy.logs and not any(key in policy.logs for key in keys):
        named = ", ".join(key.text() for key in keys)
        raise BadWitnesses(f"of the logs that the policy of witnesses names none is this one, {named}")


def _is_address(witness: NamedWitness) -> bool:
    try:
        url = httpx2.URL(witness.url or "")
    except (httpx2.InvalidURL, UnicodeError):
        return False
    return url.scheme in ("http", "https") and bool(url.host) and not (url.userinfo or url.query)
