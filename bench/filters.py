"""Measures what is said of faces in pictures that were processed as a whole.

    python -m bench.filters FOLDER [STEP]

FOLDER holds `pairs.csv` (see `indexer.training.face_pairs`). Of every STEP-th picture of another shot, the
registered one is processed and compared with itself, at its own size and at 0.55 of it: nobody changed a
face, and whatever is named is wrong. Of every STEP-th swap and re-enactment, the result is processed and
compared with the original: what is no longer named is missed.
"""

import csv
import io
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageFilter, ImageOps

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.faces.findings import find_face_changes
from indexer.compare.faces.judgement import Change
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.compare.pair import compare_pair
from indexer.training.face_pairs import STILLS

SIZES = (1.0, 0.55)
ACCUSED = (Change.EXCHANGED, Change.MOVED)
Filter = Callable[[Image.Image], Image.Image]


def jpeg(quality: int) -> Filter:
    """Returns the filter that saves as a JPEG and reads it again."""

    def code(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")

    return code


def _noise(sigma: float) -> Filter:
    def add(image: Image.Image) -> Image.Image:
        pixels = np.asarray(image, np.float32)
        noisy = pixels + np.random.default_rng(3).normal(0, sigma, pixels.shape)
        return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))

    return add


FILTERS: dict[str, Filter] = {
    "none": lambda image: image,
    "JPEG 5": jpeg(5),
    "JPEG 8": jpeg(8),
    "JPEG 12": jpeg(12),
    "JPEG 20": jpeg(20),
    "sharpened, 2 px, 150 %": lambda image: image.filter(ImageFilter.UnsharpMask(2, 150, 0)),
    "sharpened, 2 px, 300 %": lambda image: image.filter(ImageFilter.UnsharpMask(2, 300, 0)),
    "sharpened, 4 px, 300 %": lambda image: image.filter(ImageFilter.UnsharpMask(4, 300, 0)),
    "noise, 10": _noise(10),
    "noise, 18": _noise(18),
    "noise, 30": _noise(30),
    "blurred, 1.5 px": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
    "blurred, 3 px": lambda image: image.filter(ImageFilter.GaussianBlur(3)),
    "16 colours": lambda image: image.quantize(16).convert("RGB"),
    "equalised": ImageOps.equalize,
    "median, 5 px": lambda image: image.filter(ImageFilter.MedianFilter(5)),
    "bilateral": lambda image: Image.fromarray(cv2.bilateralFilter(np.asarray(image), 9, 60, 9)),
    "mean shift": lambda image: Image.fromarray(cv2.pyrMeanShiftFiltering(np.asarray(image), 8, 25)),
}


def main(folder: Path, step: int) -> None:
    """Prints one line for each filter."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with (folder / "pairs.csv").open(newline="", encoding="utf-8") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if all(Path(row[side]).suffix.lower() in STILLS for side in ("target", "result"))
        ]
    untouched = [row for row in rows if row["kind"].startswith("neg")][::step]
    changed = [row for row in rows if row["kind"] in ("swap", "reenact", "lipsync")][::step]
    print("| processed | untouched faces | accused | not told | changed pictures | named | not told |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, process in FILTERS.items():
        wrong, right = Counter[str](), Counter[str]()
        for row in untouched:
            for size in SIZES:
                original = _reduced(_opened(folder / row["target"]), size)
                wrong.update(_said(found) for found in _findings(process(original), original))
        for row in changed:
            upload, original = process(_opened(folder / row["result"])), _opened(folder / row["target"])
            found = [_said(one) for one in _findings(upload, original)]
            right.update([min(found, default="nothing")])  # "accused" comes first
        print(
            f"| {name} | {wrong.total()} | {wrong['accused']} | {wrong['not told']} | {right.total()} | "
            f"{right['accused']} | {right['not told']} |",
            flush=True,
        )


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def _reduced(image: Image.Image, factor: float) -> Image.Image:
    size = round(image.width * factor), round(image.height * factor)
    return image if factor == 1.0 else image.resize(size, Image.Resampling.LANCZOS)


def _findings(upload: Image.Image, original: Image.Image) -> Iterator[Change]:
    query, reference = np.asarray(upload), np.asarray(original)
    alignment = align(extract_features(query), extract_features(reference))
    if alignment is None:
        return
    compared = compare_pair(AlignedPair(query, reference, alignment), with_faces=True)
    for finding in find_face_changes(compared.warped, compared.changes, compared.faces):
        yield finding.change


def _said(change: Change) -> str:
    if change in ACCUSED:
        return "accused"
    return "not told" if change is Change.UNCERTAIN else "nothing"


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 4)
