"""Makes overlays and local edits on photographs of packages, and measures whether they are found."""

import io
import random
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.derivation import derive
from indexer.compare.faces.landmarks import OVAL
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.compare.vocabulary import Frame
from indexer.media.images import Pixels
from indexer.operations import OperationType
from indexer.training.classical_swap import SHRUNK, main_face, swap_face
from indexer.training.face_variants import ON_THE_WAY
from registry.cli.demo import ORIGINALS, package_file

Box = tuple[int, int, int, int]
Made = tuple[Image.Image, Box]
SIDE = 640
EACH = 4  # of every edit on every photograph
FOUND = {OperationType.OVERLAY, OperationType.LOCAL_EDIT, OperationType.COMPOSITE}
RIGHT = {
    "caption": OperationType.OVERLAY,
    "sticker": OperationType.OVERLAY,
    "watermark": OperationType.OVERLAY,
    "cloned": OperationType.LOCAL_EDIT,
    "blurred part": OperationType.LOCAL_EDIT,
}


def _place(image: Image.Image, rng: random.Random, low: float, high: float) -> Box:
    side = round(rng.uniform(low, high) * min(image.size))
    x, y = rng.randrange(image.width - side), rng.randrange(image.height - side)
    return x, y, x + side, y + side


def _caption(image: Image.Image, rng: random.Random) -> Made:
    words, size = rng.choice(["BREAKING NEWS", "SHARE THIS", "this never happened"]), rng.randint(28, 52)
    draw = ImageDraw.Draw(image)
    where = rng.randrange(max(1, image.width - 13 * size)), rng.randrange(image.height - size - 8)
    draw.text(where, words, fill="white", font_size=size, stroke_width=3, stroke_fill="black")
    left, top, right, bottom = draw.textbbox(where, words, font_size=size, stroke_width=3)
    return image, (int(left), int(top), min(image.width, int(right)), int(bottom))


def _sticker(image: Image.Image, rng: random.Random) -> Made:
    box = _place(image, rng, 0.15, 0.3)
    colour = rng.choice([(255, 210, 0), (220, 40, 60), (40, 120, 230)])
    ImageDraw.Draw(image).ellipse(box, fill=colour, outline="black", width=4)
    return image, box


def _watermark(image: Image.Image, rng: random.Random) -> Made:
    veil = Image.new("RGBA", image.size, (0, 0, 0, 0))
    draw, size = ImageDraw.Draw(veil), rng.randint(36, 56)
    where = rng.randrange(max(1, image.width - 8 * size)), rng.randrange(image.height - size - 8)
    draw.text(where, "© example.org", fill=(255, 255, 255, 150), font_size=size)
    left, top, right, bottom = draw.textbbox(where, "© example.org", font_size=size)
    box = int(left), int(top), min(image.width, int(right)), int(bottom)
    return Image.alpha_composite(image.convert("RGBA"), veil).convert("RGB"), box


def _cloned(image: Image.Image, rng: random.Random) -> Made:
    box = _place(image, rng, 0.18, 0.3)
    while True:
        other = _place(image, rng, 0.18, 0.3)
        part = image.crop(other).resize((box[2] - box[0], box[3] - box[1]))
        if _differs(part, image.crop(box)):
            break
    image.paste(part, box[:2])
    return image, box


def _blurred(image: Image.Image, rng: random.Random) -> Made:
    while True:
        box = _place(image, rng, 0.18, 0.3)
        part = image.crop(box).filter(ImageFilter.GaussianBlur(9))
        if _differs(part, image.crop(box)):
            break
    image.paste(part, box[:2])
    return image, box


def _differs(edited: Image.Image, original: Image.Image) -> bool:
    """Returns whether anybody could see the edit in most of its place."""
    levels = np.abs(np.asarray(edited, np.int16) - np.asarray(original, np.int16)).max(axis=2)
    return float((levels > 25).mean()) > 0.4


EDITS: dict[str, Callable[[Image.Image, random.Random], Made]] = {
    "caption": _caption,
    "sticker": _sticker,
    "watermark": _watermark,
    "cloned": _cloned,
    "blurred part": _blurred,
}


