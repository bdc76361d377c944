"""Measures the quality of retrieval: of each fingerprint alone, and of the registry with verification.

    python -m bench.quality [FOLDER]

FOLDER as in `bench.sets`. SSCD is measured where `trueprint models pull sscd.v1` has put its file.
"""

from pathlib import Path

from bench.alone import Method, describe_all, guesses, median_ms, methods, normalised, similarities
from bench.sets import folder_or_small_set
from indexer.fingerprints.kinds import Family
from indexer.training.evaluation import Guess, Quality, measure
from registry.cli.evaluation import Evaluation, Truth, evaluate, read_truth
from registry.cli.home import open_home, throwaway_home
from registry.settings import Settings
from sdk.cli.files import answer_for
from sdk.cli.folders import pictures_in
from sdk.client import Client
from sdk.registering import register_file
from sdk.signers import signer_of_home


def evaluate_registry(folder: Path, truth: dict[str, Truth], home: Path) -> Evaluation:
    """Evaluates the whole path over HTTP, as `trueprint eval` does."""
    with open_home(home) as (url, key), Client(url, key) as client:
        signer = signer_of_home(client, home)

        def register(path: Path) -> str | None:
            answer = answer_for(path, lambda: register_file(client, signer, path)).answer
            return answer.record.id if answer else None

        files = pictures_in([folder / "refs"]), pictures_in([folder / "queries"])
        return evaluate(client, register, *files, truth, 2)


def row(name: str, quality: Quality | Evaluation, ms: str, size: str) -> str:
    """Returns one line of the table."""
    return (
        f"| {name} | {quality.micro_average_precision:.3f} | {quality.recall_at_precision_90:.3f} "
        f"| {quality.recall_at_precision_100:.3f} | {quality.recall_at_1:.3f} | {ms} | {size} |"
    )


def first_right(found: list[Guess], truth: dict[str, Truth]) -> set[str]:
    """Returns the queries whose first guess is right."""
    best: dict[str, Guess] = {}
    for guess in found:
        if guess.query not in best or guess.confidence > best[guess.query].confidence:
            best[guess.query] = guess
    return {query for query, guess in best.items() if truth[query].reference == guess.reference}


def main() -> None:
    """Prints the tables."""
    with throwaway_home() as home:
        folder = folder_or_small_set(home.parent)
        truth = read_truth(folder / "truth.csv")
        wanted = {query: entry.reference for query, entry in truth.items()}
        ways = methods(Settings().model_folder)
        references = describe_all(pictures_in([folder / "refs"]), ways, queries=False)
        queries = describe_all(pictures_in([folder / "queries"]), ways, queries=True)
        positives = sum(reference is not None for reference in wanted.values())
        registered = len(references[ways[0].name])
        print(f"{registered} references, {len(truth)} queries, {positives} with a reference\n")
        print("| what | µAP | recall at P 0.9 | at P 1.0 | recall@1 | CPU ms per query | bytes per asset |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        right: dict[str, set[str]] = {}
        for way in ways:
            known = references[way.name]
            near = similarities(way.kind, known, queries[way.name])
            found = list(guesses(known, near))
            right[way.name] = first_right(found, truth)
            price = f"{median_ms(way.query_ms):.1f}", str(way.bytes_per_asset)
            print(row(way.name, measure(found, wanted), *price), flush=True)
            if way.kind.family is Family.VECTOR:
                found = list(
                    guesses(known, {query: normalised(similarity) for query, similarity in near.items()})
                )
                print(row(f"{way.name}, normalised", measure(found, wanted), *price), flush=True)
        result = evaluate_registry(folder, truth, home)
        print(
            row("registry, with verification", result, f"{result.ms_per_query:.0f} of wall time", "preview")
        )
        print(
            f"\nregistry: {result.false_matches} queries with a false match, {result.missed} references "
            f"missed, {result.references_refused} references refused for insufficient detail, "
            f"{result.ms_per_reference:.0f} ms per reference, {result.ms_per_query:.0f} ms per query"
        )
        by_edit(ways, right, truth, result)


def by_edit(
    ways: list[Method], right: dict[str, set[str]], truth: dict[str, Truth], result: Evaluation
) -> None:
    """Prints the share of queries whose first answer is right; a query counts for each of its edits."""
    names = [way.name for way in ways]
    print(f"\n| after | queries | {' | '.join(names)} | registry |\n|{' --- |' * (len(names) + 3)}")
    for edit, counts in result.by_transform.items():
        asked = [query for query, known in truth.items() if known.reference and edit in known.transforms]
        shares = [f"{sum(query in right[name] for query in asked) / len(asked):.2f}" for name in names]
        print(f"| {edit} | {len(asked)} | {' | '.join(shares)} | {counts.found / counts.positives:.2f} |")


if __name__ == "__main__":
    main()
