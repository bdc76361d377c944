"""Measures how well each kind of fingerprint finds originals without the registry, and at what price."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from indexer.fingerprints.embedders import open_default, open_embedder
from indexer.fingerprints.embedding import Embedder
from indexer.fingerprints.kinds import PDQ, PHASH, Codes, Family, Fingerprint, Kind, Vectors, unpack_codes
from indexer.fingerprints.lite0 import WrongWeights
from indexer.fingerprints.model_store import ModelError, is_present, list_models
from indexer.fingerprints.pdq import compute_pdq
from indexer.fingerprints.phash import compute_phash
from indexer.fingerprints.regions import inner_rectangles, tiles
from indexer.media.errors import MediaError
from indexer.media.images import Pixels
from indexer.media.sandbox import DecoderPool
from indexer.training.evaluation import Guess

GUESSES_PER_QUERY = 20
RUNNERS_UP = 3
Value = Codes | Vectors  # one row: packed bits, or a vector of length one
Values = dict[str, list[Value]]  # by file stem
Similarities = npt.NDArray[np.floating]  # (references,)


@dataclass
class Method:
    """One way of making values of a picture; a query may have several, a reference has one."""

    name: str
    kind: Kind
    of_reference: Callable[[Pixels], list[Value]]
    of_query: Callable[[Pixels], list[Value]]
    bytes_per_asset: int
    reference_ms: list[float] = field(default_factory=list)
    query_ms: list[float] = field(default_factory=list)


def methods(model_folder: Path) -> list[Method]:
    """Returns PDQ, pHash, every descriptor whose weights are here, and ours asked about parts as well."""
    found = [
        _binary(PDQ, lambda pixels: compute_pdq(pixels)),
        _binary(PHASH, lambda pixels: (compute_phash(pixels),)),
    ]
    for model in list_models(model_folder).values():
        if is_present(model_folder, model):
            try:
                found.append(_descriptor(model.kind, open_embedder(model, model_folder)))
            except (ModelError, WrongWeights) as error:
                print(f"{model.kind.name} is left out: {error}")
    ours = open_default()
    in_parts = next(method for method in found if method.kind.name == ours.kind)
    found.append(
        Method(
            f"{ours.kind}, the query's parts too",
            in_parts.kind,
            in_parts.of_reference,
            lambda pixels: _with_parts(ours, pixels),
            in_parts.bytes_per_asset,
        )
    )
    return found


def describe_all(files: list[Path], all_methods: list[Method], *, queries: bool) -> dict[str, Values]:
    """Returns values by method and file stem; a file that cannot be decoded has none."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    values: dict[str, Values] = {method.name: {} for method in all_methods}
    with DecoderPool(1) as decoder:
        for path in files:
            try:
                pixels = decoder.decode(path.read_bytes()).pixels
            except MediaError:
                continue
            for method in all_methods:
                make, spent = (
                    (method.of_query, method.query_ms)
                    if queries
                    else (method.of_reference, method.reference_ms)
                )
                started = time.thread_time()
                values[method.name][path.stem] = make(pixels)
                spent.append(1000 * (time.thread_time() - started))
    return values


def similarities(kind: Kind, references: Values, queries: Values) -> dict[str, Similarities]:
    """Returns how similar every query is to each reference in turn, by the best of the query's values."""
    stored: npt.NDArray[Any] = np.stack([values[0] for values in references.values()])
    found = {}
    for query, values in queries.items():
        asked: npt.NDArray[Any] = np.stack(values)
        if kind.family is Family.BINARY:
            bits = np.bitwise_count(np.bitwise_xor(asked[:, None], stored[None])).sum(axis=2).min(axis=0)
            found[query] = 1 - bits / kind.size
        else:
            found[query] = (asked @ stored.T).max(axis=0)
    return found


def normalised(similarity: Similarities) -> Similarities:
    """Returns how far the references stand out from this query's runners-up.

    Score normalisation with the gallery itself as the background: a photograph of horses is near every
    photograph of horses, a copy is near one.
    """
    ordered = np.sort(similarity)[::-1]
    runners_up = ordered[1 : 1 + RUNNERS_UP]
    return similarity - (runners_up.mean() if len(runners_up) else 0.0)


def guesses(references: Values, found: dict[str, Similarities]) -> Iterator[Guess]:
    """Yields the nearest references of every query."""
    known = list(references)
    for query, similarity in found.items():
        for place in np.argsort(-similarity)[:GUESSES_PER_QUERY]:
            yield Guess(query, known[place], float(similarity[place]))


def median_ms(taken: list[float]) -> float:
    """Returns the median of CPU milliseconds in one thread."""
    return statistics.median(taken) if taken else 0.0


def _binary(kind: Kind, compute: Callable[[Pixels], Sequence[Fingerprint]]) -> Method:
    def codes(pixels: Pixels) -> list[Value]:
        return list(unpack_codes([fingerprint.value for fingerprint in compute(pixels)]))

    return Method(kind.name, kind, lambda pixels: codes(pixels)[:1], codes, kind.size // 8)


def _descriptor(kind: Kind, embedder: Embedder) -> Method:
    def vector(pixels: Pixels) -> list[Value]:
        return list(embedder.embed([pixels]))

    return Method(kind.name, kind, vector, vector, 2 * kind.size)


def _with_parts(embedder: Embedder, pixels: Pixels) -> list[Value]:
    """The whole, pictures inside it and its tiles, as a match asks about them."""
    cut_out = [region.cut(pixels) for region in inner_rectangles(pixels)]
    rows = [embedder.embed([pixels]), embedder.embed_windows(pixels, tiles(pixels))]
    return list(np.concatenate([*rows, *([embedder.embed_to_search(cut_out)] if cut_out else [])]))
