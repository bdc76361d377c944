"""Endpoints of the log: C2SP tlog-tiles under /log, its state and proofs as JSON under /v1/log."""

import base64

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

from registry.api.deps import ServicesDep, SessionDep
from registry.errors import UnknownEntry
from registry.log import transparency_log as log
from sdk.models import Consistency, LogState
from sdk.tiles import parse_tile_path

tiles = APIRouter(prefix="/log", tags=["log"])
router = APIRouter(prefix="/v1/log", tags=["log"])

OPEN = {"Access-Control-Allow-Origin": "*"}
IMMUTABLE = {**OPEN, "Cache-Control": "public, max-age=31536000, immutable"}
FRESH = {**OPEN, "Cache-Control": "no-cache"}


@tiles.get("/checkpoint", operation_id="getCheckpoint", response_class=PlainTextResponse)
def checkpoint(session: SessionDep) -> Response:
    """Returns the newest checkpoint, a signed note."""
    return PlainTextResponse(log.head_of(session).checkpoint, headers=FRESH)


@tiles.get("/tile/{path:path}", operation_id="getTile", response_class=Response)
def tile(path: str, session: SessionDep) -> Response:
    """Returns a tile of hashes or a bundle of entries."""
    parsed = parse_tile_path(path)
    if parsed is None:
        raise UnknownEntry("not the path of a tile")
    content = log.read_tile_resource(session, *parsed)
    return Response(content, media_type="application/octet-stream", headers=IMMUTABLE)


@router.get("", operation_id="getLog")
def state(services: ServicesDep, session: SessionDep) -> LogState:
    """Returns origin, size, newest checkpoint, and the key to pin."""
    head = log.head_of(session)
    return LogState(
        origin=services.log.origin,
        size=head.size,
        checkpoint=head.checkpoint,
        log_key=services.log.key.text(),
    )


@router.get("/proof/{index}", operation_id="getInclusionProof", response_class=PlainTextResponse)
def proof(index: int, session: SessionDep) -> Response:
    """Returns the inclusion proof of one entry, as a c2sp.org/tlog-proof@v1 file."""
    return PlainTextResponse(log.prove(session, index)[1], headers=FRESH)


@router.get("/consistency", operation_id="getConsistencyProof")
def consistency(first: int, second: int, session: SessionDep) -> Consistency:
    """Returns the proof that the log of `second` entries extends the log of `first` entries."""
    hashes = log.prove_consistency(session, first, second)
    encoded = tuple(base64.b64encode(digest).decode() for digest in hashes)
    return Consistency(first=first, second=second, hashes=encoded)
