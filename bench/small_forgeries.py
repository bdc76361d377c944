"""Measures which small forgeries are named, by the height of a glyph and by coding, against false reports.

    python -m bench.small_forgeries [FOLDER...] [--step=N] [--codings=N] [--side=PX] [--quality=Q]

Documents, receipts, screenshots and plates are drawn here, photographs come with packages, and more from
each FOLDER. Every picture is kept as the registry keeps it (`--side`, `--quality`: what is kept for fine
detail), coded in each way, and compared: once as it is, when nothing may be named, and once with one glyph
changed. Of the pairs of an unchanged picture every N-th is asked, of the codings of forgeries every N-th.
Benchmarks of other edits count what is said of whole-picture filters; here they may add nothing.
"""

import io
import itertools
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from bench.drawn_forgeries import HEIGHTS, SUFFIXES, draw_page, forgeries, photographs
from bench.ordinary_uploads import read, saved
from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.features import LocalFeatures, extract_features
from indexer.compare.fine_changes import FineComparison, fine_comparison
from indexer.compare.geometry import align
from indexer.compare.pair import compare_pair
from indexer.media.images import Pixels, decode_image
from indexer.media.limits import ImageLimits
from registry.media.previews import kept_detail, kept_preview

FOUND_BEFORE = "found before"  # by the comparison at the working size
Coding = Callable[[Image.Image], bytes]


def _jpeg(quality: int, subsampling: int = 2) -> Coding:
    return lambda image: saved(image, "JPEG", quality=quality, subsampling=subsampling)


def _resized(factor: float, coding: Coding, how: Image.Resampling = Image.Resampling.LANCZOS) -> Coding:
    def code(image: Image.Image) -> bytes:
        size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
        return coding(image.resize(size, how))

    return code


def _twice(first: Coding, second: Coding) -> Coding:
    return lambda image: second(read(first(image)))


def _platform(side: int, quality: int) -> Coding:
    """Reduced to a side, sharpened and saved, as platforms do."""

    def code(image: Image.Image) -> bytes:
        image = image.copy()
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        return _jpeg(quality)(image.filter(ImageFilter.UnsharpMask(0.8, 60, 1)))

    return code


def _cropped(left: float, top: float, right: float, bottom: float, coding: Coding) -> Coding:
    def code(image: Image.Image) -> bytes:
        width, height = image.size
        return coding(
            image.crop((int(left * width), int(top * height), int(right * width), int(bottom * height)))
        )

    return code


def _screenshot(scale: float) -> Coding:
    """The picture at another size on a grey page with a bar above, as PNG."""

    def code(image: Image.Image) -> bytes:
        size = round(image.width * scale), round(image.height * scale)
        page = Image.new("RGB", (size[0] + 60, size[1] + 140), (238, 238, 240))
        ImageDraw.Draw(page).rectangle((0, 0, page.width, 70), fill=(40, 60, 90))
        page.paste(image.resize(size, Image.Resampling.BILINEAR), (30, 100))
        return saved(page, "PNG")

    return code


