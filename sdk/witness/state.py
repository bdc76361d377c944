"""What a witness cosigned last of each log, in one folder, durable before anybody hears of it.

One file for each log, named by the SHA-256 of its origin: the checkpoint with the log's signature and the
witness's own. The folder is made with the key and never again: a witness that forgot what it cosigned would
cosign a second tree.
"""

import fcntl
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from sdk.durable_files import sync_folder
from sdk.errors import SdkError


class BadState(SdkError):
    """The folder is missing, in use, or holds something else than what the witness wrote."""


def name_of(origin: str) -> str:
    """Returns how a log is named in files and addresses: the SHA-256 of its origin, in hexadecimal."""
    return hashlib.sha256(origin.encode()).hexdigest()


def create_state(folder: Path) -> None:
    """Makes the empty folder of a new witness. Raises FileExistsError, OSError."""
    folder.mkdir(mode=0o700)
    sync_folder(folder.parent)


class State:
    """The folder, held by one process at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self._held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise BadState(
                f"{folder}: {error.strerror}. It says what this witness has cosigned. Restore it as it was "
                "last; if it is lost, make a new key: under this one two trees could be cosigned"
            ) from None
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._held)
            raise BadState(f"{folder} is in use by another witness") from None

    def close(self) -> None:
        """Lets another process have the folder."""
        os.close(self._held)

    def read(self, origin: str) -> str | None:
        """Returns the note that was cosigned last of this log; None: none was. Raises BadState."""
        self._require_in_place()
        try:
            with open(name_of(origin), encoding="utf-8", opener=self._opener) as opened:
                return opened.read()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError):
            raise BadState(f"what was cosigned of {origin} cannot be read") from None

    def write(self, origin: str, note: str) -> None:
        """Remembers a note; durable when this returns. Raises BadState, OSError."""
        self._require_in_place()
        self._write(name_of(origin), note.encode())

    def keep_evidence(self, origin: str, evidence: dict[str, Any]) -> Path:
        """Keeps the first evidence that a log forked (`sdk.forks`). Raises BadState, OSError."""
        self._require_in_place()
        path = self._folder / f"{name_of(origin)}.fork.json"
        if not path.exists():
            self._write(path.name, json.dumps(evidence, ensure_ascii=False, indent=1).encode())
        return path

    def _require_in_place(self) -> None:
        """Where the folder was moved away, the next start would find another memory than this one."""
        held = os.fstat(self._held)
        try:
            there = os.stat(self._folder)
        except OSError:
            raise BadState("the folder of what was cosigned was moved or removed") from None
        if (there.st_dev, there.st_ino) != (held.st_dev, held.st_ino):
            raise BadState("the folder of what was cosigned was replaced by another one")

    def _opener(self, name: str, flags: int) -> int:
        return os.open(name, flags, 0o600, dir_fd=self._held)

    def _write(self, name: str, content: bytes) -> None:
        """As `write_durably`, but in the folder that is held, wherever it is: none is made anew."""
        temporary = f"{name}.tmp"
        with open(temporary, "wb", opener=self._opener) as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(temporary, name, src_dir_fd=self._held, dst_dir_fd=self._held)
        os.fsync(self._held)
