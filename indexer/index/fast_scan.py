"""Scans descriptors as 4-bit product codes held in registers; the vectors themselves decide afterwards.

The method is "Quicker ADC" (Andre, Kermarrec and Le Scouarnec, arXiv 1812.09162), as faiss implements it.
It is not exact: the codes retrieve `CANDIDATES_PER_WANTED` candidates for every row that is wanted, and the
caller ranks them by their vectors. docs/performance.md has the measurements on real descriptors, where
graphs and inverted files did worse.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.index.faiss_package import faiss_for_search, import_faiss
from indexer.index.plain_files import Arrays
from indexer.index.port import Values

DIMENSIONS_PER_CODE = 2
CODE_BITS = 4
TRAINING_ROWS = 32_768
LEAST_ROWS = 4_096  # with fewer rows a scan of the vectors is as fast, and exact
ROWS_AT_ONCE = 65_536
CANDIDATES_PER_WANTED = 8
SEED = 7

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FastScan:
    """The codes of one sealed segment, derived from its vectors and never changed."""

    centroids: npt.NDArray[np.float32]  # (codes, 16, dimensions per code)
    codes: npt.NDArray[np.uint8]  # (n, codes / 2)
    scanner: Any  # faiss.IndexPQFastScan: the same codes, packed for the scan; only searched

    def candidates(self, queries: Values, k: int) -> Places:
        """(q, at most `k`) places by falling product, as the codes estimate it; -1 where none is left."""
        faiss_for_search()
        k = min(k, len(self.codes))
        places = self.scanner.search(np.ascontiguousarray(queries, np.float32), k)[1]
        return np.asarray(places, np.int64)

    def arrays(self) -> Arrays:
        """The arrays that are stored beside the segment."""
        return {"centroids": self.centroids, "codes": self.codes}


def build_fast_scan(vectors: Values) -> FastScan:
    """Encode (n, dimensions) vectors, n >= LEAST_ROWS: ten seconds for a million of 256 dimensions."""
    faiss = import_faiss()
    quantiser = _quantiser(vectors.shape[1])
    places = np.random.default_rng(SEED).permutation(len(vectors))[:TRAINING_ROWS]
    quantiser.pq.train(vectors[np.sort(places)].astype(np.float32))
    centroids = faiss.vector_to_array(quantiser.pq.centroids).reshape(quantiser.pq.M, 1 << CODE_BITS, -1)
    codes = [
        quantiser.pq.compute_codes(vectors[start : start + ROWS_AT_ONCE].astype(np.float32))
        for start in range(0, len(vectors), ROWS_AT_ONCE)
    ]
    return _fast_scan(centroids.copy(), np.concatenate(codes))


def fast_scan_from(arrays: dict[str, Any]) -> FastScan:
    """The FastScan whose arrays these are."""
    return _fast_scan(arrays["centroids"], arrays["codes"])


def _quantiser(dimensions: int) -> Any:
    faiss = import_faiss()
    return faiss.IndexPQ(
        dimensions, dimensions // DIMENSIONS_PER_CODE, CODE_BITS, faiss.METRIC_INNER_PRODUCT
    )


def _fast_scan(centroids: npt.NDArray[np.float32], codes: npt.NDArray[np.uint8]) -> FastScan:
    faiss = import_faiss()
    quantiser = _quantiser(centroids.shape[0] * centroids.shape[2])
    faiss.copy_array_to_vector(np.array(centroids, np.float32).ravel(), quantiser.pq.centroids)
    faiss.copy_array_to_vector(np.array(codes, np.uint8).ravel(), quantiser.codes)
    quantiser.ntotal, quantiser.is_trained = len(codes), True
    return FastScan(centroids, codes, faiss.IndexPQFastScan(quantiser))