CODINGS: dict[str, Coding] = {
    "as it is (PNG)": lambda image: saved(image, "PNG"),
    **{f"JPEG {quality}": _jpeg(quality) for quality in (95, 85, 75, 60, 45, 30, 20)},
    "JPEG 90, 4:4:4": _jpeg(90, 0),
    "JPEG 50, 4:4:4": _jpeg(50, 0),
    "JPEG 25, 4:4:4": _jpeg(25, 0),
    "WebP 80": lambda image: saved(image, "WEBP", quality=80),
    "WebP 40": lambda image: saved(image, "WEBP", quality=40),
    "AVIF 60": lambda image: saved(image, "AVIF", quality=60),
    "AVIF 35": lambda image: saved(image, "AVIF", quality=35),
    "1.5 times, JPEG 80": _resized(1.5, _jpeg(80)),
    "0.8 times, JPEG 85": _resized(0.8, _jpeg(85)),
    "0.8 times, bilinear": _resized(0.8, _jpeg(85), Image.Resampling.BILINEAR),
    "0.6 times, JPEG 80": _resized(0.6, _jpeg(80)),
    "0.4 times, JPEG 80": _resized(0.4, _jpeg(80)),
    "0.7 times and back": _twice(_resized(0.7, _jpeg(85)), _resized(1 / 0.7, _jpeg(85))),
    "nearest pixel, 0.9": _resized(0.9, _jpeg(90), Image.Resampling.NEAREST),
    "platform, 1080 px": _platform(1080, 75),
    "platform, 720 px": _platform(720, 70),
    "two generations": _twice(_jpeg(70), _resized(0.9, _jpeg(70))),
    "cropped, JPEG 85": _cropped(0.03, 0.02, 0.98, 0.95, _jpeg(85)),
    "cropped by 3 px": lambda image: _jpeg(80)(image.crop((3, 5, image.width - 2, image.height - 3))),
    "screenshot": _screenshot(1.0),
    "screenshot, 0.83": _screenshot(0.83),
    "brighter": lambda image: _jpeg(85)(
        image.point([min(255, round(1.15 * one + 6)) for one in range(256)] * 3)
    ),
    "sharpened": lambda image: _jpeg(85)(image.filter(ImageFilter.UnsharpMask(1.5, 100, 2))),
    "blurred": lambda image: _jpeg(85)(image.filter(ImageFilter.GaussianBlur(0.8))),
    "grey": lambda image: _jpeg(85)(image.convert("L")),
    "vivid": lambda image: _jpeg(85)(ImageEnhance.Color(image).enhance(1.8)),
    "more contrast": lambda image: _jpeg(85)(ImageEnhance.Contrast(image).enhance(1.4)),
    "median filter": lambda image: _jpeg(85)(image.filter(ImageFilter.MedianFilter(3))),
    "grain": lambda image: _jpeg(85)(Image.fromarray(_with_grain(np.asarray(image, np.float32)))),
    "32 colours": lambda image: saved(image.quantize(32), "PNG"),
}


def _with_grain(pixels: npt.NDArray[np.float32]) -> Pixels:
    grain = np.random.default_rng(3).normal(0, 8, (*pixels.shape[:2], 1))
    return np.asarray((pixels + grain).clip(0, 255), np.uint8)


def unchanged(folders: list[Path], seed: int = 9) -> Iterator[tuple[str, Image.Image]]:
    """Yields pictures to be coded and asked about as they are."""
    yield from photographs().items()
    for number in range(24):
        kind = ("invoice", "receipt", "chat", "certificate")[number % 4]
        height = (10, 13, 17, 22, 30)[number % 5]
        yield (
            f"{kind} {height} {number}",
            draw_page(height, random.Random(), forge=False, state=seed * 77 + number, kind=kind),
        )
    for folder in folders:
        for file in sorted(folder.rglob("*")):
            if file.suffix.lower() in SUFFIXES:
                with Image.open(file) as image:
                    if min(image.size) >= 200:
                        yield file.name, image.convert("RGB")


@dataclass(frozen=True)
class Kept:
    """What the registry keeps of a picture, decoded as for a comparison."""

    coarse: Pixels
    fine: Pixels
    features: LocalFeatures
    size: tuple[int, int]  # of the picture, px


def keep(image: Image.Image, side: int | None, quality: int | None) -> Kept:
    """Returns what is kept; `side` and `quality` as the settings have them where they are None."""
    pixels = np.asarray(image)
    preview = kept_preview(pixels)
    coarse = decode_image(preview, ImageLimits()).pixels
    options = {
        name: value for name, value in (("long_side", side), ("quality", quality)) if value is not None
    }
    detail = kept_detail(pixels, Image.open(io.BytesIO(preview)).size, **options)
    fine = coarse if detail is None else np.asarray(read(detail))
    return Kept(coarse, fine, extract_features(coarse), image.size)


def ask(content: bytes, kept: Kept) -> tuple[FineComparison | None, str, float]:
    """Returns what the fine comparison says, why it was not asked, and how many seconds it took."""
    coarse = decode_image(content, ImageLimits()).pixels
    alignment = align(extract_features(coarse), kept.features)
    if alignment is None:
        return None, "not aligned", 0.0
    pair = AlignedPair(coarse, kept.coarse, alignment)
    comparison = compare_pair(pair, with_faces=False)
    if comparison.changes.regions:
        return None, FOUND_BEFORE, 0.0
    fine = decode_image(content, ImageLimits(working_long_side=2048)).pixels
    started = time.process_time()
    found = fine_comparison(pair, comparison, fine, kept.fine)
    return found, "", time.process_time() - started


