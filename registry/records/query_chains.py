"""Chains of queries that feel their way to a fingerprint that is kept from the asker.

An answer "match" or "no match" is one bit about a registered value. Whoever has a copy and asks again and
again, a few bits changed each time, reads the value off the answers: 257 queries by distances, 275 by yes
and no. After Blacklight (Li et al., USENIX Security 2022) a query is known by keyed hashes of small windows
of its fingerprint. What shares most windows with earlier queries that came near a record is a link of their
chain, and costs its organisation the windows that are new in it: a bit that never changed tells nothing.
A popular picture that is coded anew a thousand times changes the same few bits again and again.

No query is kept. The windows are hashed under a key that is made anew every day, never leaves this process,
and is forgotten with its hashes on the day after the next.
"""

import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from registry.errors import FingerprintProbing

logger = logging.getLogger(__name__)
DAY_S = 86_400
HASH_BYTES = 8
# Of 64 windows of four bits. A copy coded anew changes one to ten of them, an edit twenty or more.
MOST_NEW_WINDOWS = 12
COST_OF_A_CHAIN = 8  # of the first query of each version of a picture
SLOW_FROM = 0.75  # share of what an organisation may learn: then one new link in so long
SLOW_S = 600
MOST_CHAINS = 512  # of one organisation in a day; the one that was not continued for longest is forgotten


@dataclass
class _Chain:
    record_id: str
    windows: set[bytes]


@dataclass
class _Day:
    """What was asked in one day. Only touched under the lock of `QueryChains`."""

    number: int
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    chains: dict[str, OrderedDict[int, _Chain]] = field(
        default_factory=dict[str, OrderedDict[int, _Chain]]
    )  # by organisation
    spent: Counter[tuple[str, str]] = field(
        default_factory=Counter[tuple[str, str]]
    )  # by organisation and record
    last_link_at: dict[tuple[str, str], float] = field(default_factory=dict)

    def windows_of(self, organisation: str, code: bytes) -> frozenset[bytes]:
        """Hashes of the windows of one value, each with its place."""
        halves = (half for byte in code for half in (byte >> 4, byte & 15))
        return frozenset(
            hmac.digest(self.key, f"{organisation} {place} {half}".encode(), hashlib.sha256)[:HASH_BYTES]
            for place, half in enumerate(halves)
        )

    def nearest(self, organisation: str, windows: frozenset[bytes]) -> tuple[int, int] | None:
        """Number of the chain that a query is a link of, and how many of its windows are new in it."""
        chains = self.chains.get(organisation) or OrderedDict[int, _Chain]()
        new, number = min(
            ((len(windows - chain.windows), number) for number, chain in chains.items()),
            default=(len(windows), -1),
        )
        return None if new > MOST_NEW_WINDOWS or number < 0 else (number, new)

    def extend(self, organisation: str, number: int, windows: frozenset[bytes]) -> None:
        """Adds a link to a chain."""
        chains = self.chains[organisation]
        chains[number].windows |= windows
        chains.move_to_end(number)

    def begin(self, organisation: str, record_id: str, windows: frozenset[bytes]) -> None:
        """Begins a chain with its first link."""
        chains = self.chains.setdefault(organisation, OrderedDict())
        chains[max(chains, default=-1) + 1] = _Chain(record_id, set(windows))
        if len(chains) > MOST_CHAINS:
            chains.popitem(last=False)


@dataclass(frozen=True)
class _Link:
    """One value of a query, as it would be remembered."""

    day: _Day
    windows: frozenset[bytes]
    record_id: str
    chain: int | None  # None: it begins one
    cost: int


class QueryChains:
    """Counts, for each organisation and record, how much of a hidden fingerprint its queries explored."""

    def __init__(self, most_windows: int, clock: Callable[[], float] = time.time) -> None:
        self._most, self._clock = most_windows, clock
        self._lock = threading.Lock()
        self._days: list[_Day] = []
        self.slowed = self.refused = 0  # queries, since the process started

    def require_leave(self, organisation: str, codes: Sequence[bytes], near: Mapping[str, bytes]) -> None:
        """Refuses a query that would tell more of a record than an organisation may find out.

        `codes`: PDQ values of the query, 32 bytes each; `near`: of them the nearest to each record that is
        kept from the asker and lies near, by record. Raises FingerprintProbing.
        """
        with self._lock:
            days = self._current_days()
            links = [link for code in dict.fromkeys((*near.values(), *codes))
                     for link in self._links(days, organisation, code, near)]  # fmt: skip
            costs: Counter[str] = Counter()
            for link in links:
                costs[link.record_id] += link.cost
            for record_id, cost in costs.items():
                if cost:
                    self._require_room(days, organisation, record_id)
            for link in links:
                self._remember(organisation, link)

    def _links(
        self, days: list[_Day], organisation: str, code: bytes, near: Mapping[str, bytes]
    ) -> list[_Link]:
        for day in days:
            if not day.chains.get(organisation):
                continue
            windows = day.windows_of(organisation, code)
            found = day.nearest(organisation, windows)
            if found is not None:
                number, new = found
                return [_Link(day, windows, day.chains[organisation][number].record_id, number, new)]
        begun = [record_id for record_id, nearest in near.items() if nearest == code]
        windows = days[-1].windows_of(organisation, code) if begun else frozenset()
        return [_Link(days[-1], windows, record_id, None, COST_OF_A_CHAIN) for record_id in begun]

    def _require_room(self, days: list[_Day], organisation: str, record_id: str) -> None:
        place = organisation, record_id
        spent, now = sum(day.spent[place] for day in days), self._clock()
        if spent >= self._most:
            self.refused += 1
            logger.warning("organisation %s was refused: probing of record %s", organisation, record_id)
            raise FingerprintProbing(int(DAY_S - now % DAY_S) + 1)
        waited = now - max(day.last_link_at.get(place, 0.0) for day in days)
        if spent >= SLOW_FROM * self._most and waited < SLOW_S:
            self.slowed += 1
            raise FingerprintProbing(int(SLOW_S - waited) + 1)

    def _remember(self, organisation: str, link: _Link) -> None:
        if link.chain is None:
            link.day.begin(organisation, link.record_id, link.windows)
        else:
            link.day.extend(organisation, link.chain, link.windows)
        if link.cost:
            place = organisation, link.record_id
            link.day.spent[place] += link.cost
            link.day.last_link_at[place] = self._clock()

    def _current_days(self) -> list[_Day]:
        """Yesterday, where something was asked then, and today."""
        number = int(self._clock() // DAY_S)
        self._days = [day for day in self._days if day.number >= number - 1]
        if not self._days or self._days[-1].number < number:
            self._days.append(_Day(number))
        return self._days
