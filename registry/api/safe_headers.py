"""Headers that every answer has, unless its handler says otherwise.

No browser guesses what an answer is (`nosniff`), and no cache keeps what belongs to one caller: answers to
keys, answers about what was sent, and problems.
"""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registry.api.deps import NO_STORE

READING = ("GET", "HEAD")
OF_ONE_CALLER = ("/lookup", "/v1/jobs", "/v1/webhook-secret", "/v1/whoami", "/v1/status")
FIRST_PROBLEM = 400


class SafeHeaders:
    """An ASGI middleware, outside of everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        private = _is_of_one_caller(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                if private or message["status"] >= FIRST_PROBLEM:
                    headers.setdefault("Cache-Control", NO_STORE)
            await send(message)

        await self.app(scope, receive, with_headers)


def _is_of_one_caller(scope: Scope) -> bool:
    return (
        scope["method"] not in READING
        or scope["path"].startswith(OF_ONE_CALLER)
        or any(name == b"authorization" for name, _ in scope["headers"])
    )
