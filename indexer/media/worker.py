"""The limited child process, which reads one upload at a time from a pipe and answers with what is wanted.

`sandbox` starts it as `python -m indexer.media.worker`. A message, in either direction, is a 4-byte
big-endian length, that many bytes of JSON, and the bytes that the JSON announces as `length`. A request
names in `want` what the answer holds:

- `image`: the pixels of a still image, in one message. A video of one frame without sound is one, too.
- `media`: for a still image the same; for a video its info, a message for every frame, and an end.
- `frames`: for a video its info, the frames at the given times, and an end.
- `audio`: chunks of samples, and an end.
- `identify`: the pixels of a still image, or the info of a video, in one message.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import BinaryIO, cast

import numpy as np

from indexer.media.animation import OpenAnimation, is_animated
from indexer.media.audio import decode_audio
from indexer.media.containers import looks_like_video
from indexer.media.errors import MediaError, TooLarge, UnsupportedFormat
from indexer.media.frames import Frame
from indexer.media.images import DecodedImage, decode_image
from indexer.media.limits import MEBIBYTE, Limits, VideoLimits
from indexer.media.lockdown import allow_cpu_time, forbid_system_calls, limit_resources
from indexer.media.video import OpenVideo

HEADER_BYTES = 4
Message = tuple[dict[str, object], bytes]
Answer = tuple[dict[str, object], bytes | memoryview]  # a body that is sent need not be copied first


def write_message(pipe: BinaryIO, header: dict[str, object], body: bytes | memoryview = b"") -> None:
    """Sends one message and flushes the pipe."""
    encoded = json.dumps({**header, "length": len(body)}).encode()
    pipe.write(len(encoded).to_bytes(HEADER_BYTES, "big") + encoded)
    pipe.write(body)
    pipe.flush()


def read_message(pipe: BinaryIO) -> Message:
    """Receives one message. Raises EOFError when the other side has gone."""
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


def _answers(request: dict[str, object], payload: bytes, limits: Limits) -> Iterator[Answer]:
    """Yields all messages about one upload; an error is the last one."""
    try:
        if request["want"] == "audio":
            yield from _audio_messages(payload, limits.video)
        else:
            yield from _picture_messages(request, payload, limits)
    except MediaError as error:
        yield {"error": type(error).__name__, "reason": str(error)}, b""
    except MemoryError:
        mebibytes = limits.worker.address_space_bytes // MEBIBYTE
        reason = f"needs more memory than the {mebibytes} MiB that the decoder may use"
        yield {"error": "TooLarge", "reason": reason}, b""
    except Exception:
        # The decoders raise nearly anything on hostile files; the worker goes on.
        yield {"error": "Undecodable", "reason": "a damaged file: nothing in it can be decoded"}, b""


def _audio_messages(payload: bytes, limits: VideoLimits) -> Iterator[Answer]:
    if looks_like_video(payload):
        for samples in decode_audio(payload, limits):
            yield {"time_ms": 0, "samples": len(samples)}, samples.tobytes()
    yield {"end": True, "end_ms": 0, "notes": []}, b""


def _picture_messages(request: dict[str, object], payload: bytes, limits: Limits) -> Iterator[Answer]:
    wanted = request["want"]
    if not looks_like_video(payload) and (wanted == "image" or not is_animated(payload)):
        allow_cpu_time(limits.worker.cpu_time_s)
        yield _image_message(decode_image(payload, limits.image))
        return
    opened = _open(payload, limits.video)
    picture = _as_picture(opened)
    if picture is not None:
        yield _image_message(picture)
        return
    if wanted == "image":
        raise UnsupportedFormat("a video, not a still image")
    yield _info_message(opened), b""
    if wanted != "identify":
        times = cast(list[int], request.get("times", []))
        for frame in opened.at(times) if wanted == "frames" else opened.sampled():
            yield _frame_message(frame)
        yield {"end": True, "end_ms": opened.end_ms, "notes": opened.notes}, b""


def _as_picture(opened: OpenVideo | OpenAnimation) -> DecodedImage | None:
    """A video of one frame is that picture, however long it is shown."""
    pixels = opened.only_frame() if isinstance(opened, OpenVideo) else None
    if pixels is None:
        return None
    info, notes = opened.info, (*opened.notes, "a video of a single frame, read as a picture")
    return DecodedImage(pixels, info.media_type, info.width, info.height, notes=notes)


def _open(payload: bytes, limits: VideoLimits) -> OpenVideo | OpenAnimation:
    if len(payload) > limits.max_bytes:
        raise TooLarge(f"{len(payload)} bytes; at most {limits.max_bytes} are read")
    return OpenVideo(payload, limits) if looks_like_video(payload) else OpenAnimation(payload, limits)


def _image_message(image: DecodedImage) -> Answer:
    pages = (image, *image.further_pages)
    header = {"is": "image", **_page_header(image), "further": [_page_header(page) for page in pages[1:]]}
    if len(pages) == 1:
        return header, np.ascontiguousarray(image.pixels).data.cast("B")
    return header, b"".join(page.pixels.tobytes() for page in pages)


def _page_header(image: DecodedImage) -> dict[str, object]:
    return {
        "media_type": image.media_type,
        "width": image.width,
        "height": image.height,
        "jpeg_quality": image.jpeg_quality,
        "notes": image.notes,
        "shape": image.pixels.shape,
    }


def _info_message(opened: OpenVideo | OpenAnimation) -> dict[str, object]:
    return {"is": "video", **asdict(opened.info)}


def _frame_message(frame: Frame) -> Message:
    luma, pixels = frame.luma, frame.pixels
    header: dict[str, object] = {
        "time_ms": frame.time_ms,
        "starts_shot": frame.starts_shot,
        "luma": None if luma is None else luma.shape,
        "pixels": None if pixels is None else pixels.shape,
    }
    return header, b"".join(part.tobytes() for part in (luma, pixels) if part is not None)


def main() -> None:
    """Locks the process down, then serves until the pipe closes."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a decoder that prints must not reach the pipe
    limits = Limits.from_arguments(sys.argv[1:])
    limit_resources(limits.worker)
    write_message(answers, {"ready": True, "system_calls_filtered": forbid_system_calls()})
    while True:
        try:
            request, payload = read_message(requests)
        except EOFError:
            return
        allow_cpu_time(limits.video.cpu_time_s)  # a still image gets less, once it is known to be one
        for header, body in _answers(request, payload, limits):
            write_message(answers, header, body)


if __name__ == "__main__":
    main()
