"""Measures what a match costs and finds at each effort: edited copies, and pictures of which none is known.

    python -m bench.effort [FOLDER]

FOLDER as in `bench.sets`. CPU of the thread that matches, without decoding; nothing is described.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from bench.sets import folder_or_small_set
from indexer.thread_limits import use_one_core_per_request
from registry.cli.evaluation import Truth, read_truth
from registry.cli.home import open_home, open_services, settings_of_folder, throwaway_home
from registry.match.matching import find_matches
from registry.services import Services
from registry.storage.db import transaction
from sdk.cli.files import answer_for
from sdk.cli.folders import pictures_in
from sdk.client import Client
from sdk.models import Effort, MatchRelation
from sdk.registering import register_file
from sdk.signers import signer_of_home


@dataclass
class Tally:
    """What was seen of queries of one sort at one effort."""

    cpu_ms: list[float] = field(default_factory=list)
    right: int = 0  # the reference is a match; of a stranger nothing is
    suspected: int = 0  # the reference, or anything of a stranger, is possibly related

    def row(self, sort: str, effort: str) -> str:
        """Returns one line of the table."""
        middle, high = np.quantile(self.cpu_ms, (0.5, 0.9))
        return (
            f"| {sort} | {effort} | {len(self.cpu_ms)} | {self.right} | {self.suspected} "
            f"| {np.mean(self.cpu_ms):.0f} | {middle:.0f} | {high:.0f} |"
        )


@contextmanager
def registered(folder: Path) -> Iterator[Services]:
    """Runs a registry in this process that knows the references of a set, by the names of their files."""
    with throwaway_home() as home:
        with open_home(home) as (url, key), Client(url, key) as client:
            signer = signer_of_home(client, home)
            for path in pictures_in([folder / "refs"]):
                answer_for(path, partial(register_file, client, signer, path, label=path.stem))
        with open_services(settings_of_folder(home)) as services:
            yield services


def ask(services: Services, path: Path, truth: Truth, effort: Effort, tally: Tally) -> None:
    """Matches one query and counts what came of it."""
    upload = services.uploads.read(path.read_bytes())
    with transaction(services.engine) as session:
        context = replace(services.in_request(session), effort=effort)
        started = time.thread_time()
        matches = find_matches(context, upload, describe=lambda match: False)
        tally.cpu_ms.append(1000 * (time.thread_time() - started))
    found = [one for one in matches if truth.reference in (None, one.record.label)]
    sure = [one for one in found if one.assessment.relation is not MatchRelation.POSSIBLY_RELATED]
    tally.right += bool(sure) if truth.reference else not sure
    tally.suspected += bool(found) and not sure


def main() -> None:
    """Prints the table."""
    use_one_core_per_request()
    cv2.setNumThreads(1)
    with throwaway_home() as scratch:
        folder = folder_or_small_set(scratch.parent)
        truth = read_truth(folder / "truth.csv")
        files = {path.stem: path for path in pictures_in([folder / "queries"])}
        with registered(folder) as services:
            print("| queries | effort | asked | right | suspected | CPU ms, mean | median | 90 % |")
            print("| --- | --- | --- | --- | --- | --- | --- | --- |")
            for effort in Effort:
                copies, strangers = Tally(), Tally()
                for name, known in truth.items():
                    ask(services, files[name], known, effort, copies if known.reference else strangers)
                print(copies.row("edited copies", effort))
                print(strangers.row("strangers", effort), flush=True)


if __name__ == "__main__":
    main()
