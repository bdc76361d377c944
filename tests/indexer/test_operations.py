import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from indexer.operations import OPERATIONS, Degree, Extent, OperationRow, OperationType, Severity

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
ROWS = list(OPERATIONS.values())
HEAVY = {"numpy", "torch", "cv2", "faiss", "PIL", "av"}


def test_every_operation_has_one_row_in_the_order_of_the_words() -> None:
    assert [row.type for row in ROWS] == list(OperationType)
    assert [row.rank for row in ROWS] == list(range(len(ROWS)))
    assert all(row.c2pa_action.startswith("c2pa.") for row in ROWS)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", row.type) for row in ROWS)


def test_what_changes_the_content_comes_first_and_the_more_severe_before_the_less() -> None:
    content = [row for row in ROWS if row.changes_content]
    assert content == ROWS[: len(content)]
    assert all(before.severity.rank >= after.severity.rank for before, after in pairwise(ROWS))


def test_the_order_of_answers_is_pinned() -> None:
    assert [row.type.value for row in ROWS] == [
        "face_swap", "person_replaced", "face_reenacted", "composite", "local_edit", "reversed",
        "reordered", "retimed", "pictures_replaced", "audio_replaced", "face_edited", "face_covered",
        "frame_overlay", "overlay", "mirrored", "rotated", "stretched", "cropped", "embedded", "bordered",
        "audio_retimed", "clipped", "concatenated", "looped", "resized", "colour", "filtered",
            "re_encoded",
    ]  # fmt: skip


def test_the_columns_of_a_row_agree_with_each_other() -> None:
    for row in ROWS:
        assert row.changes_content or row.phrase is None, row.type
        assert row.concerns_face or not row.shows_another_face, row.type
        assert (row.severity is Severity.PERSON_ALTERED) == row.shows_another_face, row.type
        assert row.extent is Extent.PART or not (row.concerns_face or row.stays_in_place), row.type
        assert row.severity is not Severity.NONE, row.type


def test_degrees_and_severities_are_ranked_as_they_are_written() -> None:
    assert sorted(Degree, key=lambda degree: degree.rank) == [Degree.SLIGHT, Degree.CLEAR, Degree.STRONG]
    assert Severity.PERSON_ALTERED.rank == max(severity.rank for severity in Severity)


def test_the_document_shows_the_table() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("| `")] == [
        document_row(row) for row in ROWS
    ]


def document_row(row: OperationRow) -> str:
    source = f"`{row.digital_source_type.rpartition('/')[2]}`" if row.digital_source_type else "none"
    severity = row.severity.replace("_", " ")
    return (
        f"| `{row.type}` | {row.description} | {severity} | {row.extent} | `{row.c2pa_action}` "
        f"| {source} | `{row.media_authenticity}` |"
    )


@pytest.mark.parametrize("module", ["indexer.operations", "sdk.models", "sdk.client"])
def test_the_table_brings_nothing_heavy_into_the_sdk(module: str) -> None:
    code = f"import sys, {module}; print(sorted({HEAVY!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
