"""Reads the list of logs that a witness cosigns for (c2sp.org/tlog-list, `logs/v0`)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdk.checkpoint import BadCheckpoint, VerifierKey, parse_verifier_key
from sdk.errors import SdkError

HEADER = "logs/v0"
_PER_DAY = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)


class BadLogList(SdkError):
    """The list of logs cannot be read."""


@dataclass(frozen=True)
class WatchedLog:
    """A log that a witness cosigns for."""

    origin: str
    key: VerifierKey


def read_logs(path: Path) -> dict[str, WatchedLog]:
    """Reads a list from a file. Raises BadLogList."""
    try:
        return parse_logs(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadLogList(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadLogList(f"{path}: not UTF-8") from None
    except BadLogList as error:
        raise BadLogList(f"{path}, {error}") from None


def parse_logs(text: str) -> dict[str, WatchedLog]:
    """Reads a list: by origin, each log's key. Raises BadLogList, which names the line.

    `qpd` and `contact` are read and not used; they may be left out, unlike in the specification.
    """
    logs: dict[str, WatchedLog] = {}
    lines = list(_lines(text))
    if not lines or lines[0][1:] != (HEADER, ""):
        raise BadLogList(f"line {lines[0][0] if lines else 1}: a list begins with `{HEADER}`")
    at = 1
    while at < len(lines):
        number, word, value = lines[at]
        if word != "vkey":
            raise BadLogList(f"line {number}: `vkey` and a log's key are wanted here")
        try:
            key = parse_verifier_key(value)
        except BadCheckpoint as error:
            raise BadLogList(f"line {number}: {error}") from None
        origin, at = _rest_of_log(lines, at + 1, key.name)
        if origin in logs:
            raise BadLogList(f"line {number}: a second log with the origin {origin!r}")
        logs[origin] = WatchedLog(origin, key)
    return logs


def _rest_of_log(lines: list[tuple[int, str, str]], at: int, origin: str) -> tuple[str, int]:
    """The origin of a log, and where the lines of the next begin."""
    for expected in ("origin", "qpd", "contact"):
        if at < len(lines) and lines[at][1] == expected:
            number, _, value = lines[at]
            if not value or (expected == "qpd" and not _PER_DAY.fullmatch(value)):
                raise BadLogList(f"line {number}: no {expected} that can be")
            origin = value if expected == "origin" else origin
            at += 1
    return origin, at


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Number, first word and the rest of every line that says something."""
    for number, line in enumerate(text.split("\n"), 1):
        said = line.strip(" \t\r")
        if said and not said.startswith("#"):
            word, _, value = said.partition(" ")
            yield number, word, value.strip(" \t")
