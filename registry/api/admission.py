"""Decides who is let in, before a byte of the body is received.

1. Liveness and readiness always are, and wait for nobody. 2. Without a key that may do it, nobody sends a
body but to the page, and there only so often. 3. Everybody waits for a turn, in bounded queues: uploads
with a key, uploads without, and what brings no media, each behind a gate of its own, so that none of the
three keeps out the others. 4. What holds no worker thread needs no turn.
"""

import asyncio
import ipaddress
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from anyio import CapacityLimiter, to_thread
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registry.api.gates import Gate, GateSize, TokenBuckets
from registry.api.problems import problem_answer, storage_answer
from registry.errors import NotAuthenticated, RegistryError, Stopping
from registry.records.access import Action, require_scope
from registry.records.publishers import authenticate
from registry.services import Services
from registry.settings import Settings
from registry.storage.models import ApiKey

if TYPE_CHECKING:
    from registry.api.metrics import Metrics

# What takes media, and what an API key needs for it.
UPLOADS: dict[str, Action | None] = {
    "/v1/match": Action.MATCH,
    "/v1/compare": Action.MATCH,
    "/v1/compare/picture": Action.MATCH,
    "/v1/records": Action.REGISTER,
    "/v1/gate": Action.DECIDE,
    "/lookup": None,
    "/lookup/picture": None,
}
HEALTH = ("/livez", "/readyz")
METRICS = "/metrics"
STATIC = "/static/"
WITH_A_KEY = "/v1/"
WITH_A_BODY = ("POST", "DELETE")
KEYS_LOOKED_UP_AT_ONCE = 8  # threads apart from those that serve requests
CALLS = 24  # without media; together with the uploads not more than Starlette's 40 worker threads
IPV6_NETWORK = 64  # bits: whoever has one address there has all


@dataclass(frozen=True)
class VerifiedKey:
    """An API key that was looked up before the body was received."""

    api_key: ApiKey
    at: float  # by `time.monotonic`


class Admission:
    """An ASGI middleware, outside of all that receives a body."""

    def __init__(self, app: ASGIApp, services: Services, metrics: "Metrics") -> None:
        self.app = app
        self._services = services
        self._looking_up = CapacityLimiter(KEYS_LOOKED_UP_AT_ONCE)
        settings = services.settings
        self._with_key = Gate(_upload_gate(settings, settings.uploads, settings.uploads_per_key))
        self._without_key = Gate(_upload_gate(settings, settings.lookups, max(1, settings.lookups // 2)))
        self._calls = Gate(GateSize(CALLS, CALLS * 2 // 3, 1024, 512, settings.turn_wait_s))
        # Whoever watches is let in while nobody else is.
        self._watchers = Gate(GateSize(2, 2, 8, 8, settings.turn_wait_s))
        metrics.gates = {
            "uploads": self._with_key,
            "page": self._without_key,
            "calls": self._calls,
            "watchers": self._watchers,
        }
        self._lookups = TokenBuckets(settings.lookups_per_minute, settings.lookups_per_minute_in_all)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http" or scope["path"] in HEALTH:
            await self.app(scope, receive, send)
            return
        await _until_stopped(self._in_turn, scope, receive, send)

    async def _in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._require_database(scope["path"])
            caller, gate = await self._recognise(scope)
            turn = await gate.enter(caller)
        except RegistryError as error:
            await problem_answer(error)(scope, receive, send)
            return
        except SQLAlchemyError as error:
            await storage_answer(error, self._services.database.fault)(scope, receive, send)
            return
        scope["state"]["turn"] = turn
        if _is_followed(scope):
            turn.leave()
        try:
            await self.app(scope, receive, send)
        finally:
            turn.leave()

    def _require_database(self, path: str) -> None:
        """While the database is away nobody waits for it. Raises StorageAway."""
        fault = self._services.database.fault
        if fault is not None and not path.startswith(STATIC):
            raise fault

    async def _recognise(self, scope: Scope) -> tuple[str, Gate]:
        """Who asks, and the gate to wait at. Raises NotAuthenticated, NotAllowed, LookupsExceeded."""
        state = scope.setdefault("state", {})
        path, sends = scope["path"], scope["method"] in WITH_A_BODY
        if path == METRICS or (sends and path.startswith(WITH_A_KEY)):
            secret = bearer_of(scope)
            look_up = partial(_look_up, self._services, secret)
            verified = await to_thread.run_sync(look_up, limiter=self._looking_up)
            action = Action.MONITOR if path == METRICS else UPLOADS.get(path)
            if action is not None:
                require_scope(verified.api_key, action)
            state["verified_key"] = verified
            return verified.api_key.id, self._gate_of(path)
        address = address_of(scope)
        if sends and path in UPLOADS:
            self._lookups.take(address)
            state["others_wait"] = lambda: self._without_key.is_waited_at
            return address, self._without_key
        return address, self._calls

    def _gate_of(self, path: str) -> Gate:
        if path == METRICS:
            return self._watchers
        return self._with_key if path in UPLOADS else self._calls


async def _until_stopped(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """A server that stops cancels what it cannot wait for: whoever has no answer yet is told."""
    begun = False

    async def noted(message: Message) -> None:
        nonlocal begun
        begun = True
        await send(message)

    try:
        await app(scope, receive, noted)
    except asyncio.CancelledError:
        if begun:
            raise
        await problem_answer(Stopping("send it again"))(scope, receive, send)


def _upload_gate(settings: Settings, at_once: int, per_caller: int) -> GateSize:
    waiting = settings.uploads_waiting
    return GateSize(at_once, per_caller, waiting, max(1, waiting // 2), settings.turn_wait_s)


def _look_up(services: Services, secret: str) -> VerifiedKey:
    return VerifiedKey(authenticate(services.engine, secret), monotonic())


def bearer_of(scope: Scope) -> str:
    """The secret that was sent as `Authorization: Bearer`. Raises NotAuthenticated."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, secret = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer" and secret:
                return str(secret.strip())
    raise NotAuthenticated("send an API key as `Authorization: Bearer ...`")


def address_of(scope: Scope) -> str:
    """Who asks without a key: the address, of IPv6 the network; a proxy names it (docs/security.md)."""
    host = (scope.get("client") or ("", 0))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    if address.version == 6:
        return str(ipaddress.ip_network((address, IPV6_NETWORK), strict=False))
    return str(address)


def _is_followed(scope: Scope) -> bool:
    path = scope["path"]
    return bool(path.startswith("/v1/jobs/") and path.endswith("/events"))
