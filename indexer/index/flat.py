"""Exact scans of plain arrays by faiss's functions: without an index object, and without copying rows.

While `values[:count]` is scanned, rows may be appended after it.
"""

import numpy as np
import numpy.typing as npt

from indexer.index.faiss_package import faiss_for_search
from indexer.index.port import Values

Places = npt.NDArray[np.int64]
Candidates = tuple[Places, Places]  # query rows and places; the caller computes their distances
ROWS_AT_ONCE = 16_384  # float16 rows that are turned into float32 for one product
SLACK = 1e-5  # a scan sums a product in another order than `vector_distances` does
FIRST_EXTRA = 16


def codes_within(queries: Values, codes: Values, radius: int) -> Candidates:
    """All pairs that are at most `radius` bits apart."""
    faiss = faiss_for_search()
    codes = np.ascontiguousarray(codes, np.uint8)
    result = faiss.RangeSearchResult(len(queries))
    faiss.hamming_range_search(
        faiss.swig_ptr(np.ascontiguousarray(queries)),
        faiss.swig_ptr(codes),
        len(queries),
        len(codes),
        radius + 1,  # faiss finds what is strictly below
        codes.shape[1],
        result,
    )
    bounds = faiss.rev_swig_ptr(result.lims, len(queries) + 1).astype(np.int64)
    places = faiss.rev_swig_ptr(result.labels, int(bounds[-1])).astype(np.int64)
    return np.repeat(np.arange(len(queries)), np.diff(bounds)), places


def nearest_codes(queries: Values, codes: Values, k: int) -> Candidates:
    """At least the `k` nearest rows of each query, with all ties of the last one."""
    faiss = faiss_for_search()
    codes = np.ascontiguousarray(codes, np.uint8)
    k = min(k, len(codes))
    distances, _ = faiss.knn_hamming(np.ascontiguousarray(queries), codes, k)
    query_rows, places = [], []
    for row in range(len(queries)):
        _, within = codes_within(queries[row : row + 1], codes, int(distances[row, -1]))
        query_rows.append(np.full(len(within), row))
        places.append(within)
    return np.concatenate(query_rows), np.concatenate(places)


def vectors_within(queries: Values, vectors: Values, least_product: float) -> Candidates:
    """All pairs whose inner product is at least `least_product`, and a few just below it."""
    query_rows, places = [], []
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        products = _products(queries, vectors[start : start + ROWS_AT_ONCE])
        rows, columns = np.nonzero(products >= least_product - SLACK)
        query_rows.append(rows)
        places.append(columns + start)
    return np.concatenate(query_rows), np.concatenate(places)


def nearest_vectors(queries: Values, vectors: Values, k: int) -> Candidates:
    """At least the `k` rows of largest inner product with each query, with all ties of the last one."""
    if vectors.dtype == np.float32:
        return _nearest_float32(queries, vectors, min(k, len(vectors)))
    products = np.concatenate(
        [
            _products(queries, vectors[start : start + ROWS_AT_ONCE])
            for start in range(0, len(vectors), ROWS_AT_ONCE)
        ],
        axis=1,
    )
    k = min(k, len(vectors))
    floors = np.partition(products, len(vectors) - k, axis=1)[:, len(vectors) - k]
    query_rows, places = np.nonzero(products >= floors[:, None] - SLACK)
    return query_rows, places


def _nearest_float32(queries: Values, vectors: Values, k: int) -> Candidates:
    faiss = faiss_for_search()
    wanted = min(len(vectors), k + FIRST_EXTRA)
    while True:
        products, places = faiss.knn(
            np.ascontiguousarray(queries), vectors, wanted, metric=faiss.METRIC_INNER_PRODUCT
        )
        if wanted == len(vectors) or np.all(products[:, -1] < products[:, k - 1] - SLACK):
            return np.repeat(np.arange(len(queries)), wanted), places.ravel().astype(np.int64)
        wanted = min(len(vectors), 4 * wanted)


def _products(queries: Values, vectors: Values) -> npt.NDArray[np.float32]:
    return np.asarray(queries @ vectors.astype(np.float32, copy=False).T, np.float32)


def code_distances(
    queries: Values, codes: Values, query_rows: Places, places: Places
) -> npt.NDArray[np.float32]:
    """How many bits differ in each pair."""
    left = np.ascontiguousarray(queries).view("<u8")[query_rows]
    right = np.ascontiguousarray(codes).view("<u8")[places]
    return np.asarray(np.bitwise_count(left ^ right).sum(axis=1, dtype=np.uint16), np.float32)


def vector_distances(
    queries: Values, vectors: Values, query_rows: Places, places: Places
) -> npt.NDArray[np.float32]:
    """1 - inner product of each pair; equal rows get equal distances, wherever they lie."""
    rows = vectors[places].astype(np.float32)
    return np.asarray(1.0 - np.einsum("ij,ij->i", rows, queries[query_rows].astype(np.float32)), np.float32)
