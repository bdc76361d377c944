"""Sends odd, old and damaged files to a server, and counts what it answers: for docs/security.md.

    python -m bench.damaged ARCHIVE [--limit N] [--register-every 8]

ARCHIVE is a tar of files as they are met; nothing is known of them. Each is asked about, some are
registered. What must never be: an answer of 500, a server that is gone, and words of a program in a message
(the name of an exception, a module, a number of the operating system).
"""

import argparse
import hashlib
import re
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import psutil

from bench.scale import served
from registry.cli.home import open_home, throwaway_home
from registry.errors import JobPending
from registry.settings import OPERATOR_KEY
from samples.parsers.program_words import program_words
from sdk.client import Client
from sdk.records import AssetClass, new_statement, sign_statement
from sdk.signers import Signer, signer_of_home

ANSWERED_WITHIN_S = 120.0
JOB_BEGUN = 202  # of a video or an animation that takes long
LOOK_EVERY_S = 0.2
KIBIBYTES_PER_MEBIBYTE = 1024
DECODER = "indexer.media.worker"


@dataclass
class Tally:
    """What came of the files that were sent to one endpoint."""

    outcomes: Counter[str] = field(default_factory=Counter)
    said_like_a_program: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")

    def count(self, name: str, answer: httpx2.Response | None, took_s: float) -> None:
        """Adds one answer; None: there was none."""
        self.slowest = max(self.slowest, (took_s, name))
        if answer is None:
            self.outcomes["no answer"] += 1
            return
        accepted = answer.status_code < 300
        code = "accepted" if accepted else f"{answer.status_code} {answer.json().get('code')}"
        self.outcomes[code] += 1
        found = program_words(answer.text)
        if found:
            self.said_like_a_program.append(f"{name}: {found} in {answer.text[:300]}")

    @property
    def is_bad(self) -> bool:
        """Whether something came that must never be."""
        unheard = [code for code in self.outcomes if code.startswith("5") or code == "no answer"]
        return bool(unheard or self.said_like_a_program)


class Decoders:
    """The server's limited processes: how many there were, and what the largest held."""

    def __init__(self, server: psutil.Process) -> None:
        self._server = server
        self.seen: set[int] = set()
        self.most_mib = 0

    def look(self) -> None:
        """Looks at those that live now."""
        for child in self._server.children(recursive=True):
            with suppress(psutil.NoSuchProcess, OSError):
                if DECODER in child.cmdline():
                    self.seen.add(child.pid)
                    self.most_mib = max(self.most_mib, most_memory_mib(child.pid))


def most_memory_mib(pid: int) -> int:
    """The most memory that a process ever held, with mapped files. Raises OSError."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+)", status, re.MULTILINE)
    return int(found.group(1)) // KIBIBYTES_PER_MEBIBYTE if found else 0


def files_of(archive: Path, limit: int | None) -> Iterator[tuple[str, bytes]]:
    """Yields name and content of the files in a tar, in its order."""
    with tarfile.open(archive) as opened:
        files = [member for member in opened if member.isfile()]
        for member in files[:limit]:
            content = opened.extractfile(member)
            assert content is not None
            yield member.name, content.read()


def send(http: httpx2.Client, path: str, tally: Tally, name: str, content: bytes, **form: str) -> None:
    """Sends one file, and counts the answer."""
    begun = time.monotonic()
    answer = None
    with suppress(httpx2.HTTPError):
        answer = http.post(path, files={"media": ("upload", content)}, data=form)
        result = f"{answer.headers.get('location')}/result"
        while answer.status_code == JOB_BEGUN or answer.json().get("code") == JobPending.code:
            time.sleep(LOOK_EVERY_S)
            answer = http.get(result)
    tally.count(name, answer, time.monotonic() - begun)


def statement_about(signer: Signer, content: bytes) -> str:
    """A signed statement about a file, with leave to keep a preview."""
    digest = hashlib.sha256(content).hexdigest()
    said = new_statement(signer.issuer, AssetClass.AUTHENTIC, digest, "a file", preview_allowed=True)
    return sign_statement(said, signer.key)


def run(archive: Path, limit: int | None, register_every: int) -> int:
    """Sends all, prints the counts, and returns 1 where something came that must never be."""
    asked, registered = Tally(), Tally()
    with throwaway_home() as home:
        with open_home(home) as (url, key), Client(url, key) as client:
            signer = signer_of_home(client, home)
        key = (home / "keys" / OPERATOR_KEY).read_text().strip()
        headers = {"authorization": f"Bearer {key}"}
        with (
            served(home) as (server, url, _),
            httpx2.Client(base_url=url, headers=headers, timeout=ANSWERED_WITHIN_S) as http,
        ):
            decoders = Decoders(server)
            for number, (name, content) in enumerate(files_of(archive, limit)):
                send(http, "/v1/match", asked, name, content)
                if number % register_every == 0:
                    statement = statement_about(signer, content)
                    send(http, "/v1/records", registered, name, content, statement=statement)
                decoders.look()
            with Client(url, key) as client:
                clean = client.audit().clean
    for title, tally in (("asked about", asked), ("registered", registered)):
        print(f"{title}: {tally.outcomes.total()} files")
        for code, count in tally.outcomes.most_common():
            print(f"  {code}: {count}")
        print(f"  slowest: {tally.slowest[0]:.2f} s ({tally.slowest[1]})")
        for message in tally.said_like_a_program:
            print(f"  says what a program says: {message}")
    print(f"limited processes: {len(decoders.seen)}, the largest held {decoders.most_mib} MiB")
    print(f"audit clean: {clean}")
    return int(asked.is_bad or registered.is_bad or not clean)


def main() -> int:
    """Reads the arguments; a file that is not there is said, and nothing is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--register-every", type=int, default=8)
    options = parser.parse_args()
    if not options.archive.is_file():
        print(f"{options.archive} is not here: nothing was sent")
        return 0
    return run(options.archive, options.limit, options.register_every)


if __name__ == "__main__":
    sys.exit(main())
