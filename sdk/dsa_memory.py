"""What was sent to the DSA Transparency Database: one file, which only grows.

A line says how it stands with one statement, and the last one counts; it is durable before `note` returns.
It knows states and names of statements, and neither the statements nor what the database answers.
"""

import fcntl
import os
import re
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from sdk.durable_files import sync_folder
from sdk.errors import SdkError

PUID = re.compile(r"[a-zA-Z0-9_-]{1,500}", re.ASCII)
SENDING, THERE, REFUSED = "sending", "there", "refused"  # as they stand in the file


class BadMemory(SdkError):
    """The file of what was sent is of another database, in use, or was written by somebody else."""


class Memory:
    """The file of what was sent, held by one process at a time."""

    def __init__(self, file: Path, base: str) -> None:
        self._file, self._head = file, f"database {base}\n"
        self.states: dict[str, str] = {}  # by puid: the last that the file says

    def __enter__(self) -> Self:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise BadMemory(f"{self._file}: {error.strerror}") from None
        self._opened = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            fcntl.flock(self._opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._load()
        except BlockingIOError:
            self._opened.close()
            raise BadMemory(f"{self._file} is in use: statements are being sent") from None
        except BaseException:
            self._opened.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def note(self, state: str, puids: Iterable[str]) -> None:
        """Durable when this returns. Raises BadMemory."""
        new = [puid for puid in puids if self.states.get(puid) != state]
        self._append("".join(f"{state} {puid}\n" for puid in new))
        self.states |= dict.fromkeys(new, state)

    def _append(self, lines: str) -> None:
        left = lines.encode()
        try:
            while left:
                left = left[self._opened.write(left) or 0 :]
            os.fsync(self._opened.fileno())
        except OSError as error:
            raise BadMemory(f"{self._file}: {error.strerror}") from None

    def _load(self) -> None:
        content = self._opened.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):  # its writer was killed within a line: that one was not durable yet
            os.ftruncate(self._opened.fileno(), whole)
        if whole == 0:
            self._append(self._head)
            sync_folder(self._file.parent)
            return
        head, *lines = content[: whole - 1].decode("ascii", "replace").split("\n")
        if head != self._head.strip():
            raise BadMemory(
                f"{self._file} begins with {head[:200]!r}, not with {self._head.strip()!r}: "
                "each database has a file of its own"
            )
        for number, line in enumerate(lines, 2):
            state, _, puid = line.partition(" ")
            if state not in (SENDING, THERE, REFUSED) or not PUID.fullmatch(puid):
                raise BadMemory(f"{self._file}, line {number}, is none that this program writes")
            self.states[puid] = state
