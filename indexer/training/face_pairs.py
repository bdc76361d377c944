"""Reads and measures the set that the face model is trained on: pairs of pictures and what was done.

`pairs.csv` names target (the original), result, kind and the system that made it, as published comparisons
of face-swapping systems do. The pictures show people under research terms, so the set is never shipped.
From the same pictures come pairs of our own: swaps by every family of `synthetic_swaps`, the donor another
person of the set, and re-enactments by those of `synthetic_reenactments`.
"""

import csv
import io
import random
import re
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.faces.findings import find_face_changes
from indexer.compare.faces.identity import face_chip, identity_vectors
from indexer.compare.faces.judgement import FaceEvidence, is_covered
from indexer.compare.faces.landmarks import FIVE
from indexer.compare.faces.model import shipped_heads
from indexer.compare.faces.pairs import FaceMeasures, FacePair
from indexer.compare.features import extract_features, resized
from indexer.compare.geometry import align
from indexer.compare.pair import compare_pair
from indexer.media.images import Pixels, decode_image
from indexer.media.limits import ImageLimits
from indexer.training import synthetic_reenactments, synthetic_swaps
from indexer.training.classical_swap import NoFace, main_face
from indexer.training.face_variants import COVERED, EDITED, ON_THE_WAY

STILLS = (".png", ".jpg", ".jpeg", ".webp")
SWAPPED, MOVED, SAME = "swap", "moved", "same"
OTHER_MOMENT = "neg_same_video"  # of one person: what re-enactments are made from
KINDS = {"swap": SWAPPED, "lipsync": MOVED, "reenact": MOVED, "benign_edit": SAME, "face_restoration": SAME}
OPENED = "opened mouth"
SAME_PERSON = 0.55  # identity distance, below which a donor may be the target
MAY_SEEM_CHANGED = 0.1  # probability by the shipped heads
PREVIEW_SIDE, PREVIEW_QUALITY = 1024, 85  # as a registry keeps references


@dataclass(frozen=True)
class Pair:
    """A picture and what was made of it: one line of `pairs.csv`, or made by us."""

    name: str
    kind: str  # swap, moved or same
    target: Path
    result: Path  # of a pair of ours the donor, or the other moment
    system: str
    group: str  # of pairs with one target: never split between training and test
    is_first_of_target: bool = False  # among benign pairs, so that the edits of a target are made once
    family: str | None = None  # by which we make the result, from the target and `result`

    @property
    def pictures(self) -> frozenset[str]:
        """Names of the pictures that it was made from: what is judged must have seen none of them."""
        return frozenset({self.group} if self.family is None else {self.group, self.result.name})


@dataclass(frozen=True)
class MeasuredFace:
    """One face of one variant of one pair."""

    pair: Pair
    variant: str
    evidence: FaceEvidence

    @property
    def measures(self) -> FaceMeasures:
        """What the heads of the model read."""
        return self.evidence.measures


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "pairs.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_pairs(folder: Path) -> list[Pair]:
    """Reads the pairs of stills; pairs that do not belong together are left to the matching rules."""
    rows = _rows(folder)
    benign = [row for row in rows if KINDS.get(row["kind"]) == SAME]
    first = {row["target"]: row["pair_id"] for row in reversed(benign)}
    return [
        Pair(
            row["pair_id"],
            KINDS[row["kind"]],
            folder / row["target"],
            folder / row["result"],
            system_of(row),
            Path(row["target"]).name,
            first.get(row["target"]) == row["pair_id"],
        )
        for row in rows
        if row["kind"] in KINDS
        and all(Path(row[side]).suffix.lower() in STILLS for side in ("target", "result"))
    ]


def synthetic_pairs(folder: Path) -> list[Pair]:
    """Returns pairs of our own: every target by every family, moments of one person both ways.

    Donors differ from family to family, so that no pair of faces counts for all of them.
    """
    rows = _rows(folder)
    targets = sorted({pair.target for pair in read_pairs(folder) if pair.kind in (SWAPPED, SAME)})
    pairs = []
    for number, target in enumerate(targets):
        for turn, family in enumerate(synthetic_swaps.FAMILIES):
            donor = targets[(number + 3 + 5 * turn) % len(targets)]
            pairs.append(_made(f"{SWAPPED} {number} {family}", SWAPPED, target, donor, family))
        pairs.append(_made(f"{OPENED} {number}", MOVED, target, target, OPENED))
    for row in rows:
        if row["kind"] != OTHER_MOMENT:
            continue
        sides = folder / row["target"], folder / row["result"]
        for family in synthetic_reenactments.FAMILIES:
            pairs.append(_made(f"{row['pair_id']} {family}", MOVED, *sides, family))
            pairs.append(_made(f"{row['pair_id']} back {family}", MOVED, *sides[::-1], family))
    return pairs


def _made(name: str, kind: str, target: Path, other: Path, family: str) -> Pair:
    return Pair(name, kind, target, other, f"our own: {family}", target.name, family=family)


def _result_of(pair: Pair) -> Image.Image | None:
    """Returns what was made of the target; None where a family cannot make it of these two."""
    if pair.family is None:
        return Image.open(pair.result).convert("RGB")
    rng = random.Random(pair.name)
    target, other = (Image.open(path).convert("RGB") for path in (pair.target, pair.result))
    try:
        if pair.kind == SWAPPED:
            if _is_one_person(target, other):
                return None
            return synthetic_swaps.synthetic_swap(target, other, pair.family, rng)
        if pair.family == OPENED:
            return synthetic_reenactments.opened_mouth(target, rng)
        return synthetic_reenactments.synthetic_reenactment(target, other, pair.family, rng)
    except (NoFace, synthetic_reenactments.NothingMoved):
        return None


def _is_one_person(first: Image.Image, second: Image.Image) -> bool:
    """Whether the largest faces of both may be one person's. Raises NoFace."""
    chips = []
    for image in (first, second):
        pixels = np.asarray(image)
        chips.append(face_chip(pixels, main_face(pixels).points[list(FIVE)]))
    known, other = identity_vectors(chips)
    return float(np.linalg.norm(known - other)) < SAME_PERSON


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
    result = _result_of(pair)
    if result is None:
        return []
    reference = as_preview(decoded(pair.target.read_bytes()))
    features = extract_features(reference)
    ways = list(ON_THE_WAY.items())
    if pair.family is not None:  # many pairs: each as it is and on one of the ways
        ways = [ways[0], ways[1 + zlib.crc32(pair.name.encode()) % (len(ways) - 1)]]
    variants = [(name, variant(result)) for name, variant in ways]
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
        compared = compare_pair(
            AlignedPair(query, reference, alignment), with_faces=True, needs_control=_may_seem_changed
        )
        findings = find_face_changes(compared.warped, compared.changes, compared.faces)
        known = [finding.evidence for finding in findings if finding.evidence is not None]
        if pair.kind != SAME:  # of a group, one face was changed: the one that differs most
            known = sorted(known, key=lambda evidence: -_difference(pair, evidence.measures))[:1]
        faces += [MeasuredFace(pair, name, evidence) for evidence in known]
    return faces


def _difference(pair: Pair, measures: FaceMeasures) -> float:
    return measures.identity_in_place if pair.kind == SWAPPED else 1 - measures.inside


def _may_seem_changed(face: FacePair) -> bool:
    """Whether other heads than those shipped might see a change: then controls are needed."""
    if face.measures is None:
        return False
    chances = (head.probability(face.measures) for head in shipped_heads().values())
    return is_covered(face.measures) or max(chances) > MAY_SEEM_CHANGED


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
