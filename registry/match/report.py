"""A comparison as a document for a file or a court: what was found, in words, with both pictures (PDF)."""

import io
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from html import escape

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    Flowable,
    HRFlowable,
    Image,
    KeepTogether,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
)
from reportlab.platypus.doctemplate import BaseDocTemplate

from indexer.compare.rendering import outlined
from indexer.compare.vocabulary import to_outline
from registry.match.showing import DrawnComparison
from sdk.models import Comparison, Direction, in_words

MARGIN = 18 * mm
FRAME_PADDING = 6.0  # points, which reportlab leaves inside the margins
WIDTH = A4[0] - 2 * MARGIN - 2 * FRAME_PADDING
GAP = 4 * mm
COLUMN = (WIDTH - GAP) / 2
TALLEST, TALLEST_CLOSE_UP = 95 * mm, 48 * mm
INK, SOFT = HexColor("#1e2024"), HexColor("#5b6470")
EDGE_OF_A_PICTURE = (200, 204, 210)
REGULAR, BOLD = "Vera", "VeraBd"  # Bitstream Vera, which reportlab brings; letters of Western scripts
UNKNOWN_LETTER = "?"
JPEG_QUALITY = 92
TITLE = "Comparison with a registered picture"
UNKNOWN_DIRECTION = (
    "Nothing shows which of the two was made from the other: either may be the one that was altered."
)
WHAT_IT_IS_NOT = (
    "This document is not signed. The same file sent to the registry's address /v1/match gives the answer "
    "signed. That an upload comes from a registered picture says nothing of who changed it, when, or why; "
    "and what is not in the registry is neither genuine nor false by that."
)


def comparison_report(comparison: Comparison, drawn: DrawnComparison, made_at: datetime) -> bytes:
    """Lays out a still upload beside one record on A4; the same input gives the same bytes."""
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=TITLE,
        author="Trueprint",
        lang="en",
        invariant=1,
    )
    document.build([*_parts(comparison, drawn, made_at)], onFirstPage=_numbered, onLaterPages=_numbered)
    return buffer.getvalue()


def _parts(comparison: Comparison, drawn: DrawnComparison, made_at: datetime) -> Iterator[Flowable]:
    yield _text(TITLE, size=16, bold=True)
    yield Spacer(0, 3 * mm)
    yield _text(comparison.explanation, size=11)
    direction = comparison.direction_reason or UNKNOWN_DIRECTION
    if comparison.direction is not Direction.FROM_REFERENCE and direction not in comparison.explanation:
        yield Spacer(0, 2 * mm)
        yield _text(direction, size=11)
    yield Spacer(0, 3 * mm)
    yield _facts(comparison, made_at)
    yield Spacer(0, 5 * mm)
    yield _side_by_side(drawn)
    if drawn.close_ups:
        yield Spacer(0, 5 * mm)
        yield _text(close_up_heading(comparison.direction), size=12, bold=True)
    for place in drawn.close_ups:
        pictures = (place.close_up.reference, place.close_up.query)
        marked = [outlined(one, [place.close_up.region]) for one in pictures]
        panes = [_picture(one, COLUMN, TALLEST_CLOSE_UP) for one in marked]
        yield KeepTogether(
            [
                Spacer(0, 2 * mm),
                _two(panes),
                _two([_caption("Registered"), _caption("Upload")]),
                _text(place.words),
            ]
        )
    explained = {place.operation.sentence for place in drawn.close_ups}
    others = [one for one in comparison.operations if one.sentence not in explained]
    if others:
        yield Spacer(0, 5 * mm)
        yield _text("What differs in the whole" if explained else "What differs", size=12, bold=True)
        yield from (
            _text(f"{in_words(one.type)} ({one.how_much_in_words()}): {one.sentence}") for one in others
        )
    if comparison.uncertain:
        yield Spacer(0, 5 * mm)
        yield _text("What could not be told, or is not listed", size=12, bold=True)
        yield from (_text(sentence) for sentence in comparison.uncertain)
    rule = HRFlowable(width="100%", color=SOFT, thickness=0.5)
    yield KeepTogether([Spacer(0, 5 * mm), rule, _caption(WHAT_IT_IS_NOT)])
    shown = comparison.record.label + comparison.record.publisher_name
    if _known(shown, REGULAR) != shown:
        yield _caption(f"Letters that the font of this document lacks are shown as {UNKNOWN_LETTER}.")


