"""Kills a process before and after every single write of every use case, and starts it again."""

from bench.faults.cases import Cases
from bench.faults.layer import KILLS, Fault
from bench.faults.writes import WRITES

# A dozen that stand for all: one of each kind of write, on either side.
SAMPLE = (
    ("register fingerprints", "INSERT log_entry", Fault.KILL_AFTER),
    ("register fingerprints", "UPDATE log_head", Fault.KILL_AFTER),
    ("register fingerprints", "commit", Fault.KILL_BEFORE),
    ("register fingerprints", "commit", Fault.KILL_AFTER),
    ("register fingerprints", "fsync checkpoint.tmp", Fault.KILL_BEFORE),
    ("register fingerprints", "replace to checkpoint", Fault.KILL_AFTER),
    ("register a picture", "put .webp", Fault.KILL_AFTER),
    ("register a picture", "INSERT index_change", Fault.KILL_BEFORE),
    ("erase", "DELETE fingerprint", Fault.KILL_AFTER),
    ("erase", "delete .webp", Fault.KILL_BEFORE),
    ("rotate a key", "INSERT publisher_key", Fault.KILL_AFTER),
    ("snapshot of the index", "fsync manifest.json", Fault.KILL_AFTER),
)


def run(cases: Cases, *, small: bool) -> None:
    """Goes through all there are, or through the sample."""
    if small:
        for write, at, fault in SAMPLE:
            cases.run(write, at, fault, write)
    else:
        for write in WRITES:
            for number in range(1, len(cases.writes_of(write)) + 1):
                for fault in KILLS:
                    cases.run(write, number, fault, write)
    cases.settle()