def _is_there(found: FineComparison, box: tuple[int, int, int, int], size: tuple[int, int]) -> bool:
    scale = found.size[0] / size[0]
    middle = (box[0] + box[2]) / 2 * scale, (box[1] + box[3]) / 2 * scale
    reach = 6 + max(box[2] - box[0], box[3] - box[1]) * scale
    return any(
        abs((one.left + one.right) / 2 - middle[0]) < reach
        and abs((one.top + one.bottom) / 2 - middle[1]) < reach
        for one in found.changes
    )


def found_table(every: int, side: int | None, quality: int | None) -> str:
    """Returns how many forgeries are named in their place, by coding and by the height of the glyph."""
    codings = list(CODINGS)[::every]
    found: dict[tuple[str, int], list[bool]] = defaultdict(list)
    for height, pair in forgeries():
        kept = keep(pair.original, side, quality)
        for coding in codings:
            said, why, _ = ask(CODINGS[coding](pair.forged), kept)
            is_there = said is not None and _is_there(said, pair.box, kept.size)
            found[coding, height].append(why == FOUND_BEFORE or is_there)
    lines = ["| coding | " + " | ".join(f"{height} px" for height in HEIGHTS) + " |"]
    lines.append("| --- |" + " --- |" * len(HEIGHTS))
    for coding in codings:
        cells = [found[coding, height] for height in HEIGHTS]
        lines.append(f"| {coding} | " + " | ".join(f"{sum(cell)} of {len(cell)}" for cell in cells) + " |")
    return "\n".join(lines)


def false_reports(folders: list[Path], step: int, side: int | None, quality: int | None) -> str:
    """Returns what was said of pictures that were coded only, and what that cost."""
    lines, times, reasons = [], [], Counter[str]()
    pairs = ((name, image, coding) for name, image in unchanged(folders) for coding in CODINGS)
    kept_name, kept = "", None
    for name, image, coding in itertools.islice(pairs, 0, None, step):
        if kept is None or kept_name != name:
            kept_name, kept = name, keep(image, side, quality)
        said, why, seconds = ask(CODINGS[coding](image), kept)
        reasons[why or "asked"] += 1
        if said is not None:
            times.append(1000 * seconds)
            if said.changes:
                lines.append(f"  {name}, {coding}: {said.changes[0]}, usual {said.usual_levels:.1f}")
    lines.append(f"{len(lines)} of {len(times)} said to be changed; {dict(reasons)}")
    median, slow = np.percentile(times, (50, 95))
    lines.append(f"milliseconds of a core for each: median {median:.0f}, 95 % below {slow:.0f}")
    return "\n".join(lines)


def bytes_table(folders: list[Path], step: int) -> str:
    """Returns what previews of several sizes and qualities take, in kB for each picture."""
    sums: dict[str, list[int]] = defaultdict(list)
    for _, image in itertools.islice(unchanged(folders), 0, None, step):
        pixels = np.asarray(image)
        preview = kept_preview(pixels)
        shown = Image.open(io.BytesIO(preview)).size
        sums["preview, 1024 px"].append(len(preview))
        for side, quality in itertools.product((1600, 2048), (85, 90)):
            kept = kept_detail(pixels, shown, side, quality)
            sums[f"beside it, {side} px, quality {quality}"].append(len(kept) if kept else 0)
    return "\n".join(
        f"| {name} | {np.mean(sizes) / 1000:.0f} | {np.median(sizes) / 1000:.0f} |"
        for name, sizes in sums.items()
    )


def main() -> None:
    """Prints the tables."""
    cv2.setNumThreads(1)
    options = dict(word.removeprefix("--").split("=") for word in sys.argv[1:] if word.startswith("--"))
    folders = [Path(word) for word in sys.argv[1:] if not word.startswith("--")]
    side, quality = (int(options[name]) if name in options else None for name in ("side", "quality"))
    step = int(options.get("step", 1))
    print(bytes_table(folders, step))
    print(found_table(int(options.get("codings", 1)), side, quality), flush=True)
    print(false_reports(folders, step, side, quality))


if __name__ == "__main__":
    main()
