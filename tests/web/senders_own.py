"""Finds every picture in an answer, whatever it is wrapped in, and tells whether it shows more than the
sender's own."""

import base64
import io
import re
from collections.abc import Iterator

import av
import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageSequence

Picture = npt.NDArray[np.uint8]  # (h, w) grey
ENCODED = re.compile(rb"[A-Za-z0-9+/_-]{64,}={0,2}")  # base64 of either alphabet
SIGNATURES = (
    b"\x89PNG\r\n",
    b"\xff\xd8\xff",
    b"GIF8",
    b"RIFF",
    b"BM",
    b"II*\x00",
    b"MM\x00*",
    b"PK\x03\x04",
)
DEEPEST = 3  # base64 in a signed payload that is base64 itself
SMALL = 64, 64
WORKED_SIDE = 480
PATCH_WIDTHS = np.geomspace(40, 240, 40).round().astype(int)  # in pixels of the reduced picture


def pictures_in(body: bytes, deepest: int = DEEPEST) -> Iterator[Picture]:
    """Yields every frame of every picture and video in these bytes: as they are, and in base64 in them."""
    if body[4:8] == b"ftyp" or body.startswith(b"\x1aE\xdf\xa3"):
        with av.open(io.BytesIO(body), "r") as container:
            for frame in container.decode(video=0):
                yield _grey(Image.fromarray(frame.to_ndarray(format="rgb24")))
        return
    if body.startswith(SIGNATURES):
        with Image.open(io.BytesIO(body)) as image:  # what looks like one and cannot be read fails the test
            for shown in ImageSequence.Iterator(image):
                yield _grey(shown)
        return
    for run in ENCODED.findall(body) if deepest else []:
        plain = run.replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=")
        plain = plain[: len(plain) - (len(plain) % 4 == 1)]
        yield from pictures_in(base64.b64decode(plain + b"=" * (-len(plain) % 4)), deepest - 1)


def same_picture(one: Picture, other: Picture) -> bool:
    """Whether one is the other re-encoded, at any size."""
    small, reduced = (cv2.resize(each, SMALL, interpolation=cv2.INTER_AREA) for each in (one, other))
    return float(np.abs(small.astype(np.float32) - reduced.astype(np.float32)).mean()) < 6.0


def shows(shown: Picture, patch: Picture) -> float:
    """How well the patch is found anywhere in the picture, at any size, also as a negative or a difference.

    Correlation, 0..1.
    """
    scale = min(1.0, WORKED_SIDE / max(shown.shape))
    reduced = _detail(cv2.resize(shown, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    found = [0.0]
    for width in PATCH_WIDTHS.tolist():
        height = round(width * patch.shape[0] / patch.shape[1])
        if width <= reduced.shape[1] and height <= reduced.shape[0]:
            wanted = _detail(cv2.resize(patch, (width, height), interpolation=cv2.INTER_AREA))
            found.append(float(np.abs(cv2.matchTemplate(reduced, wanted, cv2.TM_CCOEFF_NORMED)).max()))
    return max(found)


def _detail(values: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    # Without it, any two smooth surfaces correlate.
    whole = values.astype(np.float32)
    return np.asarray(whole - cv2.GaussianBlur(whole, (0, 0), 4), np.float32)


def _grey(frame: Image.Image) -> Picture:
    """Draws it over mid grey where it is transparent, so that what only opacity draws is seen as well."""
    coloured = frame.convert("RGBA")
    ground = Image.new("RGBA", coloured.size, (128, 128, 128, 255))
    return np.asarray(Image.alpha_composite(ground, coloured).convert("L"))
