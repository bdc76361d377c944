"""What is left out when the face model is judged: neither a system nor a picture is in both sides."""

from collections import Counter
from pathlib import Path

import pytest

from indexer.compare.faces.judgement import FaceEvidence
from indexer.compare.faces.model import Head, shipped_heads
from indexer.compare.faces.pairs import FaceMeasures
from indexer.training import face_model
from indexer.training.face_model import decide_left_out, fit_heads
from indexer.training.face_pairs import MOVED, SAME, SWAPPED, MeasuredFace, Pair

MEASURES = FaceMeasures(**dict.fromkeys(FaceMeasures.__annotations__, 0.5))
TARGETS = [f"target-{number}" for number in range(24)]


def face(kind: str, system: str, target: str, other: str | None = None) -> MeasuredFace:
    family = None if other is None else system
    pair = Pair(
        f"{system} {target}", kind, Path(target), Path(other or "result"), system, target, family=family
    )
    return MeasuredFace(pair, "clean", FaceEvidence(MEASURES, (), 0.0, is_flat=False, sticker=0.0))


def faces() -> list[MeasuredFace]:
    """Three published systems of a few targets each, and a family of our own with all of them."""
    donors = [*TARGETS[3:], *TARGETS[:3]]
    return [
        *(face(SWAPPED, "published one", target) for target in TARGETS[:4]),
        *(face(SWAPPED, "published two", target) for target in TARGETS[4:8]),
        *(face(MOVED, "published three", target) for target in TARGETS[8:12]),
        *(face(SAME, "a photograph", target) for target in TARGETS),
        *(face(SWAPPED, "ours", *both) for both in zip(TARGETS, donors, strict=True)),
    ]


def test_no_system_and_no_picture_is_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[MeasuredFace]] = []

    def fitted(known: list[MeasuredFace]) -> dict[str, Head]:
        seen.append(known)
        return shipped_heads()

    monkeypatch.setattr(face_model, "fit_heads", fitted)
    decided = decide_left_out(faces(), lambda one: one.pair.system)
    assert Counter(one.pair.name for one, _ in decided) == Counter(one.pair.name for one in faces())
    judged = iter(one for one, _ in decided)
    names = [one.pair.name for one in faces()]
    for known in seen:
        assert any(one.pair.kind == SWAPPED for one in known)
        assert len({one.pair.name for one in known}) < len(names)
    for group in face_model._left_out_together(faces(), lambda one: one.pair.system):
        known = seen.pop(0)
        assert [next(judged) for _ in group] == group
        pictures = {picture for one in group for picture in one.pair.pictures}
        assert not {one.pair.system for one in group} & {one.pair.system for one in known}
        assert not any(one.pair.pictures & pictures for one in known)


def test_the_two_directions_of_two_moments_are_the_same_pictures() -> None:
    there, back = face(MOVED, "ours", "a", "b"), face(MOVED, "ours", "b", "a")
    assert there.pair.pictures == back.pair.pictures


def test_a_model_is_not_fitted_to_one_side_alone() -> None:
    with pytest.raises(AssertionError, match="one of the two sides"):
        fit_heads([face(SAME, "a photograph", target) for target in TARGETS])
