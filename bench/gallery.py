"""How often the original is among the candidates, as more and more other pictures are registered.

    python -m bench.gallery FOLDER OTHERS...

FOLDER as in `bench.sets`; OTHERS are folders or tar files of pictures that have nothing to do with it. Up
to as many as there are, recall is counted. Beyond, it is calculated: of every query, the similarities to
other pictures are continued by a generalised Pareto tail, which says how many of a larger gallery would be
nearer than the original. Half of the others predict what is counted with all, so that both can be compared.
An original is found if it is among the nearest of the whole picture, of a rectangle in it, or of a tile.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path
from statistics import mean

import numpy as np

from indexer.fingerprints.calibration import fit_tail, survival
from indexer.fingerprints.embedders import open_default
from indexer.fingerprints.embedding import Embedder
from indexer.fingerprints.kinds import Vectors
from indexer.fingerprints.regions import inner_rectangles, tiles
from indexer.media.images import Pixels, decode_image
from indexer.media.limits import ImageLimits
from indexer.thread_limits import use_one_core_per_request
from indexer.training.pictures import named_images_in
from registry.cli.evaluation import read_truth
from sdk.cli.folders import pictures_in

CANDIDATES = (12, 24, 48)
SIZES = (10_000, 100_000, 1_000_000, 100_000_000)
TAIL_SHARE, LEAST_TAIL = 0.02, 30  # of the similarities to others


@dataclass(frozen=True)
class Query:
    """One edited copy: each part's similarity to its original, and to other pictures."""

    to_original: Vectors  # (parts,)
    nearer_references: Vectors  # (parts,) references of the set that are nearer than the original
    to_others: Vectors  # (parts, others)


def pixels_of(path: Path) -> Pixels:
    """Returns (h, w, 3) of a file of ours."""
    return decode_image(path.read_bytes(), ImageLimits()).pixels


def parts_of(embedder: Embedder, pixels: Pixels) -> Vectors:
    """Returns the vectors that a match searches by: of the whole, of rectangles in it, of its tiles."""
    cut_out = [region.cut(pixels) for region in inner_rectangles(pixels, most=6)]
    rows = [embedder.embed([pixels]), embedder.embed_windows(pixels, tiles(pixels))]
    return np.concatenate([*rows, *([embedder.embed_to_search(cut_out)] if cut_out else [])])


def queries_of(folder: Path, others: Vectors, embedder: Embedder) -> Iterator[Query]:
    """Describes the references and the edited copies of a set."""
    references = {path.stem: path for path in pictures_in([folder / "refs"])}
    vectors = np.concatenate([embedder.embed([pixels_of(path)]) for path in references.values()])
    number_of = {name: number for number, name in enumerate(references)}
    files = {path.stem: path for path in pictures_in([folder / "queries"])}
    for name, known in read_truth(folder / "truth.csv").items():
        if known.reference is None:
            continue
        parts = parts_of(embedder, pixels_of(files[name]))
        to_references = parts @ vectors.T
        to_original = to_references[:, number_of[known.reference]]
        yield Query(to_original, (to_references > to_original[:, None]).sum(axis=1), parts @ others.T)


def counted(query: Query, size: int, most: int) -> float:
    """Returns 1 if the original is among `most` candidates of some part beside `size` others, else 0."""
    nearer = (query.to_others[:, :size] > query.to_original[:, None]).sum(axis=1)
    return float((query.nearer_references + nearer < most).any())


def calculated(query: Query, known: int, size: int, most: int) -> float:
    """Returns the probability of the same, from the first `known` others."""
    found = 0.0
    for similarity, before, row in zip(
        query.to_original, query.nearer_references, query.to_others[:, :known], strict=True
    ):
        beyond = max(LEAST_TAIL, int(TAIL_SHARE * known))
        highest = np.sort(row)[-beyond - 1 :]
        if similarity <= highest[0]:
            rate = float((row > similarity).mean())
        else:
            tail = fit_tail((highest[1:] - highest[0]).astype(np.float64))
            rate = beyond / known * survival(float(similarity - highest[0]), *tail)
        found = max(found, _at_most(most - 1 - int(before), rate * size))
    return found


def _at_most(count: int, expected: float) -> float:
    """Returns the probability of no more than `count` where so many are expected (Poisson)."""
    term = total = exp(-min(expected, 700.0))
    for number in range(1, count + 1):
        term *= expected / number
        total += term
    return min(1.0, total) if count >= 0 else 0.0


def line(what: str, size: int, shares: Sequence[float]) -> str:
    """Returns a row of the table."""
    return f"| {size:,} | {what} | {' | '.join(f'{share:.3f}' for share in shares)} |"


def main() -> None:
    """Prints the table."""
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    use_one_core_per_request()
    embedder = open_default("cpu")
    found = [
        embedder.embed([np.asarray(image)])
        for source in sys.argv[2:]
        for _, image in named_images_in(Path(source))
    ]
    others = np.concatenate(found)[np.random.default_rng(0).permutation(len(found))]
    queries = list(queries_of(Path(sys.argv[1]), others, embedder))
    print(f"| other pictures | | {' | '.join(f'among {most}' for most in CANDIDATES)} |")
    print("| --- | --- | --- | --- | --- |")
    real, half = len(others), len(others) // 2
    for size in (0, real // 8, half, real):
        shares = [mean(counted(query, size, most) for query in queries) for most in CANDIDATES]
        print(line("counted", size, shares))
    for known, size in ((half, real), *((real, size) for size in SIZES)):
        shares = [
            float(np.mean([calculated(query, known, size, most) for query in queries]))
            for most in CANDIDATES
        ]
        print(line(f"calculated from {known:,}", size, shares), flush=True)


if __name__ == "__main__":
    main()