def photographs() -> list[Image.Image]:
    """Returns photographs with detail, at most 640 px on the long side."""
    found = []
    for name in (
        "astronaut.png",
        "cat.png",
        "coffee.png",
        "rocket.jpg",
        "grace-hopper.jpg",
        "portrait.jpg",
    ):
        with Image.open(io.BytesIO(package_file(*ORIGINALS[name]).read_bytes())) as image:
            picture = image.convert("RGB")
        picture.thumbnail((SIDE, SIDE))
        found.append(picture)
    return found


def localisation_table() -> str:
    """Returns how many of each edit are found at IoU 0.5 and named rightly; every second is a JPEG 30."""
    rng = random.Random(3)
    lines = ["| edit | found at IoU 0.5 | mean IoU | right name |", "| --- | --- | --- | --- |"]
    for name, edit in EDITS.items():
        overlaps, named = [], []
        for picture in photographs():
            reference = np.asarray(picture)
            for number in range(EACH):
                made, box = edit(picture.copy(), rng)
                upload = ON_THE_WAY["jpeg 30"](made) if number % 2 else made
                best, right = _judge(np.asarray(upload), reference, box, RIGHT[name])
                overlaps.append(best)
                named.append(right)
        share = np.mean(np.array(overlaps) >= 0.5)
        lines.append(
            f"| {name} | {share:.2f} of {len(overlaps)} | {np.mean(overlaps):.2f} | {np.mean(named):.2f} |"
        )
    return "\n".join(lines)


def face_region_line() -> str:
    """Returns how well regions of faces that we exchanged are found, after all that happens to uploads."""
    found = []
    astronaut, hopper = (photographs()[place] for place in (0, 4))
    for target, donor in ((astronaut, hopper), (hopper, astronaut)):
        truth = _box_of(main_face(np.asarray(target)).points[list(OVAL)])
        swapped, reference = swap_face(target, donor), np.asarray(target)
        for variant in ON_THE_WAY.values():
            query = np.asarray(variant(swapped))
            alignment = align(extract_features(query), extract_features(reference))
            if alignment is None:
                found.append(0.0)
                continue
            frames = Frame(query.shape[1], query.shape[0]), Frame(*target.size)
            operations = derive(AlignedPair(query, reference, alignment), *frames).operations
            regions = [
                operation.reference_region
                for operation in operations
                if operation.type is OperationType.FACE_SWAP
            ]
            found.append(
                max((overlap(region, truth, frames[1]) for region in regions if region), default=0.0)
            )
    mean, least = np.mean(found), np.min(found)
    return f"Face regions of swaps made here: mean IoU {mean:.2f}, least {least:.2f}, of {len(found)}."


def _box_of(oval: Any) -> Box:
    """Returns the box of the part of the face that was exchanged."""
    middle = oval.mean(axis=0)
    inner = (oval - middle) * SHRUNK + middle
    (left, top), (right, bottom) = inner.min(axis=0), inner.max(axis=0)
    return int(left), int(top), int(right), int(bottom)


def _judge(query: Pixels, reference: Pixels, box: Box, right: OperationType) -> tuple[float, bool]:
    alignment = align(extract_features(query), extract_features(reference))
    if alignment is None:
        return 0.0, False
    frame = Frame(reference.shape[1], reference.shape[0])
    pair = AlignedPair(query, reference, alignment)
    found = derive(pair, frame, frame, with_faces=False).operations
    best, named = 0.0, False
    for operation in found:
        if operation.type in FOUND and operation.reference_region is not None:
            share = overlap(operation.reference_region, box, frame)
            best, named = max((best, named), (share, operation.type is right))
    return best, named


def overlap(quad: tuple[tuple[float, float], ...], box: Box, frame: Frame) -> float:
    """Returns the intersection over union of a region, as shares of the frame, with a box in pixels."""
    xs, ys = [x * frame.width for x, _ in quad], [y * frame.height for _, y in quad]
    left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
    shared = max(0.0, min(right, box[2]) - max(left, box[0])) * max(
        0.0, min(bottom, box[3]) - max(top, box[1])
    )
    both = (right - left) * (bottom - top) + (box[2] - box[0]) * (box[3] - box[1])
    return float(shared / max(1e-9, both - shared))
