"""A decoder that an upload took over, after the real lock-down: what it answers is up to the upload.

`run: EXPRESSION` evaluates it and answers with what came of it; the name of one of LIES sends that; any
other upload is decoded.
"""

import io
import os
from collections.abc import Iterator

from indexer.media import worker
from indexer.media.answers import Answer
from indexer.media.limits import Limits
from indexer.media.messages import write_message

VIDEO: dict[str, object] = {
    "is": "video",
    "media_type": "video/mp4",
    "width": 8,
    "height": 8,
    "duration_ms": 1000,
    "frame_rate": 25.0,
    "has_audio": False,
    "has_unread_audio": False,
}
IMAGE: dict[str, object] = {
    "is": "image",
    "media_type": "image/png",
    "width": 8,
    "height": 8,
    "jpeg_quality": None,
    "notes": [],
    "shape": [2, 2, 3],
    "further": [],
}
FRAME: dict[str, object] = {"time_ms": 0, "starts_shot": False, "luma": [1, 1], "pixels": None}
WITH_PIXELS: dict[str, object] = {**FRAME, "pixels": [1, 1, 3]}
END: dict[str, object] = {"end": True, "end_ms": 40, "notes": []}
BODY = bytes(12)
# Messages, or bytes that are none.
LIES: dict[str, list[tuple[dict[str, object], bytes] | bytes]] = {
    "no header": [({}, b"")],
    "a list": [b"\0\0\0\2[]"],
    "another shape": [({**IMAGE, "shape": [3, 4]}, BODY)],
    "four channels": [({**IMAGE, "shape": [1, 3, 4]}, BODY)],
    "negative sides": [({**IMAGE, "shape": [-2, -2, 3]}, BODY)],
    "no sides": [({**IMAGE, "shape": [0, 0, 3]}, b"")],
    "more pixels than bytes": [({**IMAGE, "shape": [2000, 2000, 3]}, BODY)],
    "more bytes than pixels": [(IMAGE, BODY * 2)],
    "a width of a thousand digits": [({**IMAGE, "width": 10**1000}, BODY)],
    "a width that no format has": [({**IMAGE, "width": 1 << 20}, BODY)],
    "a width that is none": [({**IMAGE, "width": "8"}, BODY)],
    "true for a number": [({**IMAGE, "width": True}, BODY)],
    "notes that are none": [({**IMAGE, "notes": [1]}, BODY)],
    "pages without end": [({**IMAGE, "further": [IMAGE] * 100}, BODY * 101)],
    "a video of no rate": [({**VIDEO, "frame_rate": float("nan")}, b"")],
    "a video of a thousand years": [({**VIDEO, "duration_ms": 10**50}, b"")],
    "a frame of nothing": [(VIDEO, b""), ({}, b"")],
    "a frame before the first": [(VIDEO, b""), ({**FRAME, "time_ms": -1}, b"x")],
    "a frame of other pixels": [(VIDEO, b""), ({**FRAME, "pixels": [1, 1, 1]}, b"xx")],
    "no frames": [(VIDEO, b""), (END, b"")],
    "a first frame without pixels": [(VIDEO, b""), (FRAME, b"x"), (END, b"")],
    "a frame without luma": [
        (VIDEO, b""),
        (WITH_PIXELS, b"xxxx"),
        ({**FRAME, "luma": None}, b""),
        (END, b""),
    ],
    "frames of two sizes": [
        (VIDEO, b""),
        (WITH_PIXELS, b"xxxx"),
        ({**FRAME, "luma": [2, 1]}, b"xx"),
        (END, b""),
    ],
    "more frames than there can be": [(VIDEO, b""), *[(WITH_PIXELS, b"xxxx")] * 5, (END, b"")],
    "no JSON": [b"\0\0\0\1{"],
    "JSON in JSON in JSON": [b"\0\1\0\0" + b"[" * (1 << 16)],
    "a header of four gigabytes": [b"\xff\xff\xff\xff"],
    "a body of a terabyte": [b'\0\0\0\x19{"length": 1099511627776}'],
    "a length below nothing": [b'\0\0\0\x0e{"length": -1}'],
    "a length that is none": [b'\0\0\0\x10{"length": "22"}'],
}
DECODE = worker._answers


def answers(request: dict[str, object], payload: bytes, limits: Limits) -> Iterator[Answer]:
    """Yields what the upload wants to be sent."""
    words = payload[:200].decode("latin-1")
    if words in LIES:
        os.write(PIPE, sent(words))
    elif words.startswith("run: "):
        try:
            said = repr(eval(words[5:]))
        except Exception as error:
            said = repr(error)
        yield {"error": "UnsupportedFormat", "reason": said}, b""
    else:
        yield from DECODE(request, payload, limits)


def sent(lie: str) -> bytes:
    """Returns the bytes of one of LIES, as they go through the pipe."""
    pipe = io.BytesIO()
    for message in LIES[lie]:
        if isinstance(message, bytes):
            pipe.write(message)
        else:
            header, body = message
            write_message(pipe, header, body)
    return pipe.getvalue()


PIPE = 3  # what the worker answers through: the first descriptor after the usual three
if __name__ == "__main__":
    worker._answers = answers
    worker.main()
