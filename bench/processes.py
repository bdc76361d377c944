"""Measures how many photographs a server answers a second: on one core, and by processes on all cores.

    python -m bench.processes [--seconds 20]

Server, database and clients share the cores. Edited copies and a picture of which nothing is registered are
asked about in turn, by twice as many clients as there are cores, each as fast as it is answered.
"""

import argparse
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from bench.scale import served
from bench.speed import distractor, edited, megapixel_photograph
from registry.cli.demo import ORIGINALS, package_file
from registry.cli.home import open_home, throwaway_home
from registry.settings import OPERATOR_KEY
from sdk.client import Client
from sdk.registering import register_file
from sdk.signers import signer_of_home


@dataclass(frozen=True)
class Run:
    """One way to serve."""

    name: str
    cores: frozenset[int]
    processes: int


def answered_per_s(home: Path, run: Run, uploads: list[bytes], seconds: float) -> float:
    """Returns the rate at which a server of `home` answers."""
    os.sched_setaffinity(0, run.cores)  # inherited by the server and its database
    key = (home / "keys" / OPERATOR_KEY).read_text().strip()
    answered: list[float] = []  # when

    def ask(url: str, first: int) -> None:
        with Client(url, key) as client:
            number = first
            while time.monotonic() < ends:
                client.match(uploads[number % len(uploads)])
                answered.append(time.monotonic())
                number += 1

    with served(home, "--processes", str(run.processes)) as (_, url, _):
        clients = 2 * len(run.cores)
        starts = time.monotonic() + seconds / 4  # what is loaded first does not count
        ends = starts + seconds
        threads = [threading.Thread(target=ask, args=(url, number)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return sum(starts <= moment < ends for moment in answered) / seconds


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    seconds: float = parser.parse_args().seconds
    cores = frozenset(os.sched_getaffinity(0))
    count = len(cores)
    runs = [Run("one core, one process (baseline)", frozenset([min(cores)]), 1)]
    runs += [Run(f"{count} cores, {number} processes", cores, number) for number in sorted({1, count})]
    uploads = [edited(megapixel_photograph()), distractor()]
    print("| served by | answers a second | times the baseline |\n| --- | --- | --- |")
    with throwaway_home() as home:
        with open_home(home) as (url, key), Client(url, key) as client:
            signer = signer_of_home(client, home)
            for label, source in ORIGINALS.items():
                register_file(client, signer, package_file(*source), label=label)
        baseline = 0.0
        for run in runs:
            rate = answered_per_s(home, run, uploads, seconds)
            baseline = baseline or rate
            print(f"| {run.name} | {rate:.2f} | {rate / baseline:.2f} |", flush=True)


if __name__ == "__main__":
    main()
