"""Checks the index on a GPU against brute force, and times it. Needs python3 and torch with CUDA, no more.

    python -m bench.gpu [--rows=1,10,100] [--out=FILE]

`--rows` counts millions. Every time stands beside the check of the same scan on the same rows: fresh random
rows with planted copies, compared with exact integers or float64. Times are medians of device events after
a warm-up.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from indexer.fingerprints.kinds import PDQ, SSCD, Kind
from indexer.index.gpu import by_torch
from indexer.index.gpu.rows import CodeRows, VectorRows
from indexer.index.gpu_index import GpuIndex
from indexer.index.port import BruteForceIndex

try:
    from indexer.index.gpu import by_kernels
except ModuleNotFoundError:
    sys.exit("Triton is missing (it comes with torch for CUDA): nothing was measured")

BATCHES = (1, 32, 1024)
ORIENTATIONS = 8
RADIUS = 31
NEAREST = 10
SLACK = 1e-4
CODE_BYTES, VECTOR_SIZE = 32, 512


@dataclass(frozen=True)
class Timed:
    """One line of the table."""

    family: str
    million_rows: float
    method: str
    batch: int
    ms: float
    floor_ms: float  # reading every row once
    checked: str

    def line(self) -> str:
        """Returns the line as a row of Markdown."""
        return (
            f"| {self.family} | {self.million_rows:g} M | {self.method} | {self.batch} | {self.ms:.3f} "
            f"| {1000 * self.batch / self.ms:,.0f} | {self.ms / self.floor_ms:.1f} | {self.checked} |"
        )


def median_ms(work: Callable[[], object], seconds: float = 1.0) -> float:
    """Returns the median of device time, with the host's work between kernels."""
    work()
    torch.cuda.synchronize()
    times: list[float] = []
    make_event: Callable[..., torch.cuda.Event] = torch.cuda.Event  # untyped in torch
    began = time.perf_counter()
    while len(times) < 3 or (time.perf_counter() - began < seconds and len(times) < 50):
        start, end = make_event(enable_timing=True), make_event(enable_timing=True)
        start.record()
        work()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return float(np.median(times))


