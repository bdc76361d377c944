"""How often another instance of the same layout is taken for a copy, and how many copies of such are found.

    python -m bench.layouts [FOLDER] [PAIRS] [SEED]

FOLDER brings the photographs that stand in the layouts, as `bench.distractors` does; without it those of
packages do. PAIRS of strangers are drawn for every kind, two of three photographed, and as many copies;
SEED draws other layouts and other contents. Pairs are compared as the registry compares an upload with the
preview that it keeps.
"""

import io
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.bending import unbend
from indexer.compare.dense import dense_agreement
from indexer.compare.features import extract_features, resized
from indexer.compare.framing import restrict_to_frame
from indexer.compare.geometry import Alignment, align
from indexer.compare.layout import content_agreement
from indexer.compare.pair import agreement_outside_faces
from indexer.fingerprints.kinds import hamming
from indexer.fingerprints.pdq import compute_pdq
from indexer.media.images import Pixels
from registry.cli.demo import DISTRACTORS, ORIGINALS, package_file
from registry.match.evidence_rules import (
    assess,
    is_verified,
    is_verified_straight,
    may_be_different_capture,
    may_be_verified,
    may_show_other_content,
)
from registry.match.match_evidence import MatchEvidence
from registry.settings import Settings
from registry.thresholds import Thresholds
from samples.layouts import COPIES, KINDS, instance, real_copy
from sdk.cli.folders import VIDEO_SUFFIXES, pictures_in
from sdk.models import Strength

PAIRS = 27  # of every kind
SEED = 7000  # of the first layout; contents follow 2,000 after it
PREVIEW_SIDE = Settings.model_fields["preview_long_side"].default
PREVIEW_QUALITY = 85


@dataclass(frozen=True)
class Pair:
    """What is compared with what, by seeds."""

    kind: str
    number: int
    edit: str | None  # None: strangers


@dataclass(frozen=True)
class Outcome:
    """What became of a pair."""

    pair: Pair
    before: bool  # above `possible` without the comparison of content
    after: bool


def preview(picture: Image.Image) -> Pixels:
    """Returns what the registry keeps of a picture."""
    small = picture.copy()
    small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=PREVIEW_QUALITY, method=2)
    return np.asarray(Image.open(buffer).convert("RGB"))


def compare(query: Pixels, registered: Image.Image, limits: Thresholds) -> MatchEvidence:
    """Returns what the registry measures of an upload and a registered picture, without descriptors."""
    reference = preview(registered)
    known, features = extract_features(np.asarray(registered)), extract_features(query)
    kept = resized(known, reference.shape[1], reference.shape[0])
    found = align(features, kept)
    codes, own = compute_pdq(query), compute_pdq(np.asarray(registered))
    distance = min((hamming(code.value, own[0].value) for code in codes), default=None) if own else None
    measured = MatchEvidence(compared=True, pdq_distance=distance)
    if found is None:
        return measured
    in_place = partial(_in_place, measured, reference=reference, limits=limits)
    flat = in_place(found, query)
    if is_verified(flat, limits) or flat.dense is None:
        return flat
    unbent = unbend(features, kept, found)
    if unbent is None:
        return flat
    straight = in_place(unbent[0], unbent[1].straightened(query))
    return straight if is_verified_straight(straight, limits) else flat


def _in_place(
    measured: MatchEvidence, found: Alignment, query: Pixels, *, reference: Pixels, limits: Thresholds
) -> MatchEvidence:
    measured = replace(
        measured, inliers=found.inliers, pairs=found.pairs, places=found.places, spread=found.spread
    )
    if not may_be_verified(measured, limits):
        return measured
    pair = restrict_to_frame(AlignedPair(query, reference, found))
    measured = replace(measured, dense=dense_agreement(pair))
    if may_be_different_capture(measured, limits):
        measured = replace(measured, outside_faces=agreement_outside_faces(pair))
    if may_show_other_content(measured, limits):
        measured = replace(measured, content=content_agreement(pair))
    return measured


@cache
def photographs(folder: Path | None) -> list[Image.Image]:
    """Returns what stands in the layouts."""
    if folder is not None:
        files = pictures_in([folder / "refs"])[::4]
    else:
        sources = {**ORIGINALS, **DISTRACTORS}.items()
        files = [
            package_file(*source) for name, source in sources if Path(name).suffix not in VIDEO_SUFFIXES
        ]
    return [Image.open(file).convert("RGB") for file in files]


def pairs(count: int) -> Iterator[Pair]:
    """Returns strangers and copies of every kind."""
    edits = list(COPIES)
    for place, kind in enumerate(KINDS):
        for number in range(count):
            yield Pair(kind, number, None)
            yield Pair(kind, number, edits[(place + number) % len(edits)])


def outcome(pair: Pair, folder: Path | None, first: int = SEED) -> Outcome:
    """Draws and compares a pair; of strangers one of three is photographed, one of three on one side."""
    cv2.setNumThreads(1)
    limits, photos = Thresholds(), photographs(folder)
    draw = partial(instance, pair.kind, first + pair.number, photos=photos)
    seed, way = first + 2000 + 2 * pair.number, pair.number % 3
    registered = draw(content_seed=seed, photographed=way == 1)
    if pair.edit is None:
        upload = draw(content_seed=seed + 1, photographed=way > 0)
    else:
        upload = real_copy(registered, pair.edit, random.Random(f"{pair}"))
    evidence = compare(np.asarray(upload), registered, limits)
    return Outcome(pair, _sure(replace(evidence, content=None), limits), _sure(evidence, limits))


def _sure(evidence: MatchEvidence, limits: Thresholds) -> bool:
    found = assess(evidence, limits)
    return found is not None and found.strength is not Strength.WEAK


def report(outcomes: Sequence[Outcome]) -> None:
    """Prints a row for every kind."""
    print("| layout | strangers | above `possible` before | after | copies | found before | after |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    total: Counter[str] = Counter()
    for kind in [*KINDS, "all"]:
        row: Counter[str] = Counter()
        for one in outcomes:
            if one.pair.kind == kind:
                what = "stranger" if one.pair.edit is None else "copy"
                row.update({what: 1, f"{what} before": one.before, f"{what} after": one.after})
        total += row
        shown = total if kind == "all" else row
        cells = [
            shown[f"{what}{when}"] for what in ("stranger", "copy") for when in ("", " before", " after")
        ]
        print(f"| {kind} | {' | '.join(str(cell) for cell in cells)} |")


def main() -> None:
    """Prints the table."""
    folder = Path(sys.argv[1]) if sys.argv[1:] else None
    count = int(sys.argv[2]) if sys.argv[2:] else PAIRS
    first = int(sys.argv[3]) if sys.argv[3:] else SEED
    with ProcessPoolExecutor(2) as pool:
        report(list(pool.map(partial(outcome, folder=folder, first=first), pairs(count))))


if __name__ == "__main__":
    main()
