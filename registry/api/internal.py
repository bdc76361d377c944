"""The API of a search node: other nodes search its index, and do nothing else.

Hits carry distances, which reveal fingerprints, so callers must know the shared secret.
"""

import secrets
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Body, Depends, FastAPI, Path, Query, Request, Response
from sqlalchemy import Engine
from starlette.types import ASGIApp, Receive, Scope, Send

from indexer.fingerprints.kinds import KINDS
from indexer.index.port import dtype_of, width_of
from registry.api import problems
from registry.api.admission import bearer_of
from registry.api.body_limit import BodyLimit
from registry.api.problems import problem_answer
from registry.api.readiness import Readiness, require_current
from registry.api.safe_headers import SafeHeaders
from registry.errors import InvalidRequest, NotAuthenticated, RegistryError
from registry.index.loading import newest_change
from registry.index.local import LocalIndex
from registry.index.remote import BINARY_TYPE, SearchNodeState, pack_hits
from registry.log.transparency_log import nothing_moves
from registry.storage.db import snapshot, transaction

MOST_BYTES = 32 << 20


@dataclass(frozen=True)
class SearchNode:
    """What the endpoints of a search node work with."""

    index: LocalIndex
    engine: Engine
    secret: str


async def search_node_of(request: Request) -> SearchNode:
    """The node; the caller is known to know the secret."""
    node: SearchNode = request.app.state.node
    return node


SearchNodeDep = Annotated[SearchNode, Depends(search_node_of)]
MinPosition = Annotated[int, Query(ge=0)]
router = APIRouter(prefix="/internal", include_in_schema=False)
open_router = APIRouter(include_in_schema=False)


@router.get("/state")
def state(node: SearchNodeDep, min_position: MinPosition = 0) -> SearchNodeState:
    """How current the index is, and what it holds."""
    _catch_up_to(node, min_position)
    with transaction(node.engine) as session:
        index_state = node.index.state(newest_change(session))
    return SearchNodeState(
        position=index_state.position,
        descriptors_held=node.index.descriptors_held(),
        age_s=index_state.age_s,
        description=node.index.description,
    )


@router.post("/check")
def check(node: SearchNodeDep, min_position: MinPosition = 0) -> list[str]:
    """A sentence for every difference between index and rows."""
    _catch_up_to(node, min_position)
    with snapshot(node.engine) as session:
        return list(node.index.check(session, lambda: nothing_moves(node.engine)))


@router.post("/{kind}/{method}")
def search(
    node: SearchNodeDep,
    kind: Annotated[str, Path()],
    method: Annotated[Literal["within", "nearest"], Path()],
    limit: Annotated[float, Query(ge=0)],
    content: Annotated[bytes, Body(media_type=BINARY_TYPE)],
    min_position: MinPosition = 0,
) -> Response:
    """Hits for the queries in `content`: rows as an index holds them. `limit`: the radius, or `k`."""
    index_of_kind = node.index.by_kind.get(kind)
    if index_of_kind is None:
        raise InvalidRequest(f"this search node has no index of {kind[:40]!r}")
    dtype, width = np.dtype(dtype_of(KINDS[kind])), width_of(KINDS[kind])
    if not content or len(content) % (dtype.itemsize * width):
        raise InvalidRequest("the body is no whole number of rows")
    queries = np.frombuffer(content, dtype).reshape(-1, width)
    _catch_up_to(node, min_position)
    if method == "within":
        hits = index_of_kind.within(queries, limit)
    else:
        hits = index_of_kind.nearest(queries, int(limit))
    return Response(pack_hits(hits), media_type=BINARY_TYPE)


@open_router.get("/livez")
async def liveness() -> dict[str, str]:
    """Answers whenever the process runs."""
    return {"status": "alive"}


@open_router.get("/readyz")
async def readiness(request: Request) -> dict[str, str]:
    """Answers when the index follows the rows; says what is wrong otherwise."""
    looked: Readiness = request.app.state.readiness
    await looked.require()
    return {"status": "ready"}


def _readiness_of(node: SearchNode) -> Readiness:
    def require_ready() -> None:
        with transaction(node.engine) as session:
            require_current(node.index.state(newest_change(session)))

    return Readiness(require_ready)


class SecretFirst:
    """An ASGI middleware: who does not know the secret sends no body."""

    def __init__(self, app: ASGIApp, node: SearchNode) -> None:
        self.app, self._node = app, node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] == "http" and scope["path"].startswith(router.prefix):
            try:
                require_secret(self._node, bearer_of(scope))
            except RegistryError as error:
                await problem_answer(error)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def require_secret(node: SearchNode, given: str) -> None:
    """Raises NotAuthenticated."""
    if not secrets.compare_digest(given.encode(), node.secret.encode()):
        raise NotAuthenticated("a search node answers nodes that know TRUEPRINT_SEARCH_SECRET")


def _catch_up_to(node: SearchNode, min_position: int) -> None:
    if node.index.position < min_position:
        with transaction(node.engine) as session:
            node.index.catch_up(session)


def create_search_node_app(node: SearchNode) -> FastAPI:
    """The application of a search node."""
    app = FastAPI(title="Trueprint search node", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.node = node
    app.state.readiness = _readiness_of(node)
    app.state.on_stop = []
    problems.install(app)
    app.add_middleware(BodyLimit, max_bytes=MOST_BYTES)
    app.add_middleware(SecretFirst, node=node)
    app.add_middleware(SafeHeaders)
    app.include_router(router)
    app.include_router(open_router)
    return app
