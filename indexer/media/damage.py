"""The part of a damaged picture that browsers show, and what is missing, in words.

A browser paints what it could decode and leaves the rest of the frame empty. Here the rest is left out: an
empty half would be compared with the original's, and taken for something that was laid over it. Rows are
known to be there where two decodings over different grounds agree, or by what can be unpacked (PNG).
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, ImageFile

from indexer.media.errors import Undecodable
from indexer.media.png import DamagedHeader, Png

# With less than a quarter of the rows a picture is rarely more than sky or the edge of a desk.
LEAST_SHARE = 0.25
END_OF_IMAGE = b"\xff\xd9"
PLAIN_LEVELS = 24  # libjpeg smooths the edge of what is there
START_OF_SCAN = 0xDA
MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")  # but not what stands within a scan: zeros, restarts
END_MISSING = "the end of the file is missing"
COARSE = "the file breaks off: only a coarse picture is there"
STEPS = (1, 2, 4, 8)  # of interlaced pictures, each so manieth row comes before the others


@dataclass(frozen=True)
class Part:
    """What there is of a picture."""

    image: Image.Image  # as it is stored: neither turned nor in sRGB
    size: tuple[int, int]  # of the file's pixels that `image` shows, width first
    note: str = ""  # what is missing


def part_of(payload: bytes, opened: Image.Image, size: tuple[int, int]) -> Part:
    """Returns what can be shown of the damaged picture of this size that Pillow opened. Raises Undecodable.

    A JPEG that was opened to be reduced while it is decoded, is reduced here as well.
    """
    name = opened.format or ""
    if name == "PNG":
        return _part_of_png(payload)
    if name in ("JPEG", "MPO"):
        return _part_of_jpeg(payload, opened, size)
    if name in ("GIF", "BMP"):
        return _part_by_rows(payload, name)
    raise Undecodable(f"this {name} file is damaged: its pixels cannot be decoded")


def _part_of_png(payload: bytes) -> Part:
    try:
        png = Png.read(payload)
    except DamagedHeader:
        raise Undecodable("this PNG file has a damaged header: its pixels cannot be decoded") from None
    width, height = png.size
    if png.is_interlaced:
        step = png.step()
        if step == 0:
            raise Undecodable("the file breaks off before even a coarse picture came")
        image = _decoded_so_far(payload, "PNG")
        return Part(_each(image, step), (width, height), COARSE)
    rows = png.upper_rows()
    note = _rows_note(rows, height)
    with Image.open(io.BytesIO(png.cropped(rows).written()), formats=("PNG",)) as image:
        image.load()
    return Part(image, (width, rows), note)


def _part_of_jpeg(payload: bytes, opened: Image.Image, size: tuple[int, int]) -> Part:
    """Of a progressive JPEG every scan shows the whole; of any other the upper rows are there."""
    width, height = size
    if opened.info.get("progressive"):
        image = _decoded_so_far(payload, "JPEG", opened.size)
        if _scans_of(payload) < 2 or _rows_before_plain(image) == 0:
            rows = height * _rows_before_plain(image) // image.height
            note = _rows_note(rows, height)
            return Part(image.crop((0, 0, image.width, _rows_before_plain(image))), (width, rows), note)
        return Part(image, size, "the file breaks off: the last details of the picture are missing")
    image = _decoded_so_far(payload, "JPEG", opened.size)
    if _lacks_its_end_only(payload):
        return Part(image, size, END_MISSING)
    # Without the row of blocks in which it breaks off, and the one before, which libjpeg holds back.
    there = _rows_there(payload, "JPEG", opened.size)
    rows = height * _leading(there) // len(there)
    note = _rows_note(rows, height)
    return Part(image.crop((0, 0, image.width, _leading(there))), (width, rows), note)


def _lacks_its_end_only(payload: bytes) -> bool:
    """Whether libjpeg has nothing to complain of once the marker of the end is there."""
    try:
        simplejpeg.decode_jpeg(payload.rstrip(b"\xff") + END_OF_IMAGE, min_factor=8)
    except (ValueError, MemoryError, OverflowError):
        return False
    return True


def _scans_of(payload: bytes) -> int:
    """Counts the scans that begin, without those of a thumbnail within a segment (ITU-T T.81, annex B)."""
    scans, at = 0, 2
    while marker := MARKER.search(payload, at):
        at = marker.end()
        scans += marker[1][0] == START_OF_SCAN
        at += int.from_bytes(payload[at : at + 2], "big")
    return scans


def _rows_before_plain(image: Image.Image) -> int:
    """How many rows come before the last of one colour throughout, which is that of nothing decoded."""
    pixels = np.asarray(image)
    levels = np.abs(pixels.astype(np.int16) - pixels[-1, -1])
    plain = (levels <= PLAIN_LEVELS).reshape(len(pixels), -1).all(axis=1)
    return len(plain) - _leading(plain[::-1])


def _part_by_rows(payload: bytes, name: str) -> Part:
    there = _rows_there(payload, name)
    height = len(there)
    from_below = not there[0]  # as in most BMP files
    if from_below:
        there = there[::-1]
    # The stage that reaches farthest; of two that reach as far, the finer one.
    rows, step = 0, 1
    for candidate in STEPS:
        reached = min(height, candidate * _leading(there[::candidate]))
        if reached >= rows + 2 * candidate:
            rows, step = reached, candidate
    note = _rows_note(rows, height) if step == 1 else COARSE
    image = _decoded_so_far(payload, name)
    upper = height - rows if from_below else 0
    shown = image.crop((0, upper, image.width, upper + rows))
    return Part(_each(shown, step), shown.size, note)


def _rows_note(rows: int, height: int) -> str:
    """Says how much is there. Raises Undecodable where it is too little."""
    if rows < LEAST_SHARE * height:
        raise Undecodable(
            f"the file breaks off: {rows} of its {height} rows are there; at least a quarter is needed"
        )
    return f"the file breaks off: {rows} of its {height} rows are there"


def _each(image: Image.Image, step: int) -> Image.Image:
    """Every so manieth pixel of rows and columns; its palette and what the file says of it are kept."""
    if step == 1:
        return image
    size = -(-image.width // step), -(-image.height // step)
    at = 0.5 - step / 2  # of the first pixel, not of the middle of so many
    # Not `resize`, which would blend in what is missing.
    coarse = image.transform(
        size, Image.Transform.AFFINE, (step, 0, at, 0, step, at), Image.Resampling.NEAREST
    )
    coarse.info = image.info
    return coarse


def _leading(there: npt.NDArray[np.bool_]) -> int:
    """How many of them are there before one is missing."""
    return len(there) if there.all() else int(there.argmin())


def _rows_there(payload: bytes, name: str, reduced: tuple[int, int] | None = None) -> npt.NDArray[np.bool_]:
    """(height,) whether a row is decoded, by decoding over black and over white."""
    over_black, over_white = (_over(payload, name, level, reduced) for level in (0, 255))
    same = over_black == over_white
    return np.asarray(same.reshape(len(same), -1).all(axis=1))


def _over(
    payload: bytes, name: str, level: int, reduced: tuple[int, int] | None
) -> npt.NDArray[np.generic]:
    """(h, w) or (h, w, bands) as stored; where nothing is decoded, `level`."""
    with Image.open(io.BytesIO(payload), formats=(name,)) as image:
        image.draft(image.mode, reduced or image.size)
        ground = (level,) * len(image.getbands())
        image.im = Image.new(image.mode, image.size, ground if len(ground) > 1 else level).im
        with suppress(Exception):  # what was decoded before the damage stays
            image.load()
        return np.asarray(Image.Image()._new(image.im))


def _decoded_so_far(payload: bytes, name: str, reduced: tuple[int, int] | None = None) -> Image.Image:
    with _tolerant(), Image.open(io.BytesIO(payload), formats=(name,)) as image:
        image.draft(image.mode, reduced or image.size)
        image.load()
        return image


@contextmanager
def _tolerant() -> Iterator[None]:
    """Has Pillow keep what it could decode. The process that decodes has one thread."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
