"""Refuses a body that is too large, by its header and by counting, or that comes too slowly.

Without this a multipart body of any size would be spooled to disk before a handler sees its first byte,
JSON of any size parsed, and a sender of one byte a second would hold its place for ever.
"""

import asyncio
from collections.abc import Callable, Container

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registry.api.problems import TOO_SLOW, problem_answer
from registry.errors import MediaTooLarge

SILENCE_S = 10.0  # a body that says nothing for so long is given up
GRACE_S = 10.0  # after so much waiting it must have come at the least rate
LEAST_BYTES_PER_S = 16 << 10
# Of who has no key, while others wait for the same turn.
LEAST_BYTES_PER_S_WHERE_OTHERS_WAIT = 1 << 20


class BodyLimit:
    """An ASGI middleware; limits bound the whole body, form fields and boundaries included.

    `max_upload_bytes` is that of forms sent to the paths `uploads`, `max_bytes` that of everything else.
    """

    def __init__(
        self, app: ASGIApp, max_bytes: int, max_upload_bytes: int = 0, uploads: Container[str] = ()
    ) -> None:
        self.app = app
        self._max_bytes, self._max_upload_bytes, self._uploads = max_bytes, max_upload_bytes, uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self._limit_of(scope)
        if _declared_length(scope) > limit:
            await problem_answer(MediaTooLarge(f"more than {limit} bytes"))(scope, receive, send)
            return
        others_wait = scope.get("state", {}).get("others_wait", lambda: False)
        await self.app(scope, _Received(receive, limit, others_wait).next, send)

    def _limit_of(self, scope: Scope) -> int:
        is_form = _header(scope, b"content-type").lower().startswith(b"multipart/form-data")
        return self._max_upload_bytes if is_form and scope["path"] in self._uploads else self._max_bytes


class _Received:
    """What has come of one body, and how long it was waited for."""

    def __init__(self, receive: Receive, limit: int, others_wait: Callable[[], bool]) -> None:
        self._receive, self._limit, self._others_wait = receive, limit, others_wait
        self._bytes, self._waited_s, self._complete = 0, 0.0, False

    async def next(self) -> Message:
        """Returns the next message. Raises HTTPException 413 or 408."""
        if self._complete:
            return await self._receive()  # of the disconnect, whenever that is
        clock = asyncio.get_running_loop().time
        begun = clock()
        try:
            async with asyncio.timeout(SILENCE_S):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(*TOO_SLOW) from None
        self._waited_s += clock() - begun  # only what the sender takes, not what is done meanwhile
        self._bytes += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._bytes > self._limit:
            raise HTTPException(MediaTooLarge.status, MediaTooLarge.title)
        least = LEAST_BYTES_PER_S_WHERE_OTHERS_WAIT if self._others_wait() else LEAST_BYTES_PER_S
        if not self._complete and self._bytes < (self._waited_s - GRACE_S) * least:
            raise HTTPException(*TOO_SLOW)
        return message


def _declared_length(scope: Scope) -> int:
    """Returns what Content-Length says; 0 where it is absent or no number: then counting decides."""
    value = _header(scope, b"content-length")
    return int(value) if value.isdigit() else 0


def _header(scope: Scope, wanted: bytes) -> bytes:
    return next((bytes(value) for name, value in scope["headers"] if name == wanted), b"")
