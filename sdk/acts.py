"""The chain of a registry's administrative acts: what a digest covers, and whether acts are one chain.

An act's digest is SHA-256 over canonical JSON (RFC 8785) of all its fields but the digest itself, with that
of the act before among them: nobody changes, removes or inserts an act without changing all later ones. The
registry's log commits to the newest digest with each audit that finds nothing, where anything but audits is
new since.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC

import rfc8785

from sdk.errors import VerificationError
from sdk.models import Act

FIRST_PREVIOUS = "0" * 64
ENTRY_TYPE = "acts"  # of the log entries that commit to a head of the chain


class BadChain(VerificationError):
    """Acts do not follow one another."""


def digest_of(act: Act) -> str:
    """Computes the digest that the act must carry, in hexadecimal."""
    covered = act.model_dump(mode="json", exclude={"digest"})
    covered |= {"v": 1, "at": act.at.astimezone(UTC).isoformat(timespec="microseconds")}
    return hashlib.sha256(rfc8785.dumps(covered)).hexdigest()


def head_content(size: int, head: str) -> bytes:
    """What a log entry of the type `acts` commits to: the number of acts, and the digest of the last."""
    return rfc8785.dumps({"size": size, "head": head})


def verify_chain(acts: Sequence[Act]) -> None:
    """Raises BadChain unless these acts, by rising number and without a gap, follow one another."""
    for place, act in enumerate(acts):
        if digest_of(act) != act.digest:
            raise BadChain(f"act {act.number} is not what its digest covers")
        if act.number == 0 and act.previous != FIRST_PREVIOUS:
            raise BadChain("act 0 follows another act")
        if place and (act.number, act.previous) != (acts[place - 1].number + 1, acts[place - 1].digest):
            raise BadChain(f"act {act.number} does not follow act {acts[place - 1].number}")
