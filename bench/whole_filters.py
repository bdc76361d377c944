"""Measures what is said of parts of pictures that were filtered as a whole, and of edits under a filter.

    python -m bench.whole_filters [FOLDER]

On photographs of packages, and the JPEGs of FOLDER besides, at 640 px. Nobody edited a part of the first
table's uploads, so whatever is said of one is wrong.
"""

import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from bench.edits import EDITS, FOUND, SIDE, overlap, photographs
from bench.filters import Filter, jpeg
from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.derivation import FILTERED, Derivation, derive
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.compare.vocabulary import Frame
from indexer.operations import OperationType

UNDER = ("none", "JPEG 20", "sharpened, 2 px, 150 %", "vivid")
WORDS = ("softer", "sharpened", "few colours", "darkened")
FOUND_FROM = 0.3  # of the union


def _with_pixels(change: Callable[[np.ndarray], np.ndarray]) -> Filter:
    return lambda image: Image.fromarray(change(np.asarray(image)).clip(0, 255).astype(np.uint8))


def _grain(sigma: float) -> Filter:
    noise = np.random.default_rng(3)
    return _with_pixels(lambda pixels: pixels + noise.normal(0, sigma, pixels.shape))


def _gamma(exponent: float) -> Filter:
    return lambda image: image.point(lambda value: int(255 * (value / 255) ** exponent))


def _hue(degrees: int) -> Filter:
    def turn(image: Image.Image) -> Image.Image:
        hue, *others = image.convert("HSV").split()
        turned = hue.point(lambda value: (value + degrees * 256 // 360) % 256)
        return Image.merge("HSV", [turned, *others]).convert("RGB")

    return turn


def _oil(side: int) -> Filter:
    """Each pixel takes the mean of the commonest of eight levels around it."""

    def paint(pixels: np.ndarray) -> np.ndarray:
        levels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.int32) * 8 // 256
        most, painted = np.zeros(levels.shape, np.float32), np.zeros(pixels.shape, np.float32)
        for level in range(8):
            there = (levels == level).astype(np.float32)
            count = cv2.boxFilter(there, -1, (side, side))
            total = cv2.boxFilter(pixels * there[..., None], -1, (side, side))
            mean = total / np.maximum(count, 1e-6)[..., None]
            painted[count > most], most = mean[count > most], np.maximum(most, count)
        return painted

    return _with_pixels(paint)


def _cartoon(pixels: np.ndarray) -> np.ndarray:
    smooth = pixels
    for _ in range(3):
        smooth = cv2.bilateralFilter(smooth, 9, 50, 9)
    luma = cv2.medianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), 7)
    kind = cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY
    return np.where(cv2.adaptiveThreshold(luma, 255, *kind, 9, 4)[..., None] > 0, smooth, 0)


def _local_contrast(pixels: np.ndarray) -> np.ndarray:
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(3.0, (8, 8)).apply(lab[..., 0])
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))


def _vignette(pixels: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : pixels.shape[0] * 1j, -1 : 1 : pixels.shape[1] * 1j]
    return np.asarray(pixels * np.clip(1.15 - 0.6 * (x * x + y * y), 0, 1)[..., None])


def _vivid(image: Image.Image) -> Image.Image:
    return ImageEnhance.Contrast(ImageEnhance.Color(image).enhance(1.9)).enhance(1.35)


