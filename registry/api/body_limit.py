"""Refuses a request whose body is too large before it is kept anywhere, by its header and by counting.

Without this a multipart body of any size would be spooled to disk before a handler sees its first byte.
"""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registry.api.problems import problem
from registry.errors import MediaTooLarge


class BodyLimit:
    """An ASGI middleware; `max_bytes` bounds the whole body, form fields and boundaries included."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if _declared_length(scope) > self.max_bytes:
            detail = f"more than {self.max_bytes} bytes"
            refusal = problem(MediaTooLarge.status, MediaTooLarge.code, MediaTooLarge.title, detail)
            await refusal(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                raise HTTPException(MediaTooLarge.status, MediaTooLarge.title)
            return message

        await self.app(scope, counted, send)


def _declared_length(scope: Scope) -> int:
    """Returns what Content-Length says; 0 where it is absent or no number: then counting decides."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
