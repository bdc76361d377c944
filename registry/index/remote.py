"""The index of other processes: searches go to search nodes, one after the other until one answers.

Every request says up to which change it wants to be told; a search node that is behind catches up before it
answers. So a registration is matchable by the next request, whichever nodes take the two.
"""

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import numpy as np
from pydantic import BaseModel
from sqlmodel import Session

from indexer.fingerprints.kinds import AUDIO, PDQ, Kind, vector_kinds
from indexer.index.port import Hit, Values, dtype_of
from registry.errors import IndexUnavailable
from registry.index.access import IndexState
from registry.index.loading import newest_change

HITS = np.dtype([("distance", "<f4"), ("id", "<i8"), ("query", "<u4")])
BINARY_TYPE = "application/octet-stream"
CONNECT_WITHIN_S, ANSWER_WITHIN_S = 2.0, 60.0
CHECKED_WITHIN_S = 3600.0  # every row is compared
CONNECTIONS = 64


class SearchNodeState(BaseModel):
    """What a search node says of itself."""

    position: int
    descriptors_held: list[str]
    age_s: float
    description: str


class SearchNodes:
    """See IndexAccess."""

    def __init__(self, addresses: list[str], secret: str) -> None:
        self.kinds: tuple[Kind, ...] = (PDQ, AUDIO, *vector_kinds())
        self._addresses = addresses
        self._client = httpx2.Client(
            headers={"Authorization": f"Bearer {secret}"},
            timeout=httpx2.Timeout(ANSWER_WITHIN_S, connect=CONNECT_WITHIN_S),
            limits=httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        )
        self._lock = threading.Lock()
        self._next = 0  # whose turn it is
        self._at_least = 0  # the newest change that any request here has seen; only rises
        self._by_kind = {kind.name: RemoteIndex(kind, self) for kind in self.kinds}

    def close(self) -> None:
        """End all connections."""
        self._client.close()

    @property
    def by_kind(self) -> Mapping[str, "RemoteIndex"]:
        """See IndexAccess."""
        return self._by_kind

    @property
    def description(self) -> str:
        """See IndexAccess."""
        return f"{len(self._addresses)} search nodes; the first that answers: {self._state().description}"

    def catch_up(self, session: Session) -> None:
        """See IndexAccess. Every later search of this process asks for what `session` sees."""
        newest = newest_change(session)
        with self._lock:
            self._at_least = max(self._at_least, newest)

    def descriptors_held(self) -> list[str]:
        """See IndexAccess."""
        return self._state().descriptors_held

    def state(self, session: Session) -> IndexState:
        """See IndexAccess."""
        state = self._state()
        lag = max(0, newest_change(session) - state.position)
        return IndexState(state.position, lag, state.age_s)

    def check(self, session: Session) -> Iterator[str]:
        """See IndexAccess: each search node compares its own."""
        self.catch_up(session)
        for address in self._addresses:
            try:
                answer = self._client.post(
                    f"{address}/internal/check",
                    params={"at_least": self._at_least},
                    timeout=CHECKED_WITHIN_S,
                )
                answer.raise_for_status()
            except httpx2.HTTPError as error:
                yield f"search node {address} cannot be checked: {type(error).__name__}"
                continue
            yield from (f"search node {address}: {one}" for one in answer.json())

    def search(self, kind: str, how: str, limit: float, queries: Values) -> list[Hit]:
        """Hits for (q, ...) queries. Raises IndexUnavailable."""
        answer = self._ask(
            "POST", f"/internal/{kind}/{how}", {"limit": limit}, np.ascontiguousarray(queries).tobytes()
        )
        hits = np.frombuffer(answer.content, HITS)
        return [Hit(float(one["distance"]), int(one["id"]), int(one["query"])) for one in hits]

    def _state(self) -> SearchNodeState:
        return SearchNodeState.model_validate_json(self._ask("GET", "/internal/state", {}).content)

    def _ask(
        self, method: str, path: str, params: dict[str, float], content: bytes | None = None
    ) -> httpx2.Response:
        with self._lock:
            first, self._next = self._next, (self._next + 1) % len(self._addresses)
            asked: dict[str, Any] = {**params, "at_least": self._at_least}
        reasons = []
        for turn in range(len(self._addresses)):
            address = self._addresses[(first + turn) % len(self._addresses)]
            headers = {"Content-Type": BINARY_TYPE} if content is not None else None
            try:
                answer = self._client.request(
                    method, address + path, params=asked, content=content, headers=headers
                )
                answer.raise_for_status()
            except httpx2.HTTPStatusError as error:
                reasons.append(f"{address} answers {error.response.status_code}")
            except httpx2.HTTPError as error:
                reasons.append(f"{address}: {type(error).__name__}")
            else:
                return answer
        raise IndexUnavailable("no search node answers; " + ", ".join(reasons))


class RemoteIndex:
    """See Searchable."""

    def __init__(self, kind: Kind, nodes: SearchNodes) -> None:
        self.kind = kind
        self._nodes = nodes

    def within(self, queries: Values, radius: float) -> list[Hit]:
        """See Searchable."""
        return self._search("within", radius, queries)

    def nearest(self, queries: Values, k: int) -> list[Hit]:
        """See Searchable."""
        return self._search("nearest", k, queries)

    def _search(self, how: str, limit: float, queries: Values) -> list[Hit]:
        if not len(queries):
            return []
        asked = np.asarray(queries, dtype_of(self.kind))
        return self._nodes.search(self.kind.name, how, limit, asked)


def packed_hits(hits: list[Hit]) -> bytes:
    """As they travel."""
    return np.array([(hit.distance, hit.id, hit.query) for hit in hits], HITS).tobytes()