FILTERS: dict[str, Filter] = {
    "none": lambda image: image,
    **{f"JPEG {quality}": jpeg(quality) for quality in (3, 5, 8, 10, 20)},
    "sharpened, 2 px, 150 %": lambda image: image.filter(ImageFilter.UnsharpMask(2, 150, 0)),
    "sharpened, 2 px, 300 %": lambda image: image.filter(ImageFilter.UnsharpMask(2, 300, 0)),
    "sharpened, 4 px, 300 %": lambda image: image.filter(ImageFilter.UnsharpMask(4, 300, 0)),
    "blurred, 1.5 px": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
    "blurred, 4 px": lambda image: image.filter(ImageFilter.GaussianBlur(4)),
    "oil, 5 px": _oil(5),
    "oil, 9 px": _oil(9),
    "cartoon": _with_pixels(_cartoon),
    "mean shift": _with_pixels(lambda pixels: cv2.pyrMeanShiftFiltering(pixels, 8, 25)),
    "median, 5 px": lambda image: image.filter(ImageFilter.MedianFilter(5)),
    "bilateral, 9 px": _with_pixels(lambda pixels: cv2.bilateralFilter(pixels, 9, 60, 9)),
    "bilateral, 15 px": _with_pixels(lambda pixels: cv2.bilateralFilter(pixels, 15, 90, 15)),
    "8 colours": lambda image: image.quantize(8).convert("RGB"),
    "16 colours": lambda image: image.quantize(16).convert("RGB"),
    "posterised": lambda image: ImageOps.posterize(image, 3),
    "grain, 18": _grain(18),
    "grain, 30": _grain(30),
    "night": _with_pixels(lambda pixels: pixels * np.array([0.28, 0.35, 0.49])),
    "hue, 40 degrees": _hue(40),
    "hue, 110 degrees": _hue(110),
    "hue, 180 degrees": _hue(180),
    "vivid": _vivid,
    "saturation 2.5": lambda image: ImageEnhance.Color(image).enhance(2.5),
    "contrast 2": lambda image: ImageEnhance.Contrast(image).enhance(2),
    "contrast 3": lambda image: ImageEnhance.Contrast(image).enhance(3),
    "brightness 1.8": lambda image: ImageEnhance.Brightness(image).enhance(1.8),
    "gamma 0.45": _gamma(0.45),
    "gamma 2.2": _gamma(2.2),
    "equalised": ImageOps.equalize,
    "grey": lambda image: image.convert("L").convert("RGB"),
    "vignette": _with_pixels(_vignette),
    "local contrast": _with_pixels(_local_contrast),
}


def main(folder: Path | None) -> None:
    """Prints both tables."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    pictures = photographs()
    for path in sorted(folder.glob("*.jpg")) if folder else ():
        with Image.open(path) as image:
            image.thumbnail((SIDE, SIDE))
            pictures.append(image.convert("RGB"))
    print(f"| filter | said of a part, of {len(pictures)} | could not be told | said of the whole |")
    print("| --- | --- | --- | --- |")
    total = 0
    for name, apply in FILTERS.items():
        found = [_derived(apply(picture), picture) for picture in pictures]
        wrong = sum(any(one.type in FOUND for one in each.operations) for each in found if each)
        unsure = sum(FILTERED in each.uncertain for each in found if each)
        whole = [_said_of_whole(each) for each in found if each]
        total += wrong
        print(f"| {name} | {wrong} | {unsure} | {_counted(whole)} |", flush=True)
    print(f"\n{total} of {len(pictures) * len(FILTERS)}\n")
    print(f"| edit, IoU {FOUND_FROM} | {' | '.join(UNDER)} |\n| --- |{' --- |' * len(UNDER)}")
    for name in EDITS:
        print(f"| {name} | {' | '.join(_found(name, under, pictures) for under in UNDER)} |", flush=True)


def _said_of_whole(derivation: Derivation) -> str | None:
    return next((one.sentence for one in derivation.operations if one.type is OperationType.FILTERED), None)


def _counted(sentences: list[str | None]) -> str:
    """Returns in how many each word is said, the commonest first."""
    words = [word for sentence in sentences if sentence for word in WORDS if word in sentence]
    return ", ".join(f"{word} {count}" for word, count in Counter(words).most_common()) or "nothing"


def _found(edit: str, under: str, pictures: list[Image.Image]) -> str:
    rng, found = random.Random(3), 0
    for picture in pictures:
        made, box = EDITS[edit](picture.copy(), rng)
        derivation = _derived(FILTERS[under](made), picture)
        frame = Frame(*picture.size)
        regions = [
            one.reference_region
            for one in (derivation.operations if derivation else ())
            if one.type in FOUND and one.reference_region
        ]
        found += max((overlap(region, box, frame) for region in regions), default=0.0) >= FOUND_FROM
    return f"{found} of {len(pictures)}"


def _derived(upload: Image.Image, original: Image.Image) -> Derivation | None:
    query, reference = np.asarray(upload), np.asarray(original)
    alignment = align(extract_features(query), extract_features(reference))
    if alignment is None:
        return None
    frames = Frame(*upload.size), Frame(*original.size)
    return derive(AlignedPair(query, reference, alignment), *frames, with_faces=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
