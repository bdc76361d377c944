"""Orders cases from a process of `bench.faults.child`, and counts what came of them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.faults.child import SURVIVED, Report
from bench.faults.counts import Counts
from bench.faults.layer import KILLS, Fault
from bench.faults.site import Site

REPORT = "report.json"
KILLED = -9


class Cases:
    """One registry, and the process that breaks it."""

    def __init__(self, site: Site, process: "subprocess.Popen[str]") -> None:
        self._site, self._process = site, process
        self.counts = Counts()

    def writes_of(self, write: str) -> list[str]:
        """Goes through a case without a fault, and returns the names of what it writes."""
        _, report = self._order({"write": write})
        self._count("no fault", report, report.outcome)
        return report.writes

    def run(self, write: str, at: int | str, fault: Fault, counted_as: str) -> None:
        """Goes through one case; `at` is the number or the name of a write."""
        code, report = self._order({"write": write, "at": at, "fault": fault.value})
        outcome = "killed" if code == KILLED else report.outcome
        if fault in KILLS and code == SURVIVED:  # it makes no folder this time, say
            outcome = "there was no such write"
        elif fault not in KILLS and code == KILLED:
            report.findings.append(f"{write}, {fault.value} at {at}: it was killed")
        self._count(counted_as, report, outcome)

    def settle(self) -> None:
        """Starts once more, so that the last case is looked at too."""
        self.writes_of("publish the checkpoint")

    def _order(self, order: dict[str, object]) -> tuple[int, Report]:
        assert self._process.stdin
        assert self._process.stdout
        file = self._site.path(REPORT)
        file.unlink(missing_ok=True)
        self._process.stdin.write(json.dumps(order | {"report": str(file)}) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        report = Report(**json.loads(file.read_text())) if file.exists() else Report()
        if code not in (SURVIVED, KILLED):
            report.findings.append(f"{order} ended with {code}")
        # What a case finds after a start is about the case before it: here stands where it was seen.
        report.findings = [f"{order.get('write')} {order.get('at')}: {what}" for what in report.findings]
        return code, report

    def _count(self, kind: str, report: Report, outcome: str) -> None:
        self.counts.add(kind, outcome, report.lost, report.findings)


@contextmanager
def open_cases(site: Site) -> Iterator[Cases]:
    """Starts the process that breaks a registry."""
    command = [sys.executable, "-m", "bench.faults.child", site.to_json()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n", "the process of the cases does not start"
        yield Cases(site, process)
        process.stdin.close()
