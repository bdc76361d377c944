"""Has a fuzzer (libFuzzer, by atheris) try every parser of ours: for docs/security.md.

    python -m bench.fuzz [--seconds 60] [--processes 1] [PARSER ...]

Each runs in a process of its own, guided by the branches that are taken in `sdk`, `registry` and `indexer`.
What a parser must not do ends its run, and is printed with the input; `samples.parsers` says what that is.
"""

import argparse
import base64
import importlib.util
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES = 4096  # of an input
MOST_MEMORY_MB = 4096
ANSWERS_WITHIN_S = 20
ARTIFACTS = ("crash", "timeout", "oom")  # how libFuzzer names what it found
STOPS_WITHIN_S = 120  # beyond the time that it is given; most of it is loading
WORDS = b"\0", b"-1", b"99999999999999999999"  # for every parser; libFuzzer takes no empty dictionary
OURS = ["sdk", "registry", "indexer", "samples"]
COLUMNS = ("parser", "runs", "branches taken", "inputs kept", "found")


@dataclass(frozen=True)
class Run:
    """What one fuzzer did."""

    name: str
    runs: int
    branches: int
    kept: int
    found: str  # empty: nothing

    def row(self) -> str:
        """A line of the table."""
        return f"| {self.name} | {self.runs:,} | {self.branches} | {self.kept} | {self.found or '-'} |"


def fuzz_here(name: str, seconds: float, folder: Path) -> None:
    """Runs one fuzzer in this process, which it ends."""
    import atheris

    with atheris.instrument_imports(include=OURS):
        from samples.parsers import PARSERS, holds
    parser = PARSERS[name]
    corpus, words = folder / "corpus", folder / "words"
    corpus.mkdir()
    for number, seed in enumerate(parser.seeds):
        (corpus / str(number)).write_bytes(seed)
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in (*parser.dictionary, *WORDS)))
    limits = [f"-max_total_time={seconds:g}", f"-max_len={MOST_BYTES}", f"-rss_limit_mb={MOST_MEMORY_MB}"]
    places = [f"-artifact_prefix={folder}/", f"-dict={words}", str(corpus)]

    def one(content: bytes) -> None:
        holds(parser, content)

    atheris.Setup(
        [sys.argv[0], "-print_final_stats=1", f"-timeout={ANSWERS_WITHIN_S}", *limits, *places], one
    )
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def fuzz(name: str, seconds: float) -> Run:
    """Runs one fuzzer in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.fuzz", "--here", folder, "--seconds", f"{seconds:g}", name]
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=seconds + STOPS_WITHIN_S
        )
        kept = len(list((Path(folder) / "corpus").glob("*")))
        inputs = [path.read_bytes() for path in Path(folder).iterdir() if path.name.startswith(ARTIFACTS)]
    found = ""
    if done.returncode or inputs:
        found = " ".join(
            [
                _last_words(done.stderr + done.stdout),
                *(f"base64:{base64.b64encode(content).decode()}" for content in inputs),
            ]
        )
    return Run(
        name,
        _number(r"stat::number_of_executed_units:\s+(\d+)", done.stderr),
        _number(r".*cov: (\d+)", done.stderr),
        kept,
        found,
    )


def _number(pattern: str, said: str) -> int:
    found = re.findall(pattern, said)
    return int(found[-1]) if found else 0


def _last_words(said: str) -> str:
    lines = [
        line for line in said.splitlines() if re.match(r"\w[\w.]*(Error|Broken|Exception|Bad\w+)\b", line)
    ]
    return lines[-1] if lines else said[-300:]


def main() -> int:
    """Prints a row for each parser; returns 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("parsers", nargs="*")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed here (Linux on x86-64, Python 3.11 to 3.13): nothing was tried")
        return 0
    if options.here is not None:
        fuzz_here(options.parsers[0], options.seconds, options.here)
    from samples.parsers import PARSERS

    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}", flush=True)
    found = False
    with ThreadPoolExecutor(options.processes) as pool:
        for run in pool.map(lambda name: fuzz(name, options.seconds), options.parsers or PARSERS):
            print(run.row(), flush=True)
            found = found or bool(run.found)
    return int(found)


if __name__ == "__main__":
    sys.exit(main())
