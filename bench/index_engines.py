"""Measures what one engine costs to build and to ask, on one set of rows, in a process of its own.

    python bench/index_engines.py ENGINE FOLDER

Needs numpy and the engine alone, so that engines may live in other environments. Prints one JSON object.
`FOLDER` holds rows.npy and queries.npy; the row that query i was made from is in truth.npy.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

RADIUS, NEAREST, ORIENTATIONS = 31, 12, 8
BUDGET_S = 150.0  # of building, wall time; what is slower is told as such
Search = Callable[[Any, float], list[set[int]]]  # queries, radius or count -> ids of each


def ours(rows: Any) -> Search:
    """Returns searches in a `SegmentedIndex`."""
    from indexer.fingerprints.kinds import DESCRIPTOR, PDQ
    from indexer.index.segmented_index import SegmentedIndex

    binary = rows.dtype == np.uint8
    index = SegmentedIndex(PDQ if binary else DESCRIPTOR)
    for start in range(0, len(rows), 1 << 18):
        block = rows[start : start + (1 << 18)]
        if len(block) == 1 << 18:
            index.seal_rows(np.arange(start, start + len(block)), block)
        else:
            index.add(np.arange(start, start + len(block)), np.asarray(block))
    index.compact()

    def search(queries: Any, limit: float) -> list[set[int]]:
        hits = index.within(queries, limit) if binary else index.nearest(queries, int(limit))
        found: list[set[int]] = [set() for _ in queries]
        for hit in hits:
            found[hit.query].add(hit.id)
        return found

    return search


def faiss_flat(rows: Any) -> Search:
    """Returns searches in FAISS's flat indexes, which are the baseline."""
    import faiss

    faiss.omp_set_num_threads(1)
    if rows.dtype == np.uint8:
        codes = faiss.IndexBinaryFlat(256)
        codes.add(np.asarray(rows))
        return lambda queries, radius: _ranges(codes.range_search(queries, int(radius) + 1), len(queries))
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(np.asarray(rows, np.float32))
    return lambda queries, k: [set(found.tolist()) for found in index.search(queries, int(k))[1]]


def faiss_multi_hash(rows: Any) -> Search:
    """Returns searches in FAISS's multi-hash index of eleven tables of 23 bits, with two flips."""
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexBinaryMultiHash(256, 11, 23)
    index.nflip = 2
    index.add(np.asarray(rows))
    return lambda queries, radius: _ranges(index.range_search(queries, int(radius) + 1), len(queries))


def usearch(rows: Any) -> Search:
    """Returns searches in usearch's graph of 16 neighbours, of which 128 are visited."""
    from usearch.index import Index

    binary = rows.dtype == np.uint8
    metric, dtype = ("hamming", "b1") if binary else ("ip", "f16")
    index = Index(ndim=256, metric=metric, dtype=dtype, connectivity=16, expansion_search=128)
    _add_in_time(lambda ids, part: index.add(ids, part, threads=1), rows)
    return _counted(lambda queries, k: index.search(queries, k, threads=1), binary)


def iscc_search(rows: Any) -> Search:
    """Returns searches in the index that iscc-search is built on."""
    from iscc_usearch import NphdIndex

    index = NphdIndex(max_dim=256)
    _add_in_time(lambda ids, part: index.add(ids, list(part)), rows)
    return _counted(lambda queries, k: index.search(list(queries), k), True)


def hnswlib(rows: Any) -> Search:
    """Returns searches in hnswlib's graph of vectors, built alike."""
    import hnswlib as package

    index = package.Index("ip", rows.shape[1])
    index.init_index(len(rows), M=16, ef_construction=200)
    index.set_num_threads(1)
    _add_in_time(lambda ids, part: index.add_items(np.asarray(part), ids), rows)
    index.set_ef(128)
    return lambda queries, k: [set(found.tolist()) for found in index.knn_query(queries, int(k))[0]]


ENGINES = {
    "ours": ours,
    "faiss flat": faiss_flat,
    "faiss multi-hash": faiss_multi_hash,
    "usearch": usearch,
    "iscc-search": iscc_search,
    "hnswlib": hnswlib,
}


def _ranges(found: Any, queries: int) -> list[set[int]]:
    bounds, _, places = found
    return [set(places[bounds[row] : bounds[row + 1]].tolist()) for row in range(queries)]


def _counted(ask: Callable[[Any, int], Any], binary: bool) -> Search:
    """Asks an engine without a search by radius for the ten nearest codes."""

    def search(queries: Any, limit: float) -> list[set[int]]:
        keys = np.atleast_2d(ask(queries, 10 if binary else int(limit)).keys)
        return [set(np.asarray(found).tolist()) for found in keys]

    return search


def _add_in_time(add: Callable[[Any, Any], object], rows: Any) -> None:
    started = time.monotonic()
    for start in range(0, len(rows), 10_000):
        part = np.asarray(rows[start : start + 10_000])
        add(np.arange(start, start + len(part)), part)
        all_s = (time.monotonic() - started) * len(rows) / (start + len(part))
        if start and all_s > BUDGET_S:
            raise TimeoutError(f"would take {all_s / 60:.0f} minutes to build")


def _status_mb(name: str) -> float:
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
    )
    return int(line.split()[1]) / 1024


def _cpu_ms(work: Callable[[], object], count: int) -> float:
    """Returns the CPU milliseconds of a query in the best of five rounds."""
    rounds = []
    for _ in range(5):
        started = time.process_time()
        work()
        rounds.append(1000 * (time.process_time() - started) / count)
    return min(rounds)


def measure(engine: str, folder: Path) -> dict[str, object]:
    """Returns what is printed."""
    rows = np.load(folder / "rows.npy", mmap_mode="r")
    queries, truth = np.load(folder / "queries.npy"), np.load(folder / "truth.npy")
    binary = rows.dtype == np.uint8
    limit = RADIUS if binary else NEAREST
    before = _status_mb("RssAnon")
    started = time.process_time()
    search = ENGINES[engine](rows)
    build_s = time.process_time() - started
    answers = [search(query[None], limit)[0] for query in queries]
    single = _cpu_ms(lambda: [search(query[None], limit) for query in queries[:64]], 64)
    eights = [queries[start : start + ORIENTATIONS] for start in range(0, 64, ORIENTATIONS)]
    eight = _cpu_ms(lambda: [search(batch, limit) for batch in eights], len(eights))
    by_radius = binary and engine in ("ours", "faiss flat")
    wide = _cpu_ms(lambda: search(eights[0], 80), 1) if by_radius else None
    recall = float(
        np.mean([int(nearest_id) in found for nearest_id, found in zip(truth, answers, strict=True)])
    )
    exact = folder / "exact.npy"
    nearest = None
    if exact.exists():
        pairs = zip(np.load(exact), answers, strict=True)
        nearest = float(
            np.mean([len(set(wanted.tolist()) & found) / len(wanted) for wanted, found in pairs])
        )
    return {
        "build_s": build_s,
        "ms": single,
        "eight_ms": eight,
        "wide_ms": wide,
        "recall": recall,
        "nearest": nearest,
        "memory_mb": _status_mb("RssAnon") - before,
        "peak_mb": _status_mb("VmHWM"),
    }


def main() -> None:
    """Measures, or says why it cannot."""
    try:
        print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
    except (ImportError, AttributeError, TimeoutError) as error:
        print(json.dumps({"left_out": str(error)}))


if __name__ == "__main__":
    main()
