"""Time of each stage on one 1-megapixel photograph, as ratios against decoding it with Pillow.

    python -m bench.speed

CPU time of this process and its children, median of several runs, so that a busy machine changes little.
"""

import io
import resource
import statistics
from collections.abc import Callable

import cv2
import numpy as np
import pdqhash
import torch
from PIL import Image

from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.fingerprints.embedders import TorchEmbedder
from indexer.fingerprints.kinds import PDQ
from indexer.fingerprints.pdq import compute_pdq
from indexer.fingerprints.phash import compute_phash
from indexer.index.port import BruteForceIndex
from indexer.index.segmented_index import SegmentedIndex
from indexer.media.images import decode_image
from indexer.media.limits import ImageLimits
from registry.demo import ORIGINALS, STRANGERS, package_file
from registry.home import open_home, throwaway_home
from sdk.cli.register import register_file, signer_for
from sdk.client import Client

RUNS = 9
ROWS = 10_000


def cpu_s() -> float:
    """CPU seconds of this process and of children that ended."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        total += used.ru_utime + used.ru_stime
    return total


def cpu_ms(work: Callable[[], object], runs: int = RUNS) -> float:
    """Median CPU milliseconds of one call."""
    work()
    taken = []
    for _ in range(runs):
        started = cpu_s()
        work()
        taken.append(1000 * (cpu_s() - started))
    return statistics.median(taken)


def megapixel_photograph() -> bytes:
    """scikit-image's astronaut, enlarged to 1152 by 896, as JPEG at quality 90."""
    with Image.open(package_file(*ORIGINALS["astronaut.png"])) as image:
        buffer = io.BytesIO()
        image.convert("RGB").resize((1152, 896)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    content = megapixel_photograph()
    limits = ImageLimits()
    pixels = decode_image(content, limits).pixels
    features = extract_features(pixels)
    embedder = TorchEmbedder("cpu")

    def pillow() -> object:
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))

    full = pillow()
    baseline = cpu_ms(pillow)
    stages: list[tuple[str, float]] = [
        ("decode with Pillow, full size (baseline)", baseline),
        ("decode to the working size", cpu_ms(lambda: decode_image(content, limits))),
        ("PDQ by pdqhash on the full picture", cpu_ms(lambda: pdqhash.compute_dihedral(full))),
        ("PDQ, eight orientations, reduced first", cpu_ms(lambda: compute_pdq(pixels))),
        ("pHash", cpu_ms(lambda: compute_phash(pixels))),
        ("descriptor, batch 1", cpu_ms(lambda: embedder.embed([pixels]))),
        ("descriptor, per picture in a batch of 32", cpu_ms(lambda: embedder.embed([pixels] * 32), 3) / 32),
        ("local features", cpu_ms(lambda: extract_features(pixels))),
        ("alignment of one candidate", cpu_ms(lambda: align(features, features))),
    ]
    codes = np.random.default_rng(0).integers(0, 256, (ROWS, 32), np.uint8)
    for make in (BruteForceIndex, SegmentedIndex):
        index = make(PDQ)
        index.add(np.arange(ROWS), codes)
        name = f"eight PDQ within 80 bits of {ROWS:,} rows, {make.__name__}"
        stages.append((name, cpu_ms(lambda index=index: index.within(codes[:8], 80))))
    stages += registry_stages(content)
    print("| stage | CPU ms | times the baseline |\n| --- | --- | --- |")
    for name, taken in stages:
        print(f"| {name} | {taken:.1f} | {taken / baseline:.2f} |")


def registry_stages(content: bytes) -> list[tuple[str, float]]:
    """Whole requests over HTTP; server, client and database client share this process."""
    with throwaway_home() as home, open_home(home) as (url, key), Client(url, key) as client:
        signer = signer_for(client, None, home, None)
        for label, source in ORIGINALS.items():
            register_file(client, signer, package_file(*source), label=label)
        stranger = package_file(*STRANGERS["motorcycle.png"]).read_bytes()
        return [
            ("request: match of an edited copy", cpu_ms(lambda: client.match(content))),
            ("request: match of a stranger (its parts too)", cpu_ms(lambda: client.match(stranger))),
        ]


if __name__ == "__main__":
    main()
