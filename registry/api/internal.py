"""What a matcher answers to the other nodes: searches of its index, and nothing else.

Hits carry distances, which give fingerprints away: only who knows the shared secret is answered.
"""

import secrets
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Body, Depends, FastAPI, Path, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Engine

from indexer.fingerprints.kinds import KINDS
from indexer.index.port import dtype_of, width_of
from registry.api import problems
from registry.api.body_limit import BodyLimit
from registry.errors import IndexStale, InvalidRequest, NotAuthenticated
from registry.index.local import Indexing
from registry.index.remote import BINARY_TYPE, MatcherState, packed_hits
from registry.storage.db import transaction

MOST_BYTES = 32 << 20
STALE_AFTER_S = 10.0
_bearer = HTTPBearer(auto_error=False)


@dataclass(frozen=True)
class Matcher:
    """What a matcher is made of."""

    indexing: Indexing
    engine: Engine
    secret: str


def matcher_of(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Matcher:
    """Raises NotAuthenticated."""
    matcher: Matcher = request.app.state.matcher
    given = credentials.credentials if credentials else ""
    if not secrets.compare_digest(given.encode(), matcher.secret.encode()):
        raise NotAuthenticated("a matcher answers to nodes that know TRUEPRINT_MATCHER_SECRET")
    return matcher


MatcherDep = Annotated[Matcher, Depends(matcher_of)]
AtLeast = Annotated[int, Query(ge=0)]
router = APIRouter(prefix="/internal", include_in_schema=False)
open_router = APIRouter(include_in_schema=False)


@router.get("/state")
def state(matcher: MatcherDep, at_least: AtLeast = 0) -> MatcherState:
    """How far it has come."""
    _come_to(matcher, at_least)
    with transaction(matcher.engine) as session:
        found = matcher.indexing.state(session)
    return MatcherState(
        through_change=found.through_change,
        descriptors_held=matcher.indexing.descriptors_held(),
        age_s=found.age_s,
        description=matcher.indexing.description,
    )


@router.post("/check")
def check(matcher: MatcherDep, at_least: AtLeast = 0) -> list[str]:
    """Every difference of its index from the rows; whoever asks keeps writers away."""
    _come_to(matcher, at_least)
    with transaction(matcher.engine) as session:
        return list(matcher.indexing.check(session))


@router.post("/{kind}/{how}")
def search(
    matcher: MatcherDep,
    kind: Annotated[str, Path()],
    how: Annotated[Literal["within", "nearest"], Path()],
    limit: Annotated[float, Query(ge=0)],
    content: Annotated[bytes, Body(media_type=BINARY_TYPE)],
    at_least: AtLeast = 0,
) -> Response:
    """Hits for the rows of `content`, which lie as in an index."""
    index = matcher.indexing.by_kind.get(kind)
    if index is None:
        raise InvalidRequest(f"this matcher has no index of {kind[:40]!r}")
    wanted, width = np.dtype(dtype_of(KINDS[kind])), width_of(KINDS[kind])
    if not content or len(content) % (wanted.itemsize * width):
        raise InvalidRequest("the body is no whole number of rows")
    queries = np.frombuffer(content, wanted).reshape(-1, width)
    _come_to(matcher, at_least)
    hits = index.within(queries, limit) if how == "within" else index.nearest(queries, int(limit))
    return Response(packed_hits(hits), media_type=BINARY_TYPE)


@open_router.get("/livez")
def liveness() -> dict[str, str]:
    """The process runs."""
    return {"status": "alive"}


@open_router.get("/readyz")
def readiness(request: Request) -> dict[str, str]:
    """The index follows the rows. Raises IndexStale."""
    matcher: Matcher = request.app.state.matcher
    with transaction(matcher.engine) as session:
        found = matcher.indexing.state(session)
    if found.behind and found.age_s > STALE_AFTER_S:
        raise IndexStale(f"the index is {found.behind} changes behind for {found.age_s:.0f} s")
    return {"status": "ready"}


def _come_to(matcher: Matcher, at_least: int) -> None:
    if matcher.indexing.through < at_least:
        with transaction(matcher.engine) as session:
            matcher.indexing.catch_up(session)


def create_matcher_app(matcher: Matcher) -> FastAPI:
    """The application of a matcher."""
    app = FastAPI(title="Trueprint matcher", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.matcher = matcher
    problems.install(app)
    app.add_middleware(BodyLimit, max_bytes=MOST_BYTES)
    app.include_router(router)
    app.include_router(open_router)
    return app
