"""How sure an operation is, and how much of the upload it takes."""

from dataclasses import replace

import numpy as np
import pytest

from indexer.compare.faces.findings import FaceFinding, certainty_of_face
from indexer.compare.faces.judgement import Change, FaceEvidence
from indexer.compare.faces.pairs import FaceMeasures, FacePair
from indexer.compare.vocabulary import FULL, Operation, certainty_of
from indexer.operations import Certainty, Degree, OperationType

MEASURES = FaceMeasures(**dict.fromkeys(FaceMeasures.__annotations__, 0.5) | {"pose": 0.0})
NOTHING = dict.fromkeys(FaceMeasures.__annotations__, 0.0)
ALL_THERE = ("confidence", "inside", "kept", "mouth", "eyes", "inside_moved", "fine_inside", "sharpness")
UNTOUCHED = FaceMeasures(**NOTHING | dict.fromkeys(ALL_THERE, 1.0))
OVAL = np.zeros((36, 2), np.float32)


def face(change: Change, chance: float, controls: tuple[FaceMeasures | None, ...]) -> FaceFinding:
    pair = FacePair(None, None, OVAL, None, MEASURES, 1.0, controls=controls)
    return FaceFinding(pair, change, chance, chance, 0.2)


@pytest.mark.parametrize("change", [Change.EXCHANGED, Change.MOVED])
@pytest.mark.parametrize(
    ("chance", "controls", "certainty"),
    [
        (0.999, (UNTOUCHED, UNTOUCHED), Certainty.VERY_LIKELY),
        (0.9, (UNTOUCHED, UNTOUCHED), Certainty.LIKELY),  # not far beyond the line
        (0.999, (), Certainty.LIKELY),  # nothing tells what processing alone would do
        (0.999, (UNTOUCHED, None), Certainty.LIKELY),  # and of this control nothing was left
    ],
)
def test_a_changed_face_is_very_likely_only_far_beyond_its_controls(
    change: Change, chance: float, controls: tuple[FaceMeasures | None, ...], certainty: Certainty
) -> None:
    assert certainty_of_face(face(change, chance, controls)) is certainty


def test_a_flat_bar_over_a_face_is_sure_however_little_it_covers() -> None:
    covered = face(Change.COVERED, 0.1, ())
    evidence = FaceEvidence(UNTOUCHED, (), 0.15, is_flat=True, sticker=0.0)
    assert certainty_of_face(replace(covered, changed_share=0.15)) is Certainty.LIKELY
    flat = replace(covered, changed_share=0.15, evidence=evidence)
    assert certainty_of_face(flat) is Certainty.VERY_LIKELY


def test_only_what_concerns_a_part_takes_a_share() -> None:
    part = ((0.1, 0.2), (0.3, 0.2), (0.3, 0.7), (0.1, 0.7))
    edited = Operation(OperationType.LOCAL_EDIT, Degree.CLEAR, "Edited.", part, part)
    assert edited.share == pytest.approx(0.1)
    assert replace(edited, region=FULL).share is None
    assert replace(edited, region=None).share is None


def test_the_words_rise_with_the_evidence() -> None:
    assert certainty_of(1.9, 2.0) is Certainty.LIKELY
    assert certainty_of(2.0, 2.0) is Certainty.VERY_LIKELY
    assert Certainty.LIKELY.rank < Certainty.VERY_LIKELY.rank
