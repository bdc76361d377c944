"""Small files that cost much where nothing bounds them, for tests and benchmarks."""

import io
import struct

from PIL import Image

PIXEL = b"\x02\x02\x44\x01\x00"  # LZW of one pixel of colour 0: code size, a block of two bytes, no more
WITH_FOUR_COLOURS = 0x91  # flags of a screen: its own table of 2 ** (1 + 1) colours


def gif_of_pixels(
    frames: int, side: int, duration_ms: int = 250, *, picture: Image.Image | None = None
) -> bytes:
    """An animation of side x side pixels, of which each frame changes one: 23 bytes a frame.

    Its ground is flat, or a picture of that size.
    """
    if picture is None:
        palette = bytes((200, 180, 20, 0, 0, 0, 255, 255, 255, 90, 90, 90))
        begin = b"GIF89a" + struct.pack("<HHBBB", side, side, WITH_FOUR_COLOURS, 0, 0) + palette
    else:
        buffer = io.BytesIO()
        picture.convert("P", palette=Image.Palette.ADAPTIVE).save(buffer, "GIF", duration=duration_ms)
        begin, frames = buffer.getvalue()[:-1], frames - 1
    control = b"\x21\xf9\x04\x04" + struct.pack("<H", duration_ms // 10) + b"\x00\x00"
    pixels = (
        control + b"," + struct.pack("<HHHHB", number % side, number // side % side, 1, 1, 0) + PIXEL
        for number in range(frames)
    )
    return begin + b"".join(pixels) + b";"