def copy_rate() -> float:
    """Returns the bytes that a large copy reads in a second; it writes as many."""
    source = torch.empty(2 << 30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * len(source) / median_ms(lambda: target.copy_(source)) * 1000


def random_words(words: int, count: int, generator: torch.Generator) -> torch.Tensor:
    """Returns uniform codes, word-major."""
    out = torch.empty((words, count), dtype=torch.int32, device="cuda")
    for word in range(words):
        out[word].random_(-(2**31), 2**31 - 1, generator=generator)
    return out


def code_rows(count: int) -> tuple[CodeRows, torch.Tensor, torch.Tensor]:
    """Returns rows, queries that are rows with 0 to 31 bits flipped, and the place of each query's row."""
    generator = torch.Generator("cuda").manual_seed(int(time.time()))
    words = random_words(CODE_BYTES // 4, count, generator)
    n_queries = BATCHES[-1] * ORIENTATIONS
    places = torch.randint(0, count, (n_queries,), device="cuda", generator=generator)
    queries = words[:, places].T.contiguous()
    rng = np.random.default_rng()
    flips = np.zeros((n_queries, CODE_BYTES * 8), np.uint8)
    for row in flips:
        row[rng.choice(CODE_BYTES * 8, rng.integers(0, RADIUS + 1), replace=False)] = 1
    packed = np.packbits(flips, axis=1).view(np.int32)
    queries ^= torch.from_numpy(packed).cuda()
    # Seven of eight orientations of a real query are near to nothing.
    queries[torch.arange(n_queries, device="cuda") % ORIENTATIONS != 0] = random_words(
        CODE_BYTES // 4, n_queries - n_queries // ORIENTATIONS, generator
    ).T
    return CodeRows(words, torch.ones(count, dtype=torch.int8, device="cuda"), count), queries, places


def brute_codes(rows: CodeRows, query: torch.Tensor, radius: int) -> set[int]:
    """Returns the places within the radius by torch's integer arithmetic, word after word."""
    distance = torch.zeros(rows.count, dtype=torch.int16, device="cuda")
    for word in range(rows.words.shape[0]):
        left = rows.words[word, : rows.count] ^ query[word]
        for shift in range(32):
            distance += ((left >> shift) & 1).to(torch.int16)
    near = (distance <= radius) & (rows.alive[: rows.count] != 0)
    return set(near.nonzero()[:, 0].tolist())


def codes(count: int, rate: float) -> list[Timed]:
    """Checks and times range searches of all eight orientations at once."""
    rows, queries, places = code_rows(count)
    floor = CODE_BYTES * count / rate * 1000
    methods = {
        "counting bits": by_kernels.codes_within_by_bits,
        "products of signs": by_kernels.codes_within_by_products,
        "torch": by_torch.codes_within,
    }
    lines = []
    for name, scan in methods.items():
        for batch in BATCHES:
            if name == "torch" and batch * count > 32e6 * 10:
                continue
            asked = queries[: batch * ORIENTATIONS]
            radii = torch.full((len(asked),), RADIUS, dtype=torch.int32, device="cuda")
            found, of_query, _ = scan(rows, asked, radii)
            hits = set(zip(found.tolist(), of_query.tolist(), strict=True))
            planted = {(int(places[at]), at) for at in range(0, len(asked), ORIENTATIONS)}
            exact = all(
                brute_codes(rows, asked[at], RADIUS) == {row for row, query in hits if query == at}
                for at in range(min(4, len(asked)))
            )
            good = exact and planted <= hits
            ms = median_ms(lambda: scan(rows, asked, radii))  # noqa: B023
            lines.append(
                Timed("256-bit codes", count / 1e6, name, batch, ms, floor, "ok" if good else "WRONG")
            )
            print(lines[-1].line(), flush=True)
    return lines


def vector_rows(count: int) -> tuple[VectorRows, torch.Tensor, torch.Tensor]:
    """Returns unit vectors, and queries that are rows with noise (at a cosine of about 0.75)."""
    vectors = torch.empty((count, VECTOR_SIZE), dtype=torch.float16, device="cuda")
    for start in range(0, count, 1 << 20):
        part = torch.randn((min(1 << 20, count - start), VECTOR_SIZE), device="cuda")
        vectors[start : start + len(part)] = torch.nn.functional.normalize(part).half()
    places = torch.randint(0, count, (BATCHES[-1],), device="cuda")
    noise = torch.nn.functional.normalize(torch.randn((BATCHES[-1], VECTOR_SIZE), device="cuda"))
    queries = torch.nn.functional.normalize(vectors[places].float() + 0.9 * noise).half()
    return VectorRows(vectors, torch.ones(count, dtype=torch.int8, device="cuda"), count), queries, places


def brute_nearest(rows: VectorRows, query: torch.Tensor) -> set[int]:
    """Returns the nearest places by float64, and those that tie with the last but for float32's noise."""
    best = []
    for start in range(0, rows.count, 1 << 20):
        products = rows.vectors[start : min(rows.count, start + (1 << 20))].double() @ query.double()
        top = products.topk(min(NEAREST, len(products)))
        best += list(zip(top.values.tolist(), (top.indices + start).tolist(), strict=True))
    return {place for _, place in sorted(best, reverse=True)[:NEAREST]}


def torch_nearest(rows: VectorRows, queries: torch.Tensor) -> torch.Tensor:
    """Returns the baseline's nearest rows: products of chunks by cuBLAS, then topk."""
    step = max(1 << 14, min(1 << 20, (1 << 29) // len(queries)))
    values, places = [], []
    for start in range(0, rows.count, step):
        products = queries @ rows.vectors[start : min(rows.count, start + step)].T
        top = products.topk(NEAREST, dim=1)
        values.append(top.values)
        places.append(top.indices + start)
    order = torch.cat(values, 1).topk(NEAREST, dim=1).indices
    return torch.cat(places, 1).gather(1, order).cpu()


def vectors(count: int, rate: float) -> list[Timed]:
    """Checks and times the ten nearest rows of each query."""
    rows, queries, places = vector_rows(count)
    floor = VECTOR_SIZE * 2 * count / rate * 1000
    lines = []
    for batch in BATCHES:
        asked = queries[:batch].contiguous()
        found, of_query, _ = by_kernels.nearest_vectors(rows, asked, NEAREST, SLACK)
        planted = {(int(places[at]), at) for at in range(batch)}
        good = planted <= set(zip(found.tolist(), of_query.tolist(), strict=True)) and all(
            brute_nearest(rows, asked[at]) <= set(found[of_query == at].tolist())
            for at in range(min(4, batch))
        )
        ms = median_ms(lambda: by_kernels.nearest_vectors(rows, asked, NEAREST, SLACK))  # noqa: B023
        lines.append(
            Timed("512-d vectors", count / 1e6, "kernels", batch, ms, floor, "ok" if good else "WRONG")
        )
        print(lines[-1].line(), flush=True)
        base = torch_nearest(rows, asked)
        right = all(int(places[at]) in base[at] for at in range(batch))
        ms = median_ms(lambda: torch_nearest(rows, asked))  # noqa: B023
        lines.append(
            Timed("512-d vectors", count / 1e6, "torch", batch, ms, floor, "ok" if right else "WRONG")
        )
        print(lines[-1].line(), flush=True)
    return lines


def conformance(kind: Kind) -> str:
    """Compares the whole index with brute force: ties, removals, segments and packing."""
    rng = np.random.default_rng()
    count = 20_000
    if kind is PDQ:
        values = rng.integers(0, 256, (count, CODE_BYTES), np.uint8)
        radii = [0.0, 31.0, 80.0]
    else:
        values = rng.normal(size=(count, kind.size)).astype(np.float32)
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        values = values.astype(np.float16).astype(np.float32)
        radii = [0.2, 0.8]
    values[100:200] = values[:100]  # ties
    queries = values[rng.choice(count, 40)]
    index, twin = GpuIndex(kind, "cuda", rows_per_segment=4096), BruteForceIndex(kind)
    for start in range(0, count, 3000):
        ids = np.arange(start, min(count, start + 3000))
        index.add(ids, values[ids])
        twin.add(ids, values[ids])
    for _ in range(4):
        for asked in (queries[:1], queries):
            for radius in radii:
                mine = {(hit.id, hit.query) for hit in index.within(asked, radius)}
                if mine != {(hit.id, hit.query) for hit in twin.within(asked, radius)}:
                    return f"WRONG within {radius}"
            mine_, theirs = index.nearest(asked, 7), twin.nearest(asked, 7)
            if not np.allclose(
                [hit.distance for hit in mine_], [hit.distance for hit in theirs], atol=1e-5
            ):
                return "WRONG nearest"
            if kind is PDQ and mine_ != theirs:
                return "WRONG nearest"
        gone = rng.choice(count, count // 4, replace=False)
        index.remove(gone)
        twin.remove(gone)
        if len(index) != len(twin):
            return "WRONG length"
    return "ok"


def appends_while_searching() -> str:
    """Checks that a search finds the rows that were there before it began, whatever is added meanwhile."""
    values = np.random.default_rng().integers(0, 256, (1 << 18, CODE_BYTES), np.uint8)
    index = GpuIndex(PDQ, "cuda", rows_per_segment=1 << 16)
    added = [0]

    def append() -> None:
        for start in range(0, len(values), 512):
            ids = np.arange(start, start + 512)
            index.add(ids, values[ids])
            added[0] = start + 512

    adding = threading.Thread(target=append)
    adding.start()
    searches = missed = 0
    while adding.is_alive():
        known = added[0]
        if not known:
            continue
        asked = np.random.default_rng().integers(0, known, 8)
        found = {(hit.id, hit.query) for hit in index.within(values[asked], 0)}
        missed += any((int(id_), at) not in found for at, id_ in enumerate(asked))
        searches += 1
    adding.join()
    return f"{searches} searches during appends, {missed} missed a row that was there"


def mutations() -> list[str]:
    """Times appends and removals through the index, and a search after each."""
    lines = []
    for kind, values in (
        (PDQ, np.random.default_rng().integers(0, 256, (1 << 20, CODE_BYTES), np.uint8)),
        (SSCD, np.random.default_rng().normal(size=(1 << 18, VECTOR_SIZE)).astype(np.float32)),
    ):
        index = GpuIndex(kind, "cuda")
        began = time.perf_counter()
        index.add(np.arange(len(values) - 64), values[:-64])
        torch.cuda.synchronize()
        bulk = time.perf_counter() - began
        single = []
        for place in range(len(values) - 64, len(values)):
            began = time.perf_counter()
            index.add(np.array([place]), values[place : place + 1])
            torch.cuda.synchronize()
            single.append(time.perf_counter() - began)
        began = time.perf_counter()
        index.remove(np.array([17]))
        torch.cuda.synchronize()
        removed = time.perf_counter() - began
        lines.append(
            f"{kind.name}: {len(values) / bulk / 1e6:.2f} M rows/s appended at once, "
            f"{1000 * np.median(single):.3f} ms one row, {1000 * removed:.3f} ms one removal, "
            f"{index.bytes_per_row} bytes a row"
        )
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Checks and times everything, and prints the table last."""
    options = dict(word[2:].partition("=")[::2] for word in sys.argv[1:] if word.startswith("--"))
    if not torch.cuda.is_available():
        sys.exit("no CUDA device: nothing was measured")
    millions = [float(word) for word in options.get("rows", "1,10,100").split(",")]
    checks = {kind.name: conformance(kind) for kind in (PDQ, SSCD)}
    print(checks, flush=True)
    rate = copy_rate()
    torch.cuda.empty_cache()
    changed = [appends_while_searching(), *mutations()]
    lines: list[Timed] = []
    for million in millions:
        for family in (codes, vectors):
            lines += family(round(million * 1e6), rate)
            torch.cuda.empty_cache()
    shown = [
        f"{torch.cuda.get_device_name()}, torch {torch.__version__}; a copy moves {rate / 1e12:.2f} TB/s.",
        f"Against brute force: {', '.join(f'{name} {said}' for name, said in checks.items())}.",
        *changed,
        "",
        "| rows | count | scan | batch | ms | queries/s | times the floor | checked |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(timed.line() for timed in lines),
    ]
    print("\n".join(shown))
    if "out" in options:
        Path(options["out"]).write_text(json.dumps([timed.__dict__ for timed in lines], indent=1))


if __name__ == "__main__":
    main()
