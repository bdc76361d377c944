"""Has the disk or the database fail at every single write of every use case, in five ways.

The process that met the fault goes on and is asked for the same again; then it is started anew.
"""

import random

from bench.faults.cases import Cases
from bench.faults.layer import STORAGE_FAULTS, Fault
from bench.faults.writes import WRITES

SEED = 5  # of which are drawn
# A dozen that stand for all: each kind of fault on database, checkpoint, blob and snapshot.
SAMPLE = (
    ("register fingerprints", "commit", Fault.LOST),
    ("register fingerprints", "commit", Fault.KEPT),
    ("register fingerprints", "commit", Fault.TORN),
    ("register fingerprints", "INSERT record", Fault.TORN),
    ("register fingerprints", "UPDATE log_tile", Fault.FULL),
    ("register fingerprints", "fsync checkpoint.tmp", Fault.FULL),
    ("register fingerprints", "replace to checkpoint", Fault.KEPT),
    ("withdraw", "fsync checkpoint.tmp", Fault.TORN),
    ("erase", "fsync checkpoint.tmp", Fault.LOST),
    ("register a picture", "put .webp", Fault.TORN),
    ("snapshot of the index", "fsync manifest.json", Fault.TORN),
    ("register fingerprints", "commit", Fault.SLOW),
)


def run(cases: Cases, *, small: bool, most: int | None = None) -> None:
    """Goes through all there are, a drawn number of them, or the sample. Counted by the kind of fault."""
    if small:
        planned: list[tuple[str, int | str, Fault]] = list(SAMPLE)
    else:
        planned = [
            (write, number, fault)
            for write in WRITES
            for number in range(1, len(cases.writes_of(write)) + 1)
            for fault in STORAGE_FAULTS
        ]
        if most is not None and most < len(planned):
            planned = random.Random(SEED).sample(planned, most)
    for write, at, fault in planned:
        cases.run(write, at, fault, fault.value)
    cases.settle()
