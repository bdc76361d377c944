"""Draws a comparison: the change map, both sides with what was changed outlined, and an animation.

The change map uses the colour map "inferno" with an opacity that rises with the change. People who cannot
tell red from green read it in the same way, and so does print in grey.
"""

import io
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from indexer.compare.changes import ChangeMap
from indexer.compare.close_ups import LONG_SIDE, CloseUp
from indexer.compare.vocabulary import Operation, Quad, is_part, to_outline
from indexer.compare.warping import WarpedPair
from indexer.media.images import Pixels

FULL_EXCESS = 8.0  # of the expected residue, drawn at full strength
LEAST_OPACITY, MOST_OPACITY = 60, 150  # of 255: what changed stays visible under the map
SHOWN_FROM = 2.5  # below this nothing is drawn
BLINK_MS = 700
GIF_COLOURS, MAP_COLOURS = 128, 32
EDGE = (255, 176, 0)  # amber, which everybody can tell from dark and from light ground
BAND = 26  # px of a caption
TEXT_PX, LINE_PX = 15, 21
LEAST_COLUMN_PX = 260  # of text beside a close-up
MARGIN = 10
GROUND, INK = (250, 249, 246), (30, 32, 36)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Alpha = npt.NDArray[np.float32]


def change_overlay(changes: ChangeMap) -> Image.Image:
    """Returns (h, w) RGBA to lay over either picture, transparent where nothing changed."""
    amount = ((changes.excess - SHOWN_FROM) / (FULL_EXCESS - SHOWN_FROM)).clip(0, 1)
    ramp = cv2.applyColorMap((255 * (0.25 + 0.75 * amount)).astype(np.uint8), cv2.COLORMAP_INFERNO)
    alpha = np.where(amount > 0, LEAST_OPACITY + (MOST_OPACITY - LEAST_OPACITY) * amount, 0).astype(
        np.uint8
    )
    return Image.fromarray(np.dstack([ramp[..., ::-1], alpha]), "RGBA")


def difference(changes: ChangeMap) -> Image.Image:
    """Returns (h, w) RGB: what differs once processing is taken out, four times as strong, on black."""
    levels = (4 * np.abs(changes.residue)).clip(0, 255)
    levels[~changes.compared] = 0
    return Image.fromarray(levels.astype(np.uint8), "RGB")


def as_png(image: Image.Image) -> bytes:
    """Encodes the image as PNG; one with opacity gets a palette, which keeps it small."""
    buffer = io.BytesIO()
    if image.mode == "RGBA":
        image = image.quantize(MAP_COLOURS, method=Image.Quantize.FASTOCTREE)
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def comparison_sheet(
    warped: WarpedPair,
    changes: ChangeMap,
    operations: tuple[Operation, ...],
    captions: tuple[str, str, str],
    close_ups: Sequence[tuple[str, CloseUp]] = (),
) -> Image.Image:
    """Returns one picture for a report: the reference, the warped query, and where they differ.

    Below them stand the close-ups, each pair with what is said of it.
    """
    marked = _changed_parts(operations)
    panes = [
        outlined(warped.reference, marked),
        outlined(warped.query, marked),
        Image.alpha_composite(
            Image.fromarray(warped.query).convert("L").convert("RGBA"), change_overlay(changes)
        ).convert("RGB"),
    ]
    width, height = warped.size
    # Of a narrow picture the close-ups are wider than the three panes.
    across = max(3 * width + 2 * MARGIN, 2 * LONG_SIDE + MARGIN if close_ups else 0)
    rows = [close_up_row(words, one, across) for words, one in close_ups]
    below = sum(row.height + MARGIN for row in rows)
    sheet = Image.new("RGB", (across + 2 * MARGIN, height + BAND + 2 * MARGIN + below), GROUND)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=TEXT_PX)
    for place, (pane, caption) in enumerate(zip(panes, captions, strict=True)):
        x = MARGIN + place * (width + MARGIN)
        draw.text((x, MARGIN), _fitting(caption, font, width), fill=INK, font=font)
        sheet.paste(pane, (x, MARGIN + BAND))
    y = height + BAND + 2 * MARGIN
    for row in rows:
        sheet.paste(row, (MARGIN, y))
        y += row.height + MARGIN
    return sheet


def close_up_row(words: str, shown: CloseUp, width: int) -> Image.Image:
    """Returns one close-up, `width` pixels wide: registered, upload, beside or below them what is said."""
    font = ImageFont.load_default(size=TEXT_PX)
    panes = [outlined(pixels, [shown.region]) for pixels in (shown.reference, shown.query)]
    across, down = panes[0].size
    beside = width - 2 * (across + MARGIN)
    is_beside = beside > LEAST_COLUMN_PX
    lines = _wrapped(words, font, beside if is_beside else width)
    text_height = LINE_PX * len(lines)
    height = BAND + (max(down, text_height) if is_beside else down + MARGIN + text_height)
    row = Image.new("RGB", (width, height), GROUND)
    draw = ImageDraw.Draw(row)
    for place, (pane, caption) in enumerate(zip(panes, ("Registered", "Upload"), strict=True)):
        draw.text((place * (across + MARGIN), 0), _fitting(caption, font, across), fill=INK, font=font)
        row.paste(pane, (place * (across + MARGIN), BAND))
    x, y = (2 * (across + MARGIN), BAND) if is_beside else (0, BAND + down + MARGIN)
    for number, line in enumerate(lines):
        draw.text((x, y + number * LINE_PX), line, fill=INK, font=font)
    return row


def blinking(warped: WarpedPair, operations: tuple[Operation, ...]) -> bytes:
    """Returns a GIF that shows the two pictures in turn, in one place, with what was changed outlined."""
    marked = _changed_parts(operations)
    frames = [outlined(side, marked).quantize(GIF_COLOURS) for side in (warped.reference, warped.query)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=BLINK_MS, loop=0)
    return buffer.getvalue()


def outlined(pixels: Pixels, quads: list[Quad]) -> Image.Image:
    """Returns the picture with the outlines of regions, given as shares of its sides, drawn in."""
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    for quad in quads:
        corners = [(x * (image.width - 1), y * (image.height - 1)) for x, y in quad]
        draw.polygon(corners, outline=(20, 20, 20), width=5)
        draw.polygon(corners, outline=EDGE, width=3)
    return image


def _changed_parts(operations: tuple[Operation, ...]) -> list[Quad]:
    """Returns the regions of operations that concern a part of the reference, not the whole."""
    regions = [operation.reference_region for operation in operations if operation.reference_region]
    return [to_outline(quad) for quad in regions if is_part(quad)]


def _wrapped(words: str, font: Font, width: int) -> list[str]:
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _fitting(words: str, font: Font, width: int) -> str:
    while words and font.getlength(words) > width:
        words = words[:-2].rstrip() + "…" if len(words) > 2 else ""
    return words
