"""What handlers depend on: the services, one transaction, the caller's API key."""

from collections.abc import Awaitable, Callable, Iterator
from time import monotonic
from typing import Annotated

from fastapi import Depends, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlmodel import Session

from registry.api.admission import VerifiedKey
from registry.api.gates import Turn
from registry.errors import MediaTooLarge, NotAuthenticated
from registry.records.access import Action, Sight, require_scope, require_sight
from registry.records.publishers import authenticate
from registry.services import RequestContext, Services
from registry.storage.db import release, transaction
from registry.storage.models import ApiKey, Record

# Of answers that show what was sent, or an intimate picture: no cache keeps them, here or on the way.
NO_STORE = "private, no-store"
LOOKED_UP_AGAIN_S = 5.0  # a key that was revoked while a body was received is not good any more

_bearer = HTTPBearer(auto_error=False, description="An API key, as `Authorization: Bearer ...`")


async def services_of(request: Request) -> Services:
    """Returns the services that `create_app` was given."""
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(services_of)]


def session_of(services: ServicesDep) -> Iterator[Session]:
    """Opens the one transaction of a request."""
    with transaction(services.engine) as session:
        yield session


async def base_url_of(request: Request, services: ServicesDep) -> str:
    """The address of this registry as others reach it, without a slash at its end."""
    told = services.settings.public_url or request.app.state.public_url
    return (told or str(request.base_url)).rstrip("/")


BaseUrlDep = Annotated[str, Depends(base_url_of)]


# scope="function": the commit comes before the answer, so that an answer is never untrue.
SessionDep = Annotated[Session, Depends(session_of, scope="function")]


async def context_of(services: ServicesDep, session: SessionDep) -> RequestContext:
    """What matching is handed of the services, with this request's transaction."""
    return services.in_request(session)


ContextDep = Annotated[RequestContext, Depends(context_of, scope="function")]


def api_key_of(services: Services, credentials: HTTPAuthorizationCredentials | None) -> ApiKey:
    """Returns the caller's API key, read before all that the request does."""
    if credentials is None:
        raise NotAuthenticated("send an API key as `Authorization: Bearer ...`")
    return authenticate(services.engine, credentials.credentials)


async def verified_key_of(
    request: Request,
    services: ServicesDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> ApiKey:
    """Returns the caller's API key: the one that was looked up before the body came, if not long ago."""
    verified: VerifiedKey | None = getattr(request.state, "verified_key", None)
    if verified is not None and monotonic() - verified.at < LOOKED_UP_AGAIN_S:
        return verified.api_key
    return await run_in_threadpool(api_key_of, services, credentials)


AnyKey = Annotated[ApiKey, Depends(verified_key_of)]


async def turn_of(request: Request) -> Turn:
    """Returns the caller's place among those who are served."""
    turn: Turn = request.state.turn
    return turn


TurnDep = Annotated[Turn, Depends(turn_of)]
BearerDep = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def sight_for(
    services: Services,
    session: Session,
    credentials: HTTPAuthorizationCredentials | None,
    record: Record,
) -> Sight:
    """The caller's leave to see a record's picture. Raises NotAuthenticated or NotAllowed.

    The session's connection is given back first; a key is looked up only where one is needed.
    """
    release(session)
    api_key = api_key_of(services, credentials) if record.intimate and credentials else None
    return require_sight(record, api_key)


def _requiring(action: Action) -> Callable[[ApiKey], Awaitable[ApiKey]]:
    # A coroutine, because it waits for nothing: FastAPI would send a function to a thread and back.
    async def check(api_key: AnyKey) -> ApiKey:
        require_scope(api_key, action)
        return api_key

    return check


Registrar = Annotated[ApiKey, Depends(_requiring(Action.REGISTER))]
Matcher = Annotated[ApiKey, Depends(_requiring(Action.MATCH))]
Monitor = Annotated[ApiKey, Depends(_requiring(Action.MONITOR))]
Decider = Annotated[ApiKey, Depends(_requiring(Action.DECIDE))]
DecisionReader = Annotated[ApiKey, Depends(_requiring(Action.READ_DECISIONS))]
DecisionReviewer = Annotated[ApiKey, Depends(_requiring(Action.REVIEW_DECISION))]
PolicyWriter = Annotated[ApiKey, Depends(_requiring(Action.WRITE_POLICY))]
PolicyActivator = Annotated[ApiKey, Depends(_requiring(Action.ACTIVATE_POLICY))]
Operator = Annotated[ApiKey, Depends(_requiring(Action.OPERATE))]


def read_upload(upload: UploadFile, services: Services) -> bytes:
    """Reads the bytes of an upload, and counts them meanwhile. Raises MediaTooLarge.

    The limit is that of videos: only the decoder can tell a still image, and applies its smaller limit.
    """
    limit = services.uploads.decoders.images.limits.video.max_bytes
    content = upload.file.read(limit + 1)
    if len(content) > limit:
        raise MediaTooLarge(f"more than {limit} bytes")
    return content
