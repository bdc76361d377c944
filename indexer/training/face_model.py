"""Trains and evaluates the face model: `python -m indexer.training.face_model FOLDER [--cache FILE]`.

FOLDER holds `pairs.csv` (see `face_pairs`). The printed figures leave the system, or the person, that is
evaluated out of training, so that they tell what the model does on what it has not seen.
"""

import argparse
import json
import math
import pickle
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.compare.faces.judgement import Change, judge
from indexer.compare.faces.model import EXCHANGED, HEADS, MODEL_NAME, MOVED, Head, quantities_of
from indexer.training.face_pairs import MOVED as MOVED_PAIR
from indexer.training.face_pairs import SWAPPED, MeasuredFace, measure_pairs, read_pairs, synthetic_pairs
from indexer.training.face_reports import by_size, by_system, by_variant
from indexer.training.face_variants import COVERED

RIDGE = 0.02  # L2 on standardised weights, because there are few systems and many variants of each
STEPS = 60
TARGETS_LEFT_OUT = 10  # of one system at a time

Numbers = npt.NDArray[np.float64]


def fit_head(names: tuple[str, ...], values: Numbers, truth: Numbers, weight: Numbers) -> Head:
    """Fits a logistic regression to (n, d) quantities, (n,) truth 0 or 1 and (n,) weights.

    A quantity may only speak for a change; one that would speak against it is left out. With few systems to
    learn from, a negative weight is a coincidence.
    """
    means, scales = values.mean(axis=0), values.std(axis=0) + 1e-6
    standard = (values - means) / scales
    kept = list(range(len(names)))
    while True:
        solved = _newton(standard[:, kept], truth, weight)
        if len(kept) == 1 or solved[:-1].min() >= 0:
            break
        del kept[int(solved[:-1].argmin())]
    chosen = tuple(names[place] for place in kept)
    return Head(chosen, means[kept], scales[kept], solved[:-1], float(solved[-1]))


def _newton(standard: Numbers, truth: Numbers, weight: Numbers) -> Numbers:
    """Returns (d + 1,): the weights and the bias of a ridge logistic regression."""
    design = np.concatenate([standard, np.ones((len(standard), 1))], axis=1)
    penalty = RIDGE * weight.sum() * np.eye(design.shape[1])
    penalty[-1, -1] = 0.0
    solved = np.zeros(design.shape[1])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-np.clip(design @ solved, -30, 30)))
        slope = design.T @ (weight * (chance - truth)) + penalty @ solved
        curve = (design * (weight * chance * (1 - chance))[:, None]).T @ design + penalty
        step = np.linalg.solve(curve + 1e-9 * np.eye(len(curve)), slope)
        solved -= step
        if np.abs(step).max() < 1e-8:
            break
    return solved


def fit_heads(faces: list[MeasuredFace]) -> dict[str, Head]:
    """Fits `exchanged` to swaps against all else, `moved` to re-enactments against other unswapped faces.

    Covered faces take no part: nobody can say whose they are, and rules name them first.
    """
    usable = [face for face in faces if face.measures.confidence > 0.3 and face.variant not in COVERED]
    unswapped = [face for face in usable if face.pair.kind != SWAPPED]
    return {
        EXCHANGED: _fit(EXCHANGED, usable, lambda face: face.pair.kind == SWAPPED),
        MOVED: _fit(MOVED, unswapped, lambda face: face.pair.kind == MOVED_PAIR),
    }


def _fit(name: str, faces: list[MeasuredFace], is_true: Callable[[MeasuredFace], bool]) -> Head:
    values = np.stack([quantities_of(face.measures, HEADS[name]) for face in faces])
    truth = np.array([float(is_true(face)) for face in faces])
    assert 0 < truth.sum() < len(truth), f"nothing to tell {name!r} from: one of the two sides has no face"
    # Both sides count the same, however many there are.
    weight = np.where(truth > 0.5, 0.5 / max(truth.sum(), 1), 0.5 / max((1 - truth).sum(), 1)) * len(truth)
    return fit_head(HEADS[name], values, truth, weight)


def decide_left_out(
    faces: list[MeasuredFace], key: Callable[[MeasuredFace], str]
) -> list[tuple[MeasuredFace, Change]]:
    """Decides on every face by models that saw no face of the same `key`, and no picture of its pairs.

    Of a system with many targets a few are left out at a time, so that there is something to learn from.
    """
    decided = []
    for left_out in _left_out_together(faces, key):
        keys = {key(face) for face in left_out}
        pictures = {picture for face in left_out for picture in face.pair.pictures}
        seen = [face for face in faces if key(face) not in keys and not pictures & face.pair.pictures]
        heads = fit_heads(seen)
        decided += [(face, judge(face.evidence, heads).change) for face in left_out]
    return decided


def _left_out_together(
    faces: list[MeasuredFace], key: Callable[[MeasuredFace], str]
) -> Iterator[list[MeasuredFace]]:
    groups: dict[str, list[MeasuredFace]] = defaultdict(list)
    for face in faces:
        groups[key(face)].append(face)
    for group in groups.values():
        targets = sorted({face.pair.group for face in group})
        parts = math.ceil(len(targets) / TARGETS_LEFT_OUT)
        for part in range(parts):
            chosen = set(targets[part::parts])
            yield [face for face in group if face.pair.group in chosen]


def main() -> None:
    """Measures, reports and writes the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("indexer/weights") / f"{MODEL_NAME}.json")
    parser.add_argument("--cache", type=Path, help="keep the measurements here; they take an hour")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    faces = _measured(given.folder, given.cache, given.workers)
    print(f"{len(faces)} faces of {len({face.pair.name for face in faces})} pairs")
    left_out = decide_left_out(faces, lambda face: face.pair.system)
    for title, table in (("variant", by_variant), ("system", by_system), ("size", by_size)):
        print(f"\nA system left out, by {title}:\n\n{table(left_out)}")
    print(f"\nA target left out:\n\n{by_variant(decide_left_out(faces, lambda face: face.pair.group))}")
    heads = fit_heads(faces)
    trained_on = [(face, judge(face.evidence, heads).change) for face in faces]
    print(f"\nOn what it was trained on:\n\n{by_variant(trained_on)}")
    content = {"model": MODEL_NAME, "heads": {name: head.to_json() for name, head in heads.items()}}
    given.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _measured(folder: Path, cache: Path | None, workers: int) -> list[MeasuredFace]:
    if cache is not None and cache.exists():
        kept: list[MeasuredFace] = pickle.loads(cache.read_bytes())  # our own file of a moment ago
        return kept
    faces = list(measure_pairs(read_pairs(folder) + synthetic_pairs(folder), workers))
    if cache is not None:
        cache.write_bytes(pickle.dumps(faces))
    return faces


if __name__ == "__main__":
    main()
