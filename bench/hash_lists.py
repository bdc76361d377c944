"""How often hashes of lists that others keep agree, on copies and unrelated pictures, and what they cost.

    python -m bench.hash_lists [FOLDER]

FOLDER is that of `bench.quality`; no two of its `refs/` are copies. Unrelated pairs are two references, and
a query with every reference that it was not made from. Only distinctive values count, as in the registry
(indexer/fingerprints/hash_lists.py), whose radii stand on this (registry/thresholds.py).
"""

import io
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

from bench.sets import folder_or_small_set
from indexer.fingerprints.hash_lists import (
    NAMES,
    distance_of_values,
    distinctive_values,
    values_needed,
)
from indexer.fingerprints.imagehash_kinds import compute_hash_list_kinds
from indexer.fingerprints.kinds import COLORHASH, CROP_RESISTANT, Fingerprint
from indexer.media.errors import MediaError
from indexer.media.images import decode_image
from indexer.media.limits import ImageLimits
from registry.cli.evaluation import read_truth
from registry.thresholds import Thresholds
from sdk.cli.folders import pictures_in

RADII = {CROP_RESISTANT.name: (0, 4, 6, 8, 16), COLORHASH.name: (0, 1, 2)}
OTHER_RADII = (0, 1, 2, 4, 6, 8, 10, 12)
Values = dict[str, list[bytes]]  # the distinctive ones of a picture, by kind
Pair = tuple[Values, Values]
FAR = 99  # where the two cannot be compared


@dataclass(frozen=True)
class Hashed:
    """One picture."""

    stem: str
    hashes: Values
    re_encoded: Values  # of a JPEG of half its sides, quality 50
    ms: dict[str, float]  # CPU of each kind


def hashed(file: Path) -> Hashed | None:
    """None: it cannot be decoded."""
    try:
        pixels = decode_image(file.read_bytes(), ImageLimits()).pixels
    except MediaError:
        return None
    found: list[Fingerprint] = []
    ms = {}
    for kind in NAMES:
        started = time.process_time()
        found += compute_hash_list_kinds(pixels, [kind])
        ms[kind] = 1000 * (time.process_time() - started)
    picture, buffer = Image.fromarray(pixels), io.BytesIO()
    picture.resize((max(1, picture.width // 2), max(1, picture.height // 2))).save(
        buffer, "JPEG", quality=50
    )
    copy = decode_image(buffer.getvalue(), ImageLimits()).pixels
    re_encoded = compute_hash_list_kinds(copy, NAMES)
    return Hashed(file.stem, distinctive_values(found), distinctive_values(re_encoded), ms)


def distances(pairs: list[Pair]) -> dict[str, list[int]]:
    """Of every pair, by kind; FAR where a value is missing or says nothing."""
    by_kind: dict[str, list[int]] = {kind: [] for kind in NAMES}
    for query, reference in pairs:
        for kind in NAMES:
            own, other = query.get(kind, []), reference.get(kind, [])
            bits = distance_of_values(own, other, values_needed(kind))
            by_kind[kind].append(FAR if bits is None else bits)
    return by_kind


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="tp") as scratch:
        report(folder_or_small_set(Path(scratch)))


def report(folder: Path) -> None:
    """Hash every picture, compare all pairs."""
    truth = read_truth(folder / "truth.csv")
    with ProcessPoolExecutor(2) as pool:
        references, queries = (
            [one for one in pool.map(hashed, pictures_in([folder / name]), chunksize=8) if one]
            for name in ("refs", "queries")
        )
    right = {query.stem: truth[query.stem].reference for query in queries if query.stem in truth}
    unrelated = [(one.hashes, other.hashes) for one, other in combinations(references, 2)]
    edited: list[Pair] = []
    for query in queries:
        for reference in references:
            pair = (query.hashes, reference.hashes)
            (edited if right.get(query.stem) == reference.stem else unrelated).append(pair)
    sets = [
        distances(pairs)
        for pairs in (unrelated, [(one.re_encoded, one.hashes) for one in references], edited)
    ]
    chosen = Thresholds().hash_list_bits
    print("| kind | bits | unrelated pairs | in a million | re-encoded | edited | CPU ms |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for kind in NAMES:
        ms = statistics.median(one.ms[kind] for one in (*references, *queries))
        apart, copies, edits = (np.array(of_set[kind]) for of_set in sets)
        for bits in RADII.get(kind, OTHER_RADII):
            near, mark = int((apart <= bits).sum()), "**" if chosen[kind] == bits else ""
            print(
                f"| {kind} | {mark}{bits}{mark} | {near} of {len(apart):,} | {1e6 * near / len(apart):.0f} "
                f"| {(copies <= bits).mean():.2f} | {(edits <= bits).mean():.2f} | {ms:.1f} |"
            )


if __name__ == "__main__":
    main()
