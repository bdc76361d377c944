"""Evaluates a registry on somebody's own pictures, through the same public path as any user."""

import csv
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from indexer.training.evaluation import Guess, measure
from registry.errors import InvalidRequest
from sdk.cli.progress import OnProgress, each_with_progress
from sdk.client import Client
from sdk.errors import NON_RETRYABLE, SdkError
from sdk.flaws import fault_in_words
from sdk.models import MatchAnswer, Strength


@dataclass(frozen=True)
class Truth:
    """What is known of one query."""

    reference: str | None  # None: it comes from none of the references
    transforms: tuple[str, ...] = ()  # what was done to it, if the file says so


@dataclass(frozen=True)
class Found:
    """How many of the queries that come from a reference were matched with it."""

    positives: int
    found: int


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation; the names are those of the printed line."""

    references: int
    references_refused: int
    queries: int
    positives: int
    micro_average_precision: float
    recall_at_precision_90: float
    recall_at_precision_100: float
    recall_at_1: float
    false_matches: int  # queries with a wrong match that is stronger than weak
    missed: int  # positives without a match that is stronger than weak
    errors: int
    ms_per_reference: float  # wall time at the given number of requests at a time
    ms_per_query: float
    by_transform: dict[str, Found]  # a query counts once for each of its transforms


def read_truth(path: Path) -> dict[str, Truth]:
    """Reads a CSV file with the columns `query` and `ref` (empty: none); file suffixes do not matter.

    A column `transforms` (`crop+text`) is read if it is there. Raises InvalidRequest.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if not {"query", "ref"} <= set(rows.fieldnames or ()):
                raise InvalidRequest(f"{path} needs the columns query and ref")
            return {Path(row["query"]).stem: _truth_of(row) for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequest(f"{path}: {fault_in_words(error)}") from error


def _truth_of(row: dict[str, str]) -> Truth:
    transforms = tuple(name for name in (row.get("transforms") or "").split("+") if name)
    return Truth(Path(row["ref"]).stem if row["ref"] else None, transforms)


def evaluate(
    client: Client,
    register: Callable[[Path], str | None],
    references: Sequence[Path],
    queries: Sequence[Path],
    truth: dict[str, Truth],
    jobs: int,
    *,
    quiet: bool = False,
) -> Evaluation:
    """Registers references (`register` returns the record's id), matches queries, compares with the truth.

    The client's API key needs the scopes `register`, `match` and `evidence`.
    """
    started = time.perf_counter()

    def kept(path: Path, _: OnProgress) -> str | None:
        return register(path)

    records: dict[Path, str | None] = {}
    each_with_progress("Registering", references, kept, records.__setitem__, jobs, quiet=quiet)
    registering_s = time.perf_counter() - started
    name_of: dict[str, str] = {}
    # Two reference files of the same bytes are one record, and either name is right.
    same_as = {
        path.stem: name_of.setdefault(record, path.stem) for path, record in records.items() if record
    }
    asked = [path for path in queries if path.stem in truth]

    def ask(path: Path, on_progress: OnProgress) -> MatchAnswer | None:
        try:
            return client.match(path.read_bytes(), on_progress=on_progress)
        except NON_RETRYABLE:
            raise
        except (SdkError, OSError):
            return None

    started = time.perf_counter()
    answers: dict[Path, MatchAnswer | None] = {}
    each_with_progress("Matching", asked, ask, answers.__setitem__, jobs, quiet=quiet)
    matching_s = time.perf_counter() - started
    known = {path.stem: _renamed(truth[path.stem], same_as) for path in asked}
    wanted = {query: truth_of_query.reference for query, truth_of_query in known.items()}
    sure = _sure_answers(answers, name_of)
    return Evaluation(
        references=len(references),
        references_refused=sum(record is None for record in records.values()),
        **asdict(measure(_guesses(answers, name_of), wanted)),
        false_matches=sum(bool(found - {wanted[query]}) for query, found in sure.items()),
        missed=sum(right is not None and right not in sure[query] for query, right in wanted.items()),
        errors=sum(answer is None for answer in answers.values()),
        ms_per_reference=round(1000 * registering_s / max(1, len(references)), 1),
        ms_per_query=round(1000 * matching_s / max(1, len(asked)), 1),
        by_transform=_by_transform(known, sure),
    )


def _renamed(truth: Truth, same_as: dict[str, str]) -> Truth:
    reference = truth.reference
    return truth if reference is None else replace(truth, reference=same_as.get(reference, reference))


def _by_transform(truth: dict[str, Truth], sure: dict[str, set[str | None]]) -> dict[str, Found]:
    names = sorted({name for known in truth.values() for name in known.transforms})
    counted = {}
    for name in names:
        right = [
            known.reference in sure[query]
            for query, known in truth.items()
            if name in known.transforms and known.reference is not None
        ]
        counted[name] = Found(len(right), sum(right))
    return counted


def _guesses(answers: dict[Path, MatchAnswer | None], name_of: dict[str, str]) -> Iterable[Guess]:
    for path, answer in answers.items():
        for match in answer.matches if answer else ():
            confidence = match.evidence.confidence if match.evidence else 0.0
            yield Guess(path.stem, name_of.get(match.record.id, match.record.id), confidence)


def _sure_answers(
    answers: dict[Path, MatchAnswer | None], name_of: dict[str, str]
) -> dict[str, set[str | None]]:
    return {
        path.stem: {
            name_of.get(match.record.id, match.record.id)
            for match in (answer.matches if answer else ())
            if match.strength is not Strength.WEAK
        }
        for path, answer in answers.items()
    }
