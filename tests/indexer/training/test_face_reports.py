"""The tables of the face model: pictures counted by variant, system and size, with intervals."""

from dataclasses import replace
from pathlib import Path

import pytest

from indexer.compare.faces.judgement import FACE_PER_EYE, Change, FaceEvidence
from indexer.compare.faces.pairs import FaceMeasures
from indexer.training.evaluation import wilson_interval
from indexer.training.face_pairs import MOVED, SAME, SWAPPED, MeasuredFace, Pair
from indexer.training.face_reports import by_size, by_system, by_variant

MEASURES = FaceMeasures(**dict.fromkeys(FaceMeasures.__annotations__, 0.5))


def face(kind: str, system: str, number: int = 0, width_px: float = 100) -> MeasuredFace:
    path = Path("face.png")
    measures = replace(MEASURES, eye_px=width_px / FACE_PER_EYE)
    pair = Pair(f"{system} {number}", kind, path, path, system, "face.png")
    return MeasuredFace(pair, "clean", FaceEvidence(measures, (), 0.0, is_flat=False, sticker=0.0))


DECIDED = (
    (face(SWAPPED, "one"), Change.EXCHANGED),
    (face(SWAPPED, "one", 1, width_px=60), Change.COVERED),
    (face(MOVED, "two"), Change.EXCHANGED),
    (face(SAME, "three"), Change.NONE),
    (face(SAME, "three"), Change.MOVED),  # another face of the same picture
)


def row_of(table: str, title: str) -> list[str]:
    line = next(line for line in table.splitlines() if line.startswith(f"| {title} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_pictures_are_counted_and_not_faces() -> None:
    assert row_of(by_variant(DECIDED), "clean") == ["1 of 2", "1 of 1", "1 of 1", "0 of 4"]


def test_each_system_and_each_width_has_a_row_with_its_interval() -> None:
    assert row_of(by_system(DECIDED), "one")[0] == "1 of 2 (0.095 to 0.905)"
    assert row_of(by_system(DECIDED), "one")[1] == ""
    assert row_of(by_size(DECIDED), "48 to 64 px")[0].startswith("0 of 1")
    assert row_of(by_size(DECIDED), "96 to 128 px")[0].startswith("1 of 1")


@pytest.mark.parametrize(
    ("found", "of", "least", "most"), [(0, 100, 0.0, 0.037), (100, 100, 0.963, 1.0), (0, 0, 0.0, 1.0)]
)
def test_the_interval_of_a_share(found: int, of: int, least: float, most: float) -> None:
    assert wilson_interval(found, of) == pytest.approx((least, most), abs=5e-4)
