"""The index on search nodes: a search goes to one node after the other until one answers.

Every request names a position; a search node that has not reached it catches up before it answers. So the
next request can match a registration, whichever nodes serve the two.
"""

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import numpy as np
from pydantic import BaseModel
from sqlmodel import Session

from indexer.fingerprints.kinds import Kind, searched_kinds
from indexer.index.port import Hit, Values, dtype_of
from registry.errors import IndexUnavailable
from registry.index.access import IndexState, Still
from registry.index.loading import newest_change

HITS = np.dtype([("distance", "<f4"), ("id", "<i8"), ("query", "<u4")])
BINARY_TYPE = "application/octet-stream"
CONNECT_WITHIN_S, ANSWER_WITHIN_S = 2.0, 60.0
CHECK_WITHIN_S = 3600.0  # a check compares every row
CONNECTIONS = 64


class SearchNodeState(BaseModel):
    """What a search node says of its index; see IndexState."""

    position: int
    descriptors_held: list[str]
    age_s: float
    description: str


class SearchNodes:
    """See IndexAccess. The nodes take turns."""

    def __init__(self, addresses: list[str], secret: str) -> None:
        self.kinds: tuple[Kind, ...] = searched_kinds()
        self._addresses = addresses
        self._client = httpx2.Client(
            headers={"Authorization": f"Bearer {secret}"},
            timeout=httpx2.Timeout(ANSWER_WITHIN_S, connect=CONNECT_WITHIN_S),
            limits=httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        )
        self._lock = threading.Lock()
        self._next = 0  # index of the address whose turn it is
        self._min_position = 0  # the newest change that any request here has seen; only rises
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
        """See IndexAccess. Later searches of this process ask for at least what `session` sees."""
        newest = newest_change(session)
        with self._lock:
            self._min_position = max(self._min_position, newest)

    def descriptors_held(self) -> list[str]:
        """See IndexAccess."""
        return self._state().descriptors_held

    def state(self, newest: int) -> IndexState:
        """See IndexAccess."""
        state = self._state()
        return IndexState(state.position, max(0, newest - state.position), state.age_s)

    def check(self, session: Session, _: Still) -> Iterator[str]:
        """See IndexAccess. Each search node compares its own index.

        Raises IndexUnavailable where one cannot: it is away, and nothing is known to differ.
        """
        self.catch_up(session)
        for address in self._addresses:
            try:
                answer = self._client.post(
                    f"{address}/internal/check",
                    params={"min_position": self._min_position},
                    timeout=CHECK_WITHIN_S,
                )
                answer.raise_for_status()
            except httpx2.HTTPError as error:
                raise IndexUnavailable(
                    f"search node {address} cannot be checked: it {_why(error)}"
                ) from error
            yield from (f"search node {address}: {difference}" for difference in answer.json())

    def search(self, kind: str, method: str, limit: float, queries: Values) -> list[Hit]:
        """Hits for (q, ...) queries. Raises IndexUnavailable.

        `method`: a method of Searchable, `within` or `nearest`; `limit`: its radius or its `k`.
        """
        answer = self._ask(
            "POST", f"/internal/{kind}/{method}", {"limit": limit}, np.ascontiguousarray(queries).tobytes()
        )
        return unpack_hits(answer.content)

    def _state(self) -> SearchNodeState:
        return SearchNodeState.model_validate_json(self._ask("GET", "/internal/state", {}).content)

    def _ask(
        self, verb: str, path: str, params: dict[str, float], content: bytes | None = None
    ) -> httpx2.Response:
        """The answer of the first node that gives one. Raises IndexUnavailable with the reasons of all."""
        with self._lock:
            first, self._next = self._next, (self._next + 1) % len(self._addresses)
            sent: dict[str, Any] = {**params, "min_position": self._min_position}
        reasons = []
        for address in self._addresses[first:] + self._addresses[:first]:
            headers = {"Content-Type": BINARY_TYPE} if content is not None else None
            try:
                answer = self._client.request(
                    verb, address + path, params=sent, content=content, headers=headers
                )
                answer.raise_for_status()
            except httpx2.HTTPError as error:
                reasons.append(f"{address} {_why(error)}")
            else:
                return answer
        raise IndexUnavailable("no search node answers; " + ", ".join(reasons))


class RemoteIndex:
    """See Searchable. The index of one kind on the search nodes."""

    def __init__(self, kind: Kind, nodes: SearchNodes) -> None:
        self.kind = kind
        self._nodes = nodes

    def within(self, queries: Values, radius: float) -> list[Hit]:
        """See Searchable."""
        return self._search("within", radius, queries)

    def nearest(self, queries: Values, k: int) -> list[Hit]:
        """See Searchable."""
        return self._search("nearest", k, queries)

    def _search(self, method: str, limit: float, queries: Values) -> list[Hit]:
        if not len(queries):
            return []
        return self._nodes.search(self.kind.name, method, limit, np.asarray(queries, dtype_of(self.kind)))


def _why(error: httpx2.HTTPError) -> str:
    """What a search node did instead of answering; goes after its address."""
    match error:
        case httpx2.HTTPStatusError():
            return f"answers {error.response.status_code}"
        case httpx2.TimeoutException():
            return "takes too long"
        case httpx2.ConnectError():
            return "cannot be reached"
    return "breaks off"


def pack_hits(hits: list[Hit]) -> bytes:
    """The body of an answer: an array of `HITS`."""
    return np.array([(hit.distance, hit.id, hit.query) for hit in hits], HITS).tobytes()


def unpack_hits(content: bytes) -> list[Hit]:
    """The hits in the body of an answer."""
    hits = np.frombuffer(content, HITS)
    return [Hit(float(hit["distance"]), int(hit["id"]), int(hit["query"])) for hit in hits]
