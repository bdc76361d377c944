"""Which witnesses there are, and which of them together are enough (c2sp.org/tlog-policy).

A policy is a text of lines: `log VKEY [URL]`, `witness NAME VKEY [URL]`, `group NAME all|any|K NAME...` and
one `quorum NAME|none`. It is read as octets: names are compared, never interpreted.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sdk.checkpoint import BadCheckpoint, VerifierKey, parse_verifier_key
from sdk.cosignature import parse_witness_key
from sdk.errors import SdkError

MAXIMUM_POLICY_BYTES = 64 * 1024
NONE = "none"
_OCTETS = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*")
_DECIMAL = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)


class BadPolicy(SdkError):
    """The policy cannot be read."""


@dataclass(frozen=True)
class NamedWitness:
    """A witness of a policy."""

    name: str  # within the policy
    key: VerifierKey
    url: str | None  # its submission prefix


@dataclass(frozen=True)
class WitnessGroup:
    """So many of these, each a witness or a group."""

    at_least: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class WitnessPolicy:
    """Who may sign and cosign, and what is enough."""

    logs: tuple[VerifierKey, ...]
    witnesses: tuple[NamedWitness, ...]
    groups: Mapping[str, WitnessGroup]
    quorum: str  # the name of a witness or a group, or `none`
    sha256: str  # of its text, in hexadecimal

    def is_met(self, cosigned_by: Collection[VerifierKey]) -> bool:
        """Tells whether cosignatures with these keys are enough."""
        if self.quorum == NONE:
            return True
        met = {witness.name for witness in self.witnesses if witness.key in cosigned_by}
        for name, group in self.groups.items():  # each after those that it names
            if len(met & set(group.members)) >= group.at_least:
                met.add(name)
        return self.quorum in met

    def can_split(self) -> bool:
        """Tells whether two sets of witnesses without a common one are each enough, as for two trees."""
        splits: set[str] = set()  # of the groups; a single witness is in one set only
        for name, group in self.groups.items():  # each after those that it names; none is a member twice
            # One that splits counts for both sets, any other one for either.
            if 2 * group.at_least <= len(group.members) + len(splits.intersection(group.members)):
                splits.add(name)
        return self.quorum == NONE or self.quorum in splits

    def in_words(self) -> str:
        """Says what is wanted, such as `2 of 3 witnesses`."""
        group = self.groups.get(self.quorum)
        if group is None:
            return f"witness {self.quorum}" if self.quorum != NONE else "no witness"
        kind = "witnesses" if not self.groups.keys() & set(group.members) else "groups and witnesses"
        return f"{group.at_least} of {len(group.members)} {kind}"


def parse_policy(content: bytes) -> WitnessPolicy:
    """Reads a policy. Raises BadPolicy, which names the line."""
    if len(content) > MAXIMUM_POLICY_BYTES:
        raise BadPolicy(f"more than {MAXIMUM_POLICY_BYTES} bytes")
    reader = _Reader()
    for number, line in enumerate(content.split(b"\n"), 1):
        try:
            if not _OCTETS.fullmatch(line):
                raise BadPolicy("a control character")
            # As in the specification, bytes above 0x7f have no meaning; so none is lost.
            reader.read(line.decode("utf-8", errors="surrogateescape"))
        except (BadPolicy, BadCheckpoint) as error:
            raise BadPolicy(f"line {number}: {error}") from None
    return reader.policy(hashlib.sha256(content).hexdigest())


class _Reader:
    def __init__(self) -> None:
        self._logs: list[VerifierKey] = []
        self._witnesses: list[NamedWitness] = []
        self._groups: dict[str, WitnessGroup] = {}
        self._used: set[str] = set()  # names that are members of a group
        self._quorum: str | None = None

    def read(self, line: str) -> None:
        words = [word for word in re.split("[ \t]+", line) if word]
        if not words or words[0].startswith("#"):
            return
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                self._add_log(parse_verifier_key(vkey))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._add_witness(NamedWitness(name, parse_witness_key(vkey), url[0] if url else None))
            case ["group", name, threshold, *members] if members:
                self._add_group(name, threshold, tuple(members))
            case ["quorum", name]:
                if self._quorum is not None:
                    raise BadPolicy("a second quorum")
                self._quorum = name if name == NONE else self._known(name)
            case _:
                raise BadPolicy("not a line of a policy: log, witness, group or quorum")

    def policy(self, sha256: str) -> WitnessPolicy:
        if self._quorum is None:
            raise BadPolicy("it has no line `quorum`")
        logs, witnesses = tuple(self._logs), tuple(self._witnesses)
        return WitnessPolicy(logs, witnesses, dict(self._groups), self._quorum, sha256)

    def _add_log(self, key: VerifierKey) -> None:
        _require_new_key(key, self._logs)
        self._logs.append(key)

    def _add_witness(self, witness: NamedWitness) -> None:
        _require_new_key(witness.key, (other.key for other in self._witnesses))
        self._require_new_name(witness.name)
        self._witnesses.append(witness)

    def _add_group(self, name: str, threshold: str, members: tuple[str, ...]) -> None:
        self._require_new_name(name)
        for member in members:
            if self._known(member) in self._used:
                raise BadPolicy(f"{_shown(member)} is a member of a group twice")
            self._used.add(member)
        at_least = {"all": len(members), "any": 1}.get(threshold)
        if at_least is None:
            at_least = int(threshold) if _DECIMAL.fullmatch(threshold) else 0
        if not 1 <= at_least <= len(members):
            raise BadPolicy(f"`all`, `any` or a number from 1 to {len(members)} is wanted")
        self._groups[name] = WitnessGroup(at_least, members)

    def _known(self, name: str) -> str:
        if name not in self._groups and all(witness.name != name for witness in self._witnesses):
            raise BadPolicy(f"{_shown(name)} is named before it is defined")
        return name

    def _require_new_name(self, name: str) -> None:
        if name == NONE or name in self._groups or any(other.name == name for other in self._witnesses):
            raise BadPolicy(f"the name {_shown(name)} is taken")


def _require_new_key(key: VerifierKey, others: Iterable[VerifierKey]) -> None:
    if any(key.public_key == other.public_key for other in others):
        raise BadPolicy(f"the key of {key.name} stands here twice")


def _shown(name: str) -> str:
    return repr(name[:60].encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace"))
