"""Measures what the gate adds to a match, and what a policy of many rules costs.

    python -m bench.gate [--assets 10000 1000000]

The server is `trueprint serve` in a process of its own, PostgreSQL the embedded one, filled as
`bench.scale` fills it. CPU time is that of server and database together for one request over HTTP; the
baseline is the same question to /v1/match in the same run, in turn. The first table is in this process:
evaluating the rules of a policy of which none holds, after the facts are there.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.scale import cpu_s, fill, served
from bench.speed import cpu_ms, edited, megapixel_photograph
from indexer.fingerprints.kinds import PDQ
from registry.cli.demo import DISTRACTORS, ORIGINALS, package_file
from registry.cli.home import open_home, settings_of_folder, throwaway_home
from registry.gate.evaluation import rule_on
from registry.gate.facts import UNKNOWN, Value
from registry.gate.packs import compile_pack, shipped_packs
from registry.settings import OPERATOR_KEY
from sdk import gate_calls
from sdk.client import Client
from sdk.models import FingerprintQuery, FingerprintValue, GateContext
from sdk.registering import register_file
from sdk.signers import signer_of_home

ROUNDS, HASHES_A_ROUND, PICTURES_A_ROUND = 8, 50, 2
MANY_RULES = 200
CLAUSES = (
    "match.sure && op.{operation}.found && op.{operation}.share > 0.{number} && "
    "record.class == 'authentic' && upload.audience in ['public', 'limited'] && "
    "uploader.refused >= {number}"
)
OPERATIONS = ("face_swap", "composite", "local_edit", "retimed", "overlay", "cropped", "mirrored", "colour")


def policy_of(rules: int) -> str:
    """A pack of so many rules of six clauses each, of which none holds."""
    lines = ["pack: many", "version: 1.0.0", "title: Many rules", "summary: For a benchmark.", "rules:"]
    for number in range(1, rules + 1):
        operation = OPERATIONS[number % len(OPERATIONS)]
        lines += [
            f"  - id: rule-{number}",
            f"    when: {CLAUSES.format(operation=operation, number=number)}",
            "    then: hold",
            "    why: It is one of many.",
        ]
    return "\n".join(lines) + "\n"


def facts_of_an_edited_copy() -> dict[str, Value]:
    """Facts that make a condition look at several of its clauses."""
    found = {f"op.{operation}.found": True for operation in OPERATIONS}
    return dict(UNKNOWN) | found | {"match.sure": True, "match.found": True, "record.class": "authentic"}


def measure(assets: int) -> None:
    """Prints one row for each kind of question."""
    with throwaway_home() as home:
        with open_home(home) as (url, key), Client(url, key) as client:
            signer = signer_of_home(client, home)
            for label, original in ORIGINALS.items():
                register_file(client, signer, package_file(*original), label=label)
            client.send(gate_calls.add_pack(policy_of(MANY_RULES)))
            client.send(gate_calls.activate("twitter-2020", "to measure it"))
        settings = settings_of_folder(home)
        key = (settings.key_folder / OPERATOR_KEY).read_text().strip()
        codes = fill(settings, assets)
        with served(home) as (server, url, _), Client(url, key) as client:
            time.sleep(5)  # what a start leaves to be done in the background
            _report(assets, client, codes, lambda: cpu_s(server, settings.database_folder))


def _report(assets: int, client: Client, codes: list[bytes], spent_s: Callable[[], float]) -> None:
    random = np.random.default_rng(6)
    copy = edited(megapixel_photograph())
    stranger = Path(package_file(*DISTRACTORS["motorcycle.png"])).read_bytes()

    def query(known: bool) -> FingerprintQuery:
        asked = [random.integers(0, 256, 32, np.uint8).tobytes() for _ in range(8)]
        if known:
            asked[0] = codes[int(random.integers(len(codes)))]
        values = [
            FingerprintValue(value=f"{PDQ.name}:{code.hex()}", quality=100, orientation=place)
            for place, code in enumerate(asked)
        ]
        return FingerprintQuery(fingerprints=tuple(values))

    many = GateContext(policy="many")
    questions: dict[str, tuple[int, Callable[[], object], Callable[[], object], Callable[[], object]]] = {
        "a known hash": (
            HASHES_A_ROUND,
            lambda: client.match_fingerprints(query(True)),
            lambda: client.gate(query(True)),
            lambda: client.gate(query(True), many),
        ),
        "an unknown hash": (
            HASHES_A_ROUND,
            lambda: client.match_fingerprints(query(False)),
            lambda: client.gate(query(False)),
            lambda: client.gate(query(False), many),
        ),
        "an edited copy": (
            PICTURES_A_ROUND,
            lambda: client.match(copy),
            lambda: client.gate(copy),
            lambda: client.gate(copy, many),
        ),
        "a stranger": (
            PICTURES_A_ROUND,
            lambda: client.match(stranger),
            lambda: client.gate(stranger),
            lambda: client.gate(stranger, many),
        ),
    }
    for name, (count, *works) in questions.items():
        taken: list[list[float]] = [[], [], []]
        for work in works:
            work()
        for _ in range(ROUNDS):
            for place, work in enumerate(works):
                before = spent_s()
                for _ in range(count):
                    work()
                taken[place].append(1000 * (spent_s() - before) / count)
        match, gate, of_many = map(statistics.median, taken)
        more = f"{gate - match:+.1f} | {gate / match:.2f} | {of_many - gate:+.1f}"
        print(f"| {assets:,} | {name} | {match:.1f} | {gate:.1f} | {more} |", flush=True)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--assets", type=int, nargs="*", default=[10_000, 1_000_000])
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print("| policy | rules | evaluated in ms |\n| --- | --- | --- |")
    packs = [*shipped_packs().values(), compile_pack(policy_of(MANY_RULES))]
    facts = facts_of_an_edited_copy()
    for pack in packs:
        repeated = cpu_ms(lambda pack=pack: [rule_on(pack, facts) for _ in range(100)]) / 100  # type: ignore[misc]
        print(f"| {pack.document.pack} | {len(pack.rules)} | {repeated:.3f} |", flush=True)
    print("\n| assets | asked about | match, CPU ms | gate | more | times | 200 rules in place of 17 |")
    print(f"|{' --- |' * 7}", flush=True)
    for assets in parser.parse_args().assets:
        measure(assets)


if __name__ == "__main__":
    main()
