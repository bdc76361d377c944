"""The PDF of a comparison: both pictures, each changed place close up, and every word that was said."""

import re
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import Paragraph

from indexer.compare.close_ups import CloseUp
from indexer.compare.vocabulary import Operation
from indexer.operations import Degree, OperationType
from registry.match import report
from registry.match.report import comparison_report
from registry.match.showing import DrawnComparison, ShownPlace
from sdk.errors import Conflict
from sdk.models import Comparison, Direction
from tests.pictures import encoded, picture
from tests.world import World

MADE_AT = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
PART = ((0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6))


def edited() -> Image.Image:
    made = picture("coffee").copy()
    made.paste(picture("cat").resize((160, 110)), (220, 120))
    return made


def pages_of(document: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", document))


def drawn(places: int) -> DrawnComparison:
    pixels = np.asarray(picture("coffee").resize((240, 160)))
    operation = Operation(OperationType.LOCAL_EDIT, Degree.CLEAR, "A part was edited.", PART, PART)
    shown = ShownPlace(operation, "Local edit, clear: A part was edited.", CloseUp(pixels, pixels, PART))
    image = Image.fromarray(pixels)
    return DrawnComparison(image, image, b"", image, (shown,) * places)


@pytest.fixture
def comparison(world: World) -> Comparison:
    desk = world.enrol("Daily Example")
    record = world.register(desk, encoded("coffee"), "a cup").record
    return desk.client.compare(encoded(edited(), quality=85), record.id)


def test_the_same_comparison_gives_the_same_bytes_and_places_take_pages(comparison: Comparison) -> None:
    one, many = drawn(1), drawn(9)
    document = comparison_report(comparison, one, MADE_AT)
    assert document.startswith(b"%PDF-")
    assert document == comparison_report(comparison, one, MADE_AT)
    assert pages_of(document) == 1
    assert pages_of(comparison_report(comparison, many, MADE_AT)) > 2


def test_every_word_stands_in_it_and_none_is_markup(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = comparison.record.model_copy(update={"label": "<b>R&D</b> مرحبا Příliš"})
    told = comparison.model_copy(update={"record": record, "uncertain": ("The light could not be told.",)})
    written: list[str] = []

    def noted(words: str, style: ParagraphStyle) -> Paragraph:
        written.append(words)
        return Paragraph(words, style)

    monkeypatch.setattr(report, "Paragraph", noted)
    assert comparison_report(told, drawn(1), MADE_AT).startswith(b"%PDF-")
    said = "\n".join(written)
    assert "&lt;b&gt;R&amp;D&lt;/b&gt; ????? " in said, "what the font lacks is marked, nothing is markup"
    for words in (
        told.explanation.split(".")[0].replace("'", "&#x27;"),
        "The light could",
        told.digest_sha256,
    ):
        assert words in said
    for words in (record.id, record.publisher_name, "A part was edited.", "This document is not signed"):
        assert words in said


def test_where_nothing_shows_which_was_altered_neither_is_called_so(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    def noted(words: str, style: ParagraphStyle) -> Paragraph:
        written.append(words)
        return Paragraph(words, style)

    monkeypatch.setattr(report, "Paragraph", noted)
    unknown = comparison.model_copy(update={"direction": Direction.UNKNOWN, "direction_reason": None})
    comparison_report(unknown, drawn(1), MADE_AT)
    assert any("either may be the one that was altered" in words for words in written)
    assert "Where the two differ, close up" in written
    assert "What was changed, close up" not in written


def test_a_pdf_is_made_of_a_still_over_the_api_and_refused_of_what_nothing_confirms(world: World) -> None:
    desk = world.enrol("Daily Example")
    record = world.register(desk, encoded("coffee"), "a cup").record
    upload = encoded(edited(), quality=85)
    document = desk.client.compare_picture(upload, record.id, "pdf")
    assert document.startswith(b"%PDF-")
    assert len(re.findall(rb"/Subtype /Image", document)) == 4, "both pictures, and the place of both"
    with pytest.raises(Conflict):
        desk.client.compare_picture(encoded("rocket"), record.id, "pdf")
