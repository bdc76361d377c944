"""Endpoints of the log: C2SP tlog-tiles under /log, state and proofs as JSON under /v1/log; keys."""

import base64

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

from registry.api.deps import ServicesDep, SessionDep
from registry.errors import UnknownEntry
from registry.log import published as log
from registry.log.answer_signer import keys_of_answers, with_ends
from registry.log.log_keys import changes_of
from sdk.models import (
    AnswerKeyPeriod,
    AnswerKeys,
    CommittedNote,
    Consistency,
    LogKeyPeriod,
    LogKeys,
    LogState,
)
from sdk.tiles import parse_tile_path

tiles = APIRouter(prefix="/log", tags=["log"])
router = APIRouter(prefix="/v1/log", tags=["log"])
answer_keys = APIRouter(tags=["log"])

OPEN = {"Access-Control-Allow-Origin": "*"}
IMMUTABLE = {**OPEN, "Cache-Control": "public, max-age=31536000, immutable"}
FRESH = {**OPEN, "Cache-Control": "no-cache"}


@tiles.get("/checkpoint", operation_id="getCheckpoint", response_class=PlainTextResponse)
def checkpoint(services: ServicesDep, session: SessionDep) -> Response:
    """Returns the newest checkpoint, a signed note; where the log is witnessed, the newest cosigned one."""
    return PlainTextResponse(log.published_of(session, services.log).checkpoint, headers=FRESH)


@tiles.get("/tile/{path:path}", operation_id="getTile", response_class=Response)
def tile(path: str, services: ServicesDep, session: SessionDep) -> Response:
    """Returns a tile of hashes or a bundle of entries."""
    parsed = parse_tile_path(path)
    if parsed is None:
        raise UnknownEntry("not the path of a tile")
    content = log.read_tile_resource(session, services.log, *parsed)
    return Response(content, media_type="application/octet-stream", headers=IMMUTABLE)


@router.get("", operation_id="getLog")
def state(services: ServicesDep, session: SessionDep) -> LogState:
    """Returns origin, size, newest checkpoint, and the key to pin."""
    published = log.published_of(session, services.log)
    return LogState(
        origin=services.log.origin,
        size=published.size,
        checkpoint=published.checkpoint,
        log_key=services.log.current_key(session).text(),
    )


@router.get("/keys", operation_id="getLogKeys")
def keys(services: ServicesDep, session: SessionDep) -> LogKeys:
    """Returns every key that the log ever had, and the signed notes that lead from one to the next."""
    services.log.keys.refresh(session)
    periods = tuple(
        LogKeyPeriod(log_key=period.key.text(), first_size=period.first, last_size=period.last)
        for period in services.log.keys.periods
    )
    notes = tuple(
        _committed(change.note, change.log_index, change.salt)
        for change in changes_of(session)
        if change.note is not None
    )
    return LogKeys(origin=services.log.origin, keys=periods, notes=notes)


@answer_keys.get("/v1/answer-keys", operation_id="getAnswerKeys")
def keys_that_sign_answers(services: ServicesDep, session: SessionDep) -> AnswerKeys:
    """Returns every key of answers, from when it signs, and the statement of the key before it."""
    periods = tuple(
        AnswerKeyPeriod(
            jwk=row.jwk,
            published_at=row.published_at,
            signs_from=row.signs_from,
            signs_until=until,
            succession=None
            if row.statement is None
            else _committed(row.statement, row.log_index, row.salt),
        )
        for row, until in with_ends(keys_of_answers(session))
    )
    return AnswerKeys(origin=services.log.origin, keys=periods)


@answer_keys.get("/.well-known/jwks.json", operation_id="getRegistryKeys")
def jwks(session: SessionDep) -> dict[str, list[dict[str, str]]]:
    """Returns all public keys that sign, signed or will sign this registry's answers, and when."""
    keys = []
    for row, until in with_ends(keys_of_answers(session)):
        times = {"signsFrom": row.signs_from, "signsUntil": until}
        keys.append(row.jwk | {name: moment.isoformat() for name, moment in times.items() if moment})
    return {"keys": keys}


def _committed(note: str, log_index: int | None, salt: bytes | None) -> CommittedNote:
    encoded = None if salt is None else base64.b64encode(salt).decode()
    return CommittedNote(note=note, log_index=log_index, salt=encoded)


@router.get("/proof/{index}", operation_id="getInclusionProof", response_class=PlainTextResponse)
def proof(index: int, services: ServicesDep, session: SessionDep) -> Response:
    """Returns the inclusion proof of one entry, as a c2sp.org/tlog-proof@v1 file."""
    return PlainTextResponse(log.prove(session, services.log, index)[1], headers=FRESH)


@router.get("/consistency", operation_id="getConsistencyProof")
def consistency(first: int, second: int, services: ServicesDep, session: SessionDep) -> Consistency:
    """Returns the proof that the log of `second` entries extends the log of `first` entries."""
    hashes = log.prove_consistency(session, services.log, first, second)
    encoded = tuple(base64.b64encode(digest).decode() for digest in hashes)
    return Consistency(first=first, second=second, hashes=encoded)
