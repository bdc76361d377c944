"""Measures in which direction two pictures are said to have been made, in both roles.

    python -m bench.direction FOLDER [STEP]

Of every STEP-th picture of FOLDER, edits are made. Each edited picture is once the upload and once what is
registered, so that "made from the registered one" is right once and wrong once.
"""

import random
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from bench.versions import as_preview, through_jpeg
from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.direction import find_direction
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.compare.pair import compare_pair
from indexer.compare.vocabulary import Frame
from indexer.operations import Direction
from indexer.training.edits import screens

LEAST_INLIERS = 15
Edit = Callable[[Image.Image, random.Random], Image.Image]


def _box(image: Image.Image, rng: random.Random, low: float, high: float) -> tuple[int, int, int, int]:
    side = int(rng.uniform(low, high) * min(image.size))
    x, y = rng.randrange(image.width - side), rng.randrange(image.height - side)
    return x, y, x + side, y + side


def _cropped(image: Image.Image, rng: random.Random) -> Image.Image:
    share = rng.uniform(0.55, 0.9)
    width, height = int(share * image.width), int(share * image.height)
    x, y = rng.randrange(image.width - width + 1), rng.randrange(image.height - height + 1)
    return image.crop((x, y, x + width, y + height))


def _bordered(image: Image.Image, rng: random.Random) -> Image.Image:
    margin = int(rng.uniform(0.05, 0.2) * max(image.size))
    return ImageOps.expand(image, margin, rng.choice(["black", "white", "navy", "beige"]))


def _on_itself(image: Image.Image, _: random.Random) -> Image.Image:
    width, height = image.size
    size = (width, int(height * 1.4)) if width > height else (int(width * 1.6), height)
    made = image.resize(size).filter(ImageFilter.GaussianBlur(20))
    made.paste(image, ((made.width - width) // 2, (made.height - height) // 2))
    return made


def _text(image: Image.Image, rng: random.Random) -> Image.Image:
    image, size = image.copy(), rng.randint(image.width // 20, image.width // 9)
    where = rng.randrange(image.width // 3), rng.randrange(image.height - size - 4)
    words = rng.choice(["BREAKING NEWS", "SHARE THIS", "this never happened"])
    colour = rng.choice(["white", "yellow", "red", "black"])
    ImageDraw.Draw(image).text(where, words, colour, font_size=size, stroke_width=rng.choice([0, 1, 3]))
    return image


def _sticker(image: Image.Image, rng: random.Random) -> Image.Image:
    image, box = image.copy(), _box(image, rng, 0.12, 0.3)
    colour = rng.choice([(255, 210, 0), (220, 40, 60), (40, 120, 230)])
    ImageDraw.Draw(image).ellipse(box, fill=colour, outline="black", width=3)
    return image


def _bar(image: Image.Image, rng: random.Random) -> Image.Image:
    image, height = image.copy(), int(image.height * rng.uniform(0.06, 0.2))
    y, x = rng.choice([0, image.height - height, image.height // 2]), rng.choice([0, image.width // 4])
    box = x, y, image.width - x, y + height
    ImageDraw.Draw(image).rectangle(box, fill=rng.choice(["black", "white", "red"]))
    return image


def _blurred_part(image: Image.Image, rng: random.Random) -> Image.Image:
    image, box = image.copy(), _box(image, rng, 0.2, 0.4)
    image.paste(image.crop(box).filter(ImageFilter.GaussianBlur(8)), box[:2])
    return image


def _cloned(image: Image.Image, rng: random.Random) -> Image.Image:
    image, box = image.copy(), _box(image, rng, 0.15, 0.35)
    side = box[2] - box[0]
    x, y = rng.randrange(image.width - side), rng.randrange(image.height - side)
    veil = Image.new("L", (side, side))
    ImageDraw.Draw(veil).ellipse((4, 4, side - 4, side - 4), fill=255)
    part = image.crop((x, y, x + side, y + side))
    image.paste(part, box[:2], veil.filter(ImageFilter.GaussianBlur(3)))
    return image


def _painted_out(image: Image.Image, rng: random.Random) -> Image.Image:
    left, top, right, bottom = _box(image, rng, 0.1, 0.25)
    mask = np.zeros((image.height, image.width), np.uint8)
    mask[top:bottom, left:right] = 255
    return Image.fromarray(cv2.inpaint(np.asarray(image), mask, 5, cv2.INPAINT_TELEA))


def _scaled(factor: float) -> Edit:
    def scale(image: Image.Image, _: random.Random) -> Image.Image:
        size = int(image.width * factor), int(image.height * factor)
        return image.resize(size, Image.Resampling.LANCZOS)

    return scale


EDITS: dict[str, Edit] = {
    "cropped": _cropped,
    "bordered": _bordered,
    "on a blur of itself": _on_itself,
    "a screenshot": screens.screenshot,
    "text": _text,
    "a sticker": _sticker,
    "a bar": _bar,
    "a part blurred": _blurred_part,
    "cloned": _cloned,
    "painted out": _painted_out,
    "half size": _scaled(0.5),
    "a third": _scaled(0.34),
    "twice the size": _scaled(2.0),
    "blurred": lambda image, _: image.filter(ImageFilter.GaussianBlur(2.2)),
    "sharpened": lambda image, _: image.filter(ImageFilter.UnsharpMask(1.5, 300, 0)),
    "mirrored": lambda image, _: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "JPEG 30": lambda image, _: through_jpeg(image, 30),
}


def said(upload: Image.Image, registered: Image.Image) -> Direction | None:
    """Returns the direction; None where the two do not align."""
    query, reference = np.asarray(upload), np.asarray(as_preview(registered))
    alignment = align(extract_features(query), extract_features(reference))
    if alignment is None or alignment.inliers < LEAST_INLIERS:
        return None
    pair = AlignedPair(query, reference, alignment)
    comparison = compare_pair(pair, with_faces=False)
    return find_direction(pair, comparison, Frame(*upload.size), Frame(*registered.size)).direction


def main() -> None:
    """Prints rows of: right, wrong and unknown, in both roles."""
    files, step = sorted(Path(sys.argv[1]).iterdir()), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for number, file in enumerate(files[::step]):
        with Image.open(file) as image:
            original = image.convert("RGB")
        for name, edit in EDITS.items():
            rng = random.Random(number * 31 + len(name))
            made, quality = edit(original, rng), rng.choice([55, 75, 90])
            for wanted, upload, registered in (
                (Direction.FROM_REFERENCE, made, original),
                (Direction.TO_REFERENCE, original, made),
            ):
                direction = said(through_jpeg(upload, quality), registered)
                right = "right" if direction is wanted else "wrong"
                counts[name]["unknown" if direction in (None, Direction.UNKNOWN) else right] += 1
    print("| edit | right | wrong | unknown |\n| --- | --- | --- | --- |")
    for name, found in counts.items():
        print(f"| {name} | {found['right']} | {found['wrong']} | {found['unknown']} |")


if __name__ == "__main__":
    main()
