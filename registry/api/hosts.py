"""Answers only under the names that this registry has.

A web page that its visitor's own registry listens beside could be served under a name that leads to the
loopback address (DNS rebinding), and then read what that registry answers.
"""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from registry.api.problems import problem_answer
from registry.errors import UnknownHost
from registry.services import Services
from registry.settings import Settings

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
ANY = "*"
HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{0,5})?")


class KnownHosts:
    """An ASGI middleware; `open_paths` are answered under any name, for whoever watches the process."""

    def __init__(self, app: ASGIApp, services: Services, open_paths: tuple[str, ...]) -> None:
        self.app, self._open_paths = app, open_paths
        self._hosts = allowed_hosts(services.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] == "http" and scope["path"] not in self._open_paths and not self._is_known(scope):
            refusal = UnknownHost("the request names a host that is not in TRUEPRINT_ALLOWED_HOSTS")
            await problem_answer(refusal)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _is_known(self, scope: Scope) -> bool:
        if ANY in self._hosts:
            return True
        named = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        return len(named) == 1 and any(_fits(_bare(named[0]), host) for host in self._hosts)


def allowed_hosts(settings: Settings) -> tuple[str, ...]:
    """The names to answer to: those that are set.

    Otherwise the loopback's where nothing else is listened on, and any where others reach it, by names that
    are not known here.
    """
    if settings.allowed_host_names:
        return settings.allowed_host_names
    return LOOPBACK if settings.is_local else (ANY,)


def _bare(host: str) -> str:
    """The name alone, without port and final dot; an IPv6 address keeps its brackets.

    Empty where it is not a host as RFC 9110, 7.2 has it (`localhost:80@elsewhere`, say): that fits nothing.
    """
    written = HOST.fullmatch(host.lower())
    return written["name"].rstrip(".") if written else ""


def _fits(name: str, allowed: str) -> bool:
    return name.endswith(allowed[1:]) if allowed.startswith("*.") else name == allowed
