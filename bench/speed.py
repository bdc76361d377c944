"""Measures each stage on one 1-megapixel photograph: time, share, and ratio to decoding with Pillow.

    python -m bench.speed

CPU time of this process and its children, median of several runs, so that a busy machine changes little.
"""

import io
import resource
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import imagehash
import numpy as np
import pdqhash
from PIL import Image

from bench.match_stages import match_shares
from bench.shares import share_table
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.fingerprints.embedders import open_default
from indexer.fingerprints.hashes import compute_hashes
from indexer.fingerprints.kinds import PDQ
from indexer.fingerprints.pdq import compute_pdq
from indexer.fingerprints.phash import compute_phash
from indexer.fingerprints.regions import tiles
from indexer.index.port import BruteForceIndex
from indexer.index.segmented_index import SegmentedIndex
from indexer.media.images import Pixels, decode_image
from indexer.media.limits import ImageLimits
from indexer.thread_limits import use_one_core_per_request
from registry.app import create_app
from registry.cli.demo import DISTRACTORS, ORIGINALS, package_file
from registry.cli.home import listening, open_services, settings_of_folder, throwaway_home
from registry.services import Services
from registry.settings import OPERATOR_KEY
from sdk.client import Client
from sdk.registering import register_file
from sdk.signers import signer_of_home

RUNS = 9
ROWS = 10_000


def cpu_s() -> float:
    """Returns the CPU seconds of this process and of children that ended."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        total += used.ru_utime + used.ru_stime
    return total


def cpu_ms(work: Callable[[], object], runs: int = RUNS) -> float:
    """Returns the median CPU milliseconds of one call."""
    work()
    taken = []
    for _ in range(runs):
        started = cpu_s()
        work()
        taken.append(1000 * (cpu_s() - started))
    return statistics.median(taken)


def megapixel_photograph() -> bytes:
    """Returns scikit-image's astronaut, enlarged to 1152 by 896, as JPEG at quality 90."""
    with Image.open(package_file(*ORIGINALS["astronaut.png"])) as image:
        buffer = io.BytesIO()
        image.convert("RGB").resize((1152, 896)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def main() -> None:
    """Prints the tables."""
    use_one_core_per_request()
    content = megapixel_photograph()
    limits = ImageLimits()
    pixels = decode_image(content, limits).pixels
    features = extract_features(pixels)
    embedder = open_default("cpu")

    def pillow() -> Pixels:
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))

    full = pillow()
    baseline = cpu_ms(pillow)
    path = {
        "decode as much as is wanted": cpu_ms(lambda: decode_image(content, limits)),
        "PDQ in eight orientations, and pHash": cpu_ms(lambda: compute_hashes(pixels)),
        "descriptor": cpu_ms(lambda: embedder.embed([pixels])),
    }
    print(share_table({"from bytes to all fingerprints": path}), end="\n\n")
    stages: list[tuple[str, float]] = [
        ("decode with Pillow, full size (baseline)", baseline),
        (
            "PDQ by pdqhash (Meta's code), eight orientations",
            cpu_ms(lambda: pdqhash.compute_dihedral(full)),
        ),
        ("PDQ, eight orientations", cpu_ms(lambda: compute_pdq(pixels))),
        ("pHash by imagehash", cpu_ms(lambda: imagehash.phash(Image.fromarray(pixels)))),
        ("pHash", cpu_ms(lambda: compute_phash(pixels))),
        (
            "descriptor of five windows, from one pass",
            cpu_ms(lambda: embedder.embed_windows(pixels, tiles(pixels))),
        ),
        ("local features", cpu_ms(lambda: extract_features(pixels))),
        ("alignment of one candidate", cpu_ms(lambda: align(features, features))),
    ]
    codes = np.random.default_rng(0).integers(0, 256, (ROWS, 32), np.uint8)
    for make in (BruteForceIndex, SegmentedIndex):
        index = make(PDQ)
        index.add(np.arange(ROWS), codes)
        name = f"eight PDQ within 80 bits of {ROWS:,} rows, {make.__name__}"
        stages.append((name, cpu_ms(partial(index.within, codes[:8], 80))))
    requests, shares = registry_stages(content)
    print("| stage | CPU ms | times the baseline |\n| --- | --- | --- |")
    for name, taken in (*stages, *requests):
        print(f"| {name} | {taken:.1f} | {taken / baseline:.2f} |")
    print(f"\n{share_table(shares)}")


def registry_stages(content: bytes) -> tuple[list[tuple[str, float]], dict[str, dict[str, float]]]:
    """Returns the times of whole requests over HTTP within this process, and the shares of two matches."""
    copy, unknown = edited(content), distractor()
    with demonstration() as (services, client):
        requests = [
            ("request: match of an edited copy", cpu_ms(lambda: client.match(copy))),
            ("request: match of a distractor, its parts too", cpu_ms(lambda: client.match(unknown))),
        ]
        shares = {
            "an edited copy": match_shares(services, copy),
            "a distractor": match_shares(services, unknown),
        }
    return requests, shares


@contextmanager
def demonstration() -> Iterator[tuple[Services, Client]]:
    """Runs a registry in this process that knows the demonstration's originals; gives it and a client."""
    with throwaway_home() as home:
        settings = settings_of_folder(home)
        with open_services(settings) as services, listening(create_app(services)) as url:
            key = (settings.key_folder / OPERATOR_KEY).read_text().strip()
            with Client(url, key) as client:
                signer = signer_of_home(client, home)
                for label, source in ORIGINALS.items():
                    register_file(client, signer, package_file(*source), label=label)
                yield services, client


def distractor() -> bytes:
    """Returns a photograph that the demonstration's registry does not know."""
    return package_file(*DISTRACTORS["motorcycle.png"]).read_bytes()


def edited(content: bytes) -> bytes:
    """Returns the picture cropped and encoded anew."""
    with Image.open(io.BytesIO(content)) as image:
        buffer = io.BytesIO()
        image.crop((40, 30, image.width - 20, image.height - 50)).save(buffer, "JPEG", quality=70)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
