import socket
import time
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from registry.cli.home import listening
from sdk import bounded_connections as connections

LARGE = 64 << 20  # more than the buffers of both sides hold


async def refuse(_: Request) -> PlainTextResponse:
    return PlainTextResponse("no", 401)


async def large(_: Request) -> PlainTextResponse:
    return PlainTextResponse("x" * LARGE)


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """A server that is quickly out of patience, and answers before it has read a body."""
    monkeypatch.setattr(connections, "HEADERS_WITHIN_S", 0.2)
    monkeypatch.setattr(connections, "TAIL_S", 0.2)
    monkeypatch.setattr(connections, "UNREAD_S", 0.2)
    app = Starlette(routes=[Route("/", refuse, methods=["POST"]), Route("/large", large)])
    app.state.on_stop = []
    with listening(app) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        yield host, int(port)


def everything_from(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    said = b""
    try:
        while piece := connection.recv(4096):
            said += piece
    except ConnectionError:
        pass
    return said


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"POST / HTTP/1.1\r\nHost: here\r\n"])
def test_headers_that_do_not_come_end_the_connection(address: tuple[str, int], sent: bytes) -> None:
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(sent)
        assert everything_from(connection) == b""


def test_a_refused_body_may_go_on_for_a_moment_only(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000\r\n\r\nx")
        assert everything_from(connection).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("bound", ["MOST_OF_ONE_ADDRESS", "MOST_CONNECTIONS"])
def test_there_are_only_so_many_connections_of_one_address_and_in_all(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(connections, "HEADERS_WITHIN_S", 60.0)  # else every one of them is closed soon
    monkeypatch.setattr(connections, bound, 3)
    opened = [socket.create_connection(address, timeout=20) for _ in range(4)]
    assert everything_from(opened[3]) == b""
    for connection in opened:
        connection.close()


def test_an_answer_that_is_not_read_ends_the_connection(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n")
        time.sleep(2)
        assert 0 < len(everything_from(connection)) < LARGE
