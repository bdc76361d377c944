"""Breaks a registry, and prints a table for each way.

    python -m bench.faults [--small] [kills storage ...]

Returns 1 where anything that was acknowledged is lost, an audit is not clean, or a later write fails.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.faults import at_random, boundary, clock, kills, partitions, storage
from bench.faults.cases import open_cases
from bench.faults.counts import Counts
from bench.faults.site import Site, embedded_database, make_site

# In one registry, by one process.
BY_WRITES: dict[str, Callable[..., None]] = {"kills": kills.run, "storage": storage.run}
BY_THEMSELVES: dict[str, Callable[..., None]] = {
    "boundary": boundary.run,
    "partitions": partitions.run,
    "clock": clock.run,
    "random": at_random.run,
}
SUBJECTS = (*BY_WRITES, *BY_THEMSELVES)


def main() -> int:
    """Runs the subjects that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(SUBJECTS)}")
    parser.add_argument("--small", action="store_true", help="a dozen cases of each, as the tests run them")
    parser.add_argument("--most", type=int, help="storage faults, drawn from all")
    options = parser.parse_args()
    wanted = options.subjects or SUBJECTS
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what was made is removed
    bad: list[str] = []
    with embedded_database() as (folder, url):
        writes = [name for name in BY_WRITES if name in wanted]
        if writes:
            _break_writes(make_site(folder, url), writes, options, bad)
        for name in BY_THEMSELVES:
            if name in wanted:
                with _reported(name, counts := Counts(), bad):
                    BY_THEMSELVES[name](make_site(folder, url), counts, small=options.small)
    return int(bool(bad))


def _break_writes(site: Site, names: list[str], options: argparse.Namespace, bad: list[str]) -> None:
    with open_cases(site) as cases:
        for name in names:
            cases.counts = Counts()
            more = {"most": options.most} if name == "storage" else {}
            with _reported(name, cases.counts, bad):
                BY_WRITES[name](cases, small=options.small, **more)


@contextmanager
def _reported(name: str, counts: Counts, bad: list[str]) -> Iterator[None]:
    """Prints what was counted, also where it is ended before."""
    begun = time.monotonic()
    try:
        yield
    finally:
        print(f"{name}, {time.monotonic() - begun:.0f} s", *counts.rows(), sep="\n", flush=True)
        print(*counts.bad(), sep="\n", file=sys.stderr, flush=True)
        bad += counts.bad()


if __name__ == "__main__":
    sys.exit(main())
