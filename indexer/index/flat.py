"""Exact scans over plain arrays, by faiss's functions; no index object, nothing copied, nothing owned.

Rows may be appended behind `values[:count]` while a scan runs.
"""

import numpy as np
import numpy.typing as npt

from indexer.index.faiss_package import faiss_for_search
from indexer.index.port import Values

Places = npt.NDArray[np.int64]
Found = tuple[Places, Places]  # query rows, places: candidates, scored by the caller
ROWS_AT_ONCE = 16_384  # of float16, turned into float32 for the product
SLACK = 1e-5  # products are summed in another order than scores are
FIRST_EXTRA = 16


def codes_within(queries: Values, codes: Values, radius: int) -> Found:
    """Every pair at most `radius` bits apart."""
    faiss = faiss_for_search()
    codes = np.ascontiguousarray(codes, np.uint8)
    result = faiss.RangeSearchResult(len(queries))
    faiss.hamming_range_search(
        faiss.swig_ptr(np.ascontiguousarray(queries)),
        faiss.swig_ptr(codes),
        len(queries),
        len(codes),
        radius + 1,  # faiss counts strictly below
        codes.shape[1],
        result,
    )
    bounds = faiss.rev_swig_ptr(result.lims, len(queries) + 1).astype(np.int64)
    places = faiss.rev_swig_ptr(result.labels, int(bounds[-1])).astype(np.int64)
    return np.repeat(np.arange(len(queries)), np.diff(bounds)), places


def nearest_codes(queries: Values, codes: Values, k: int) -> Found:
    """At least the `k` nearest rows of each query, ties at the cut included."""
    faiss = faiss_for_search()
    codes = np.ascontiguousarray(codes, np.uint8)
    k = min(k, len(codes))
    distances, _ = faiss.knn_hamming(np.ascontiguousarray(queries), codes, k)
    asked, places = [], []
    for row in range(len(queries)):
        _, within = codes_within(queries[row : row + 1], codes, int(distances[row, -1]))
        asked.append(np.full(len(within), row))
        places.append(within)
    return np.concatenate(asked), np.concatenate(places)


def vectors_within(queries: Values, vectors: Values, least: float) -> Found:
    """Every pair whose inner product is at least `least`, and few below."""
    asked, places = [], []
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        products = _products(queries, vectors[start : start + ROWS_AT_ONCE])
        rows, columns = np.nonzero(products >= least - SLACK)
        asked.append(rows)
        places.append(columns + start)
    return np.concatenate(asked), np.concatenate(places)


def nearest_vectors(queries: Values, vectors: Values, k: int) -> Found:
    """At least the `k` rows of largest product with each query, ties at the cut included."""
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
    asked, places = np.nonzero(products >= floors[:, None] - SLACK)
    return asked, places


def _nearest_float32(queries: Values, vectors: Values, k: int) -> Found:
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


def scored_codes(queries: Values, codes: Values, asked: Places, places: Places) -> npt.NDArray[np.float32]:
    """Bits that differ, of each pair."""
    left = np.ascontiguousarray(queries).view("<u8")[asked]
    right = np.ascontiguousarray(codes).view("<u8")[places]
    return np.asarray(np.bitwise_count(left ^ right).sum(axis=1, dtype=np.uint16), np.float32)


def scored_vectors(
    queries: Values, vectors: Values, asked: Places, places: Places
) -> npt.NDArray[np.float32]:
    """1 - inner product, of each pair; the same for equal rows wherever they lie."""
    rows = vectors[places].astype(np.float32)
    return np.asarray(1.0 - np.einsum("ij,ij->i", rows, queries[asked].astype(np.float32)), np.float32)
