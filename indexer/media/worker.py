"""The limited child process: reads one upload at a time from a pipe, answers with pixels.

Started by `sandbox` as `python -m indexer.media.worker`. Wire form, both ways: a 4-byte big-endian
length, that many bytes of JSON, then the bytes the JSON announces as `length`.
"""

import json
import os
import sys
from dataclasses import asdict
from typing import BinaryIO

from indexer.media.errors import MediaError
from indexer.media.images import decode_image
from indexer.media.limits import ImageLimits, WorkerLimits
from indexer.media.lockdown import allow_cpu_time, forbid_system_calls, limit_resources

HEADER_BYTES = 4


def write_message(pipe: BinaryIO, header: dict[str, object], body: bytes = b"") -> None:
    """Send one message and flush it."""
    encoded = json.dumps({**header, "length": len(body)}).encode()
    pipe.write(len(encoded).to_bytes(HEADER_BYTES, "big") + encoded)
    pipe.write(body)
    pipe.flush()


def read_message(pipe: BinaryIO) -> tuple[dict[str, object], bytes]:
    """Receive one message; EOFError when the other side has gone."""
    size = _read_exactly(pipe, HEADER_BYTES)
    header: dict[str, object] = json.loads(_read_exactly(pipe, int.from_bytes(size, "big")))
    length = header["length"]
    assert isinstance(length, int)
    return header, _read_exactly(pipe, length)


def _read_exactly(pipe: BinaryIO, count: int) -> bytes:
    received = pipe.read(count)
    if len(received) != count:
        raise EOFError
    return received


def _answer(payload: bytes, limits: ImageLimits) -> tuple[dict[str, object], bytes]:
    try:
        image = decode_image(payload, limits)
    except MediaError as error:
        return {"error": type(error).__name__, "reason": str(error)}, b""
    height, width, _ = image.pixels.shape
    header: dict[str, object] = {
        "media_type": image.media_type,
        "width": image.width,
        "height": image.height,
        "jpeg_quality": image.jpeg_quality,
        "shape": [height, width, 3],
    }
    return header, image.pixels.tobytes()


def main() -> None:
    """Lock down, then serve until the pipe closes."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a decoder that prints must not reach the pipe
    image_limits = ImageLimits(**json.loads(sys.argv[1]))
    worker_limits = WorkerLimits(**json.loads(sys.argv[2]))
    limit_resources(worker_limits)
    write_message(answers, {"ready": True, "system_calls_filtered": forbid_system_calls()})
    while True:
        try:
            _, payload = read_message(requests)
        except EOFError:
            return
        allow_cpu_time(worker_limits.cpu_time_s)
        header, pixels = _answer(payload, image_limits)
        write_message(answers, header, pixels)


def arguments(image: ImageLimits, worker: WorkerLimits) -> list[str]:
    """The command-line arguments that `main` reads back."""
    return [json.dumps(asdict(image)), json.dumps(asdict(worker))]


if __name__ == "__main__":
    main()
