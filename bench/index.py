"""Compares the index with others on the same rows: CPU time of a query, memory, and what is found.

    python -m bench.index [FOLDER WITH PICTURES] [--rows 10000 100000 1000000]

Codes: uniform random bits, as real PDQ codes nearly are; queries are rows with up to 31 bits flipped.
Descriptors: those of the pictures (without a folder, of the photographs that packages bring), mixed at
random and with noise of their own covariance; queries are rows turned by up to 40 degrees. Each engine runs
in a process of its own, with one thread. OTHERS: pythons of environments that have other engines, joined
by colons; usearch and iscc-search own one folder and need one each.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench.index_engines import NEAREST
from indexer.fingerprints.embedders import open_default
from indexer.media.images import decode_image
from indexer.media.limits import ImageLimits
from registry.cli.demo import ORIGINALS, package_file

QUERIES = 200
PICTURES = 1_500
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
CODE_ENGINES = ("ours", "faiss flat", "faiss multi-hash", "usearch", "iscc-search")
VECTOR_ENGINES = ("ours", "faiss flat", "usearch", "hnswlib")
IN_OTHERS = {"usearch", "hnswlib", "iscc-search"}
COLUMNS = (
    "rows",
    "count",
    "engine",
    "CPU ms, one query",
    "eight",
    "eight, times flat",
    "eight within 80 bits",
    "recall / of the 12 nearest",
    "build s",
    "memory grown / peak MB",
)
SEED = 11


def write_codes(folder: Path, rows: int) -> None:
    """Writes rows and queries of 256 bits: half within 8 bits, three in ten within 20, others within 31."""
    random = np.random.default_rng(SEED)
    codes = random.integers(0, 256, (rows, 32), np.uint8)
    truth = random.integers(0, rows, QUERIES)
    queries = np.unpackbits(codes[truth], axis=1)
    for row, bits in enumerate(queries):
        low, high = ((0, 8), (9, 20), (21, 31))[int(np.searchsorted([0.5, 0.8], row / QUERIES, "right"))]
        bits[random.permutation(256)[: random.integers(low, high + 1)]] ^= 1
    _write(folder, codes, np.packbits(queries, axis=1), truth)


def write_vectors(folder: Path, rows: int, real: Any) -> None:
    """Writes rows like the (n, dimensions) `real` ones, and queries at cosines of 0.75 to 0.98."""
    random = np.random.default_rng(SEED)
    centre = real.mean(0)
    _, spectrum, axes = np.linalg.svd(real - centre, full_matrices=False)
    vectors = np.zeros((rows, real.shape[1]), np.float16)
    for start in range(0, rows, 50_000):
        count = min(50_000, rows - start)
        noise = random.normal(size=(count, len(spectrum))) * (spectrum / np.sqrt(len(real)))
        share = random.uniform(0, 0.6, (count, 1))
        mixed = np.sqrt(share) * real[random.integers(0, len(real), count)]
        vectors[start : start + count] = _unit(mixed + np.sqrt(1 - share) * (noise @ axes + centre))
    truth = random.integers(0, rows, QUERIES)
    turned = _unit(random.normal(size=(QUERIES, real.shape[1])))
    cosine = random.uniform(0.75, 0.98, (QUERIES, 1))
    queries = _unit(cosine * vectors[truth].astype(np.float32) + np.sqrt(1 - cosine**2) * turned)
    _write(folder, vectors, queries.astype(np.float32), truth)
    blocks = [vectors[start : start + 50_000].astype(np.float32) for start in range(0, rows, 50_000)]
    products = np.concatenate([queries @ block.T for block in blocks], axis=1)
    np.save(folder / "exact.npy", np.argpartition(-products, NEAREST, axis=1)[:, :NEAREST])


def _write(folder: Path, rows: Any, queries: Any, truth: Any) -> None:
    folder.mkdir(parents=True)
    for name, array in (("rows", rows), ("queries", queries), ("truth", truth)):
        np.save(folder / f"{name}.npy", array)


def _unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def descriptors_of(folder: Path | None) -> Any:
    """Returns (n, dimensions) descriptors of real pictures."""
    if folder is None:
        files = [package_file(*source) for source in ORIGINALS.values()]
    else:
        files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)[:PICTURES]
    embedder = open_default("cpu")
    found = [embedder.embed([decode_image(file.read_bytes(), ImageLimits()).pixels])[0] for file in files]
    return np.array(found, np.float32)


def run(engine: str, folder: Path) -> dict[str, Any]:
    """Measures one engine on one folder of rows."""
    pythons = [sys.executable]
    if engine in IN_OTHERS:
        pythons = os.environ.get("OTHERS", sys.executable).split(":")
    results = [_run(python, engine, folder) for python in pythons]
    return next((result for result in results if "left_out" not in result), results[0])


def _run(python: str, engine: str, folder: Path) -> dict[str, Any]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    script = Path(__file__).parent / "index_engines.py"
    done = subprocess.run(
        [python, str(script), engine, str(folder)],
        env={**os.environ, **threads, "PYTHONPATH": str(script.parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return {"left_out": (done.stderr.strip().splitlines() or ["killed"])[-1]}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def table(title: str, folder: Path, engines: tuple[str, ...], rows: int) -> None:
    """Prints one family at one size; times are also given as shares of FAISS's flat scan."""
    found = {engine: run(engine, folder) for engine in engines}
    baseline = found["faiss flat"].get("eight_ms", float("nan"))
    for engine, measured in found.items():
        if "left_out" in measured:
            print(f"| {title} | {rows:,} | {engine} | {measured['left_out']} | | | | | | |", flush=True)
            continue
        wide = "" if measured["wide_ms"] is None else f"{measured['wide_ms']:.2f}"
        recall = f"{measured['recall']:.3f}"
        if measured["nearest"] is not None:
            recall += f" / {measured['nearest']:.3f}"
        print(
            f"| {title} | {rows:,} | {engine} | {measured['ms']:.3f} | {measured['eight_ms']:.3f} | "
            f"{measured['eight_ms'] / baseline:.3f} | {wide} | {recall} | {measured['build_s']:.1f} | "
            f"{measured['memory_mb']:.0f} / {measured['peak_mb']:.0f} |",
            flush=True,
        )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pictures", type=Path, nargs="?")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    options = parser.parse_args()
    real = descriptors_of(options.pictures)
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="trueprint-bench-") as scratch:
        for rows in options.rows:
            codes, vectors = Path(scratch) / f"codes-{rows}", Path(scratch) / f"vectors-{rows}"
            write_codes(codes, rows)
            table("256-bit codes, within 31", codes, CODE_ENGINES, rows)
            write_vectors(vectors, rows, real)
            table("256-d descriptors, 12 nearest", vectors, VECTOR_ENGINES, rows)


if __name__ == "__main__":
    main()
