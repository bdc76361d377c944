"""Retrieval quality: each fingerprint alone, and the whole registry with verification.

    python -m bench.quality [FOLDER]

FOLDER holds `refs/`, `queries/` and `truth.csv` like the Image Similarity Challenge's sets. Without it a
small set is made from photographs that packages bring; its figures only show that everything runs.
"""

import io
import random
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from indexer.fingerprints.compute import fingerprint_frame
from indexer.fingerprints.embedders import TorchEmbedder
from indexer.fingerprints.kinds import KINDS, Codes, Family, Fingerprint, unpack_codes, unpack_vectors
from indexer.media.errors import MediaError
from indexer.media.sandbox import DecoderPool
from indexer.training.edits import edited_copy
from indexer.training.evaluation import Guess, Quality, measure
from registry.demo import ORIGINALS, STRANGERS, package_file
from registry.evaluation import Evaluation, Truth, evaluate, read_truth
from registry.home import open_home, throwaway_home
from sdk.cli.output import pictures_in
from sdk.cli.register import register_file, signer_for
from sdk.client import Client

GUESSES_PER_QUERY = 20
FOUND = dict[str, dict[str, list[Fingerprint]]]  # by file stem, by kind


def make_small_set(folder: Path) -> Path:
    """Photographs of packages, three edited copies each, and strangers."""
    rng = random.Random(1)
    for name in ("refs", "queries"):
        (folder / name).mkdir(parents=True)
    rows = ["query,ref,transforms"]
    others = [Image.open(package_file(*source)).convert("RGB") for source in STRANGERS.values()]
    for label, source in ORIGINALS.items():
        content = package_file(*source).read_bytes()
        (folder / "refs" / label).write_bytes(content)
        picture = Image.open(io.BytesIO(content)).convert("RGB")
        for number in range(3):
            name = f"{Path(label).stem}-{number}"
            edited_copy(picture, rng.choice(others), rng).save(folder / "queries" / f"{name}.jpg")
            rows.append(f"{name},{Path(label).stem},mixed")
    for number, other in enumerate(others):
        edited_copy(other, others[number - 1], rng).save(folder / "queries" / f"stranger-{number}.jpg")
        rows.append(f"stranger-{number},,mixed")
    (folder / "truth.csv").write_text("\n".join(rows) + "\n")
    return folder


def fingerprint_all(files: list[Path]) -> FOUND:
    """Every kind of every file; what cannot be decoded or is too plain has none."""
    embedder = TorchEmbedder()
    with DecoderPool(2) as decoder:

        def one(path: Path) -> tuple[str, dict[str, list[Fingerprint]]]:
            by_kind: dict[str, list[Fingerprint]] = {name: [] for name in KINDS}
            try:
                frame = fingerprint_frame(decoder.decode(path.read_bytes()).pixels, embedder)
            except MediaError:
                return path.stem, by_kind
            for found in frame.fingerprints:
                by_kind[found.kind].append(found)
            return path.stem, by_kind

        with ThreadPoolExecutor(2) as pool:
            return dict(pool.map(one, files))


def guesses_of(kind_name: str, references: FOUND, queries: FOUND) -> Iterator[Guess]:
    """The nearest references of every query by one kind alone, all orientations of the query."""
    kind = KINDS[kind_name]
    known = [name for name, by_kind in references.items() if by_kind[kind_name]]
    first = [references[name][kind_name][0].value for name in known]
    stored = unpack_codes(first) if kind.family is Family.BINARY else unpack_vectors(first)
    for query, by_kind in queries.items():
        values = [one.value for one in by_kind[kind_name]]
        if not values:
            continue
        if kind.family is Family.BINARY:
            asked: Codes = unpack_codes(values)
            bits = np.bitwise_count(np.bitwise_xor(asked[:, None], stored[None])).sum(axis=2).min(axis=0)
            similarity = 1 - bits / kind.size
        else:
            similarity = (unpack_vectors(values) @ stored.T).max(axis=0)
        for place in np.argsort(-similarity)[:GUESSES_PER_QUERY]:
            yield Guess(query, known[place], float(similarity[place]))


def evaluate_registry(folder: Path, truth: dict[str, Truth], home: Path) -> Evaluation:
    """The whole path over HTTP, as `trueprint eval` runs it."""
    with open_home(home) as (url, key), Client(url, key) as client:
        signer = signer_for(client, None, home, None)

        def register(path: Path) -> str | None:
            record: str | None = register_file(client, signer, path)["record"]
            return record

        files = pictures_in([folder / "refs"]), pictures_in([folder / "queries"])
        return evaluate(client, register, *files, truth, 2)


def row(name: str, quality: Quality | Evaluation) -> str:
    """One line of the table."""
    return (
        f"| {name} | {quality.micro_average_precision:.3f} | {quality.recall_at_precision_90:.3f} "
        f"| {quality.recall_at_precision_100:.3f} | {quality.recall_at_1:.3f} |"
    )


def main() -> None:
    """Print the table."""
    with throwaway_home() as home:
        folder = Path(sys.argv[1]) if sys.argv[1:] else make_small_set(home.parent / "small")
        truth = read_truth(folder / "truth.csv")
        wanted = {query: one.reference for query, one in truth.items()}
        references = fingerprint_all(pictures_in([folder / "refs"]))
        queries = fingerprint_all(pictures_in([folder / "queries"]))
        print(
            f"{len(references)} references, {len(queries)} queries, "
            f"{sum(one is not None for one in wanted.values())} with a reference\n"
        )
        print("| what | µAP | recall at P 0.9 | recall at P 1.0 | recall@1 |")
        print("| --- | --- | --- | --- | --- |")
        for name in KINDS:
            print(row(f"{name} alone", measure(guesses_of(name, references, queries), wanted)), flush=True)
        result = evaluate_registry(folder, truth, home)
        print(row("registry, with verification", result))
        print(
            f"\nregistry: {result.false_matches} queries with a false match, {result.missed} references "
            f"missed, {result.references_refused} references refused as too plain, "
            f"{result.ms_per_reference:.0f} ms per reference, {result.ms_per_query:.0f} ms per query"
        )
        print("\n| found by the registry after | found | of |\n| --- | --- | --- |")
        for name, one in result.by_transform.items():
            print(f"| {name} | {one.found} | {one.positives} |")


if __name__ == "__main__":
    main()
