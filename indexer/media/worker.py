"""The limited child process, which reads one upload at a time from a pipe and answers with what is wanted.

`decoder_process` starts it as `python -m indexer.media.worker`. A request names in `want` what the answer
holds:

- `image`: the pixels of a still image, in one message. A video of one frame without sound is one, too.
  `long_side`, where it is given, takes the place of the working size.
- `media`: for a still image the same; for a video its info, a message for every frame, and an end.
- `frames`: for a video its info, the frames at the given times, and an end.
- `audio`: chunks of samples, and an end.
- `identify`: the pixels of a still image, or the info of a video, in one message.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import astuple, replace
from typing import cast

from indexer.media.animation import OpenAnimation, is_animated
from indexer.media.answers import Answer, frame_message, image_message, info_message
from indexer.media.audio import decode_audio
from indexer.media.containers import looks_like_video
from indexer.media.errors import MediaError, TooLarge, UnsupportedFormat
from indexer.media.images import DecodedImage, decode_image
from indexer.media.limits import MEBIBYTE, Limits, VideoLimits
from indexer.media.lockdown import allow_cpu_time, lock_down
from indexer.media.messages import read_message, write_message
from indexer.media.video import OpenVideo
from indexer.media.warming import load_decoders


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
    if not looks_like_video(payload):
        allow_cpu_time(limits.worker.cpu_time_s)  # for a still image, and to find out that it is none
        if wanted == "image" or not is_animated(payload, limits.video):
            long_side = cast(int, request.get("long_side", limits.image.working_long_side))
            yield image_message(decode_image(payload, replace(limits.image, working_long_side=long_side)))
            return
    opened = _open(payload, limits.video)
    allow_cpu_time(limits.video.cpu_time_s)
    picture = _as_picture(opened)
    if picture is not None:
        yield image_message(picture)
        return
    if wanted == "image":
        raise UnsupportedFormat("a video, not a still image")
    yield info_message(opened.info)
    if wanted != "identify":
        times = cast(list[int], request.get("times", []))
        for frame in opened.at(times) if wanted == "frames" else opened.sampled():
            yield frame_message(frame)
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


def main() -> None:
    """Locks the process down, then serves until the pipe closes."""
    load_decoders()
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a decoder that prints must not reach the pipe
    limits = Limits.from_arguments(sys.argv[1:])
    layers = lock_down(limits.worker)
    write_message(answers, {"layers": [astuple(layer) for layer in layers]})
    while True:
        try:
            request, payload = read_message(requests)
        except EOFError:
            return
        allow_cpu_time(limits.video.cpu_time_s)
        for header, body in _answers(request, payload, limits):
            write_message(answers, header, body)


if __name__ == "__main__":
    main()
