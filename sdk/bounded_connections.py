"""Listens, and bounds what connections take before and after their requests: their number, and time.

Bodies are bounded where they are read; this module knows no paths and no keys.
"""

import os
import socket
from asyncio import TimerHandle, Transport
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sdk.errors import SdkError

HEADERS_WITHIN_S = 10.0  # from the connection, or from the first byte of a further request
UNREAD_S = 20.0  # how long an answer may lie unread while more of it waits
TAIL_S = 5.0  # how long what is left of a body is thrown away after its answer
MOST_CONNECTIONS = 768  # below the 1,024 open files that a process often may have
MOST_OF_ONE_ADDRESS = MOST_CONNECTIONS // 2


class CannotListen(SdkError):
    """The address or the port is not to be had."""


def listen(host: str, port: int) -> socket.socket:
    """Opens a listening socket. Raises CannotListen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = "there is no such port"
        if isinstance(error, OSError):  # whose own words are longer: Python adds what it was doing
            reason = (
                str(error.strerror) if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
            )
        raise CannotListen(f"cannot listen on {host}, port {port}: {reason}") from None
    # asyncio switches Nagle's algorithm off only on sockets that name TCP as their protocol. An answer goes
    # out in two pieces: the second would wait 40 ms for the first to be acknowledged.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach())


class BoundedProtocol(HttpToolsProtocol):
    """One connection, which is closed when it keeps the server waiting."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: TimerHandle | None = None
        self._unread: TimerHandle | None = None
        self._body_is_due = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Refuses one connection too many."""
        super().connection_made(transport)
        here = sum(1 for other in self.connections if _address(other) == _address(self))
        if len(self.connections) > MOST_CONNECTIONS or here > MOST_OF_ONE_ADDRESS:
            transport.abort()
            return
        self._close_after(HEADERS_WITHIN_S)

    def data_received(self, data: bytes) -> None:
        """Whatever begins a request, be it empty lines, must come to its headers."""
        super().data_received(data)
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self._deadline is None:
            self._close_after(HEADERS_WITHIN_S)

    def on_headers_complete(self) -> None:
        """The request may take its time from here on."""
        self._forget_deadline()
        self._body_is_due = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is here."""
        self._body_is_due = False
        if self.cycle.response_complete:
            self._forget_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """A body that was answered before it came may go on for a moment, so that the answer is read."""
        super().on_response_complete()
        if self._body_is_due and not self.transport.is_closing():
            self._close_after(TAIL_S)

    def pause_writing(self) -> None:
        """Who does not read what was asked for holds a turn: not for long."""
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It is read again."""
        self._forget_unread()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        self._forget_deadline()
        self._forget_unread()
        super().connection_lost(exc)

    def _forget_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _close_after(self, seconds: float) -> None:
        self._forget_deadline()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _address(connection: Any) -> str | None:
    return connection.client[0] if connection.client else None
