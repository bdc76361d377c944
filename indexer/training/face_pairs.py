"""Reads and measures the set that the face model is trained on: pairs of pictures and what was done.

`pairs.csv` names target (the original), result, kind and the system that made it, as published comparisons
of face-swapping systems do. The pictures show people under research terms, so the set is never shipped.
"""

import csv
import io
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.faces.pairs import FaceMeasures
from indexer.compare.features import extract_features, resized
from indexer.compare.geometry import align
from indexer.compare.pair import compare_pair
from indexer.media.images import Pixels, decode_image
from indexer.media.limits import ImageLimits
from indexer.training.face_variants import COVERED, EDITED, ON_THE_WAY

STILLS = (".png", ".jpg", ".jpeg", ".webp")
SWAPPED, MOVED, SAME = "swap", "moved", "same"
KINDS = {"swap": SWAPPED, "lipsync": MOVED, "reenact": MOVED, "benign_edit": SAME, "face_restoration": SAME}
PREVIEW_SIDE, PREVIEW_QUALITY = 1024, 85  # as a registry keeps references


@dataclass(frozen=True)
class Pair:
    """One line of `pairs.csv`."""

    name: str
    kind: str  # swap, moved or same
    target: Path
    result: Path
    system: str
    group: str  # of pairs with one target: never split between training and test
    is_first_of_target: bool  # among benign pairs, so that the edits of a target are made once


@dataclass(frozen=True)
class MeasuredFace:
    """One face of one variant of one pair."""

    pair: Pair
    variant: str
    measures: FaceMeasures


def read_pairs(folder: Path) -> list[Pair]:
    """Reads the pairs of stills; pairs that do not belong together are left to the matching rules."""
    with (folder / "pairs.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    benign = [row for row in rows if KINDS.get(row["kind"]) == SAME]
    first = {row["target"]: row["pair_id"] for row in reversed(benign)}
    return [
        Pair(
            row["pair_id"],
            KINDS[row["kind"]],
            folder / row["target"],
            folder / row["result"],
            system_of(row),
            row["target"],
            first.get(row["target"]) == row["pair_id"],
        )
        for row in rows
        if row["kind"] in KINDS
        and all(Path(row[side]).suffix.lower() in STILLS for side in ("target", "result"))
    ]


def system_of(row: dict[str, str]) -> str:
    """Returns the method, where the notes name it; else who made the result."""
    named = re.search(r"method=([^;(]+)", row["notes"])
    return (named.group(1) if named else row["made_by"]).split("/")[0].strip()


def measure_pairs(pairs: list[Pair], workers: int) -> Iterator[MeasuredFace]:
    """Measures every face of every variant; the edits of `face_variants` are made from benign targets."""
    with ProcessPoolExecutor(workers) as pool:
        for faces in pool.map(_measure, pairs, chunksize=4):
            yield from faces


def _measure(pair: Pair) -> list[MeasuredFace]:
    cv2.setNumThreads(1)
    reference = as_preview(decoded(pair.target.read_bytes()))
    features = extract_features(reference)
    result = Image.open(pair.result).convert("RGB")
    variants = [(name, variant(result)) for name, variant in ON_THE_WAY.items()]
    if pair.is_first_of_target:
        target = Image.open(pair.target).convert("RGB")
        variants += [(name, variant(target)) for name, variant in (EDITED | COVERED).items()]
    faces = []
    for name, image in variants:
        query = decoded(_as_png(image))
        alignment = align(
            extract_features(query), resized(features, reference.shape[1], reference.shape[0])
        )
        if alignment is None:
            continue
        comparison = compare_pair(AlignedPair(query, reference, alignment), with_faces=True)
        measured = [face.measures for face in comparison.faces if face.measures is not None]
        if pair.kind != SAME:  # of a group, one face was exchanged: the one that differs most
            measured = sorted(measured, key=lambda measures: -measures.identity_in_place)[:1]
        faces += [MeasuredFace(pair, name, measures) for measures in measured]
    return faces


def decoded(content: bytes) -> Pixels:
    """Returns (h, w, 3) uint8 as the registry reads an upload."""
    return decode_image(content, ImageLimits()).pixels


def as_preview(pixels: Pixels) -> Pixels:
    """Returns (h, w, 3) uint8 as the registry keeps a reference."""
    image = Image.fromarray(pixels)
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=PREVIEW_QUALITY, method=2)
    return np.asarray(Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")).copy()


def _as_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
