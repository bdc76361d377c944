"""What the limited process and the one that asks send each other through two pipes.

A message, in either direction, is a 4-byte big-endian length, that many bytes of JSON, and the bytes that
the JSON announces as `length`. The limited process may have been taken over by an upload: what it sends is
bounded and checked before it is believed.
"""

import json
import sys
from typing import BinaryIO

SIZE_BYTES = 4
MOST_HEADER_BYTES = 4 << 20
Message = tuple[dict[str, object], bytes]


class BadMessage(Exception):
    """Not a message, or none that an honest decoder would send."""


def write_message(pipe: BinaryIO, header: dict[str, object], body: bytes | memoryview = b"") -> None:
    """Sends one message and flushes the pipe."""
    encoded = json.dumps({**header, "length": len(body)}).encode()
    pipe.write(len(encoded).to_bytes(SIZE_BYTES, "big") + encoded)
    pipe.write(body)
    pipe.flush()


def read_message(pipe: BinaryIO, most_body_bytes: int = sys.maxsize) -> Message:
    """Receives one message. Raises EOFError when the other side has gone, and BadMessage."""
    size = int.from_bytes(_read_exactly(pipe, SIZE_BYTES), "big")
    if size > MOST_HEADER_BYTES:
        raise BadMessage("a header that is too long")
    encoded = _read_exactly(pipe, size)
    try:
        header = json.loads(encoded)
    except (ValueError, RecursionError):
        raise BadMessage("no JSON") from None
    length = header.get("length") if isinstance(header, dict) else None
    if type(length) is not int or not 0 <= length <= most_body_bytes:
        raise BadMessage("no length, or too great a one")
    return header, _read_exactly(pipe, length)


def _read_exactly(pipe: BinaryIO, count: int) -> bytes:
    received = pipe.read(count)
    if len(received) != count:
        raise EOFError
    return received
