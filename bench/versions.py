"""Measures which of two versions an upload is said to show: the fake, its original, or neither.

    python -m bench.versions FOLDER [STEP]

FOLDER holds `pairs.csv` (see `indexer.training.face_pairs`), of which every STEP-th swap and re-enactment
is asked about. The fake is the first version, its original the second, both as previews are kept. A third
fake is another one of the same original.
"""

import csv
import io
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.compare.versions import VersionDifference, VersionShown, difference_of_versions, version_shown
from indexer.media.images import Pixels
from indexer.training.face_pairs import STILLS

KINDS = ("swap", "reenact", "lipsync")
PREVIEW_SIDE, PREVIEW_QUALITY = 1024, 85
NOT_ALIGNED = "not aligned"
Way = Callable[[Image.Image], Image.Image]


def through_jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Returns the picture saved as a JPEG and read again."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def as_preview(image: Image.Image) -> Image.Image:
    """Returns the picture as the registry keeps it."""
    image, buffer = image.copy(), io.BytesIO()
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.LANCZOS)
    image.save(buffer, "WEBP", quality=PREVIEW_QUALITY, method=2)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def _cropped(image: Image.Image) -> Image.Image:
    width, height = image.size
    return through_jpeg(
        image.crop((int(0.1 * width), int(0.06 * height), int(0.99 * width), int(0.95 * height))), 88
    )


def _half_size(image: Image.Image) -> Image.Image:
    size = max(32, image.width // 2), max(32, image.height // 2)
    return through_jpeg(image.resize(size, Image.Resampling.LANCZOS), 85)


def _captioned(image: Image.Image) -> Image.Image:
    image, size = image.copy(), max(10, image.width // 12)
    where = image.width * 0.05, image.height * 0.82
    ImageDraw.Draw(image).text(
        where,
        "SHARE THIS NOW",
        fill="white",
        font_size=size,
        stroke_width=max(1, size // 10),
        stroke_fill="black",
    )
    return through_jpeg(image, 88)


def _brighter(image: Image.Image) -> Image.Image:
    image = ImageEnhance.Brightness(image).enhance(1.25)
    return through_jpeg(ImageEnhance.Contrast(image).enhance(1.15), 88)


WAYS: dict[str, Way] = {
    "JPEG 70": lambda image: through_jpeg(image, 70),
    "JPEG 30": lambda image: through_jpeg(image, 30),
    "half size": _half_size,
    "a 20 % crop": _cropped,
    "mirroring": lambda image: through_jpeg(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 88),
    "a caption": _captioned,
    "a blur": lambda image: through_jpeg(
        image.filter(ImageFilter.GaussianBlur(max(1, image.width / 400))), 88
    ),
    "brightness and contrast": _brighter,
}


def rows(folder: Path) -> list[dict[str, str]]:
    """Returns the lines of `pairs.csv` that show another face in a still picture."""
    with (folder / "pairs.csv").open(newline="", encoding="utf-8") as file:
        found = [row for row in csv.DictReader(file) if row["kind"] in KINDS]
    return [
        row
        for row in found
        if all(Path(row[side]).suffix.lower() in STILLS for side in ("target", "result"))
    ]


def ask(
    upload: Image.Image, first: Pixels, second: Pixels, difference: VersionDifference
) -> VersionShown | None:
    """Returns what the upload shows; None where it does not align with the first version."""
    pixels = np.asarray(upload)
    alignment = align(extract_features(pixels), extract_features(first))
    if alignment is None:
        return None
    return version_shown(AlignedPair(pixels, first, alignment), difference, second).shown


def count(folder: Path, step: int) -> tuple[dict[tuple[str, str], Counter[str]], list[str]]:
    """Returns counts of answers by way and by what was uploaded, and the pairs that hardly differ."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    alike, known = [], rows(folder)
    for row in known[::step]:
        others = [other for other in known if other["target"] == row["target"] and other is not row]
        with Image.open(folder / row["result"]) as fake, Image.open(folder / row["target"]) as original:
            uploads = {"the fake": fake.convert("RGB"), "the original": original.convert("RGB")}
        if others:
            with Image.open(folder / others[0]["result"]) as third:
                uploads["a third fake"] = third.convert("RGB")
        first, second = (np.asarray(as_preview(uploads[name])) for name in ("the fake", "the original"))
        difference = difference_of_versions(first, second)
        if difference is None or difference.share == 0.0:
            alike.append(row["pair_id"])
            continue
        for name, picture in uploads.items():
            for way, change in WAYS.items():
                shown = ask(change(picture), first, second, difference)
                counts[way, name][NOT_ALIGNED if shown is None else shown.value] += 1
    return counts, alike


def table(counts: dict[tuple[str, str], Counter[str]]) -> str:
    """Returns rows of: said to be the fake, the original, neither, not told."""
    lines = [
        "| after | uploaded | the fake | the original | neither | not told |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for (way, name), said in counts.items():
        first, second, neither = (
            said[shown] for shown in (VersionShown.FIRST, VersionShown.SECOND, VersionShown.NEITHER)
        )
        rest = said.total() - first - second - neither
        lines.append(f"| {way} | {name} | {first} | {second} | {neither} | {rest} |")
    return "\n".join(lines)


def main() -> None:
    """Prints the table."""
    counts, alike = count(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    print(table(counts))
    print(f"Hardly different: {', '.join(alike) or 'none'}.")


if __name__ == "__main__":
    main()