def close_up_heading(direction: Direction) -> str:
    """What the close-ups are: where nothing shows which picture was altered, none is called so."""
    if direction is Direction.FROM_REFERENCE:
        return "What was changed, close up"
    return "Where the two differ, close up"


def _facts(comparison: Comparison, made_at: datetime) -> Table:
    record = comparison.record
    rows = [
        ("Registered picture", record.label),
        ("Registered by", record.publisher_name),
        ("Registered on", f"{record.registered_at:%Y-%m-%d %H:%M} UTC, as {record.class_in_words()}"),
        ("Record", record.id),
        ("Upload, SHA-256", comparison.digest_sha256),
        ("Compared on", f"{made_at:%Y-%m-%d %H:%M} UTC"),
    ]
    if comparison.strength is not None:
        rows.insert(0, ("Match", in_words(comparison.strength)))
    cells = [[_caption(name), _text(value)] for name, value in rows]
    return Table(cells, colWidths=[36 * mm, WIDTH - 36 * mm], style=TIGHT)


def _side_by_side(drawn: DrawnComparison) -> Table:
    pictures = (np.asarray(drawn.reference), np.asarray(drawn.upload))
    regions = [
        to_outline(place.operation.reference_region)
        for place in drawn.close_ups
        if place.operation.reference_region
    ]
    panes = [_picture(outlined(one, regions), COLUMN, TALLEST) for one in pictures]
    captions = [_caption("Registered"), _caption("The upload, laid on it")]
    return Table([panes, captions], colWidths=[COLUMN + GAP, COLUMN], style=TIGHT)


def _two(cells: list[Flowable]) -> Table:
    return Table([cells], colWidths=[COLUMN + GAP, COLUMN], style=TIGHT)


def _picture(image: PillowImage.Image, width: float, height: float) -> Image:
    scale = min(width / image.width, height / image.height)
    buffer = io.BytesIO()
    framed = ImageOps.expand(image.convert("RGB"), 1, EDGE_OF_A_PICTURE)
    framed.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    buffer.seek(0)
    return Image(buffer, image.width * scale, image.height * scale, hAlign="LEFT")


def _text(words: str, *, size: float = 9.5, bold: bool = False) -> Paragraph:
    name = BOLD if bold else REGULAR
    style = ParagraphStyle(
        name, fontName=name, fontSize=size, leading=1.35 * size, textColor=INK, splitLongWords=1
    )
    return Paragraph(escape(_known(words, name)), style)


def _caption(words: str) -> Paragraph:
    style = ParagraphStyle("caption", fontName=REGULAR, fontSize=8, leading=11, textColor=SOFT)
    return Paragraph(escape(_known(words, REGULAR)), style)


def _known(words: str, font: str) -> str:
    known = _font(font).face.charToGlyph
    return "".join(letter if ord(letter) in known else UNKNOWN_LETTER for letter in words)


@cache
def _font(name: str) -> TTFont:
    font = TTFont(name, f"{name}.ttf")
    pdfmetrics.registerFont(font)
    return font


def _numbered(canvas: Canvas, document: BaseDocTemplate) -> None:
    canvas.setFont(REGULAR, 8)
    canvas.setFillColor(SOFT)
    canvas.drawRightString(A4[0] - MARGIN, MARGIN / 2, f"{TITLE}, page {document.page}")


TIGHT = [
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 1),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
]
