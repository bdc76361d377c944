"""The signed checkpoints of a log that did not hold, and the evidence of forks, as files of one folder."""

import hashlib
import json
from pathlib import Path
from typing import Any

from sdk.checkpoint import BadCheckpoint, split_note
from sdk.cli.output import notes, shown
from sdk.durable_files import write_durably

SHOWN, FORK = "shown", "fork"  # begin the names of the files
MOST_SHOWN = 100  # whoever stole the key signs as many as they like


class KeptNotes:
    """What is kept in that folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._full = False

    def all_shown(self) -> list[Path]:
        """The checkpoints that are kept."""
        return sorted(path for path in self._folder.glob(f"{SHOWN}-*") if path.suffix != ".tmp")

    def keep(self, note: str) -> Path | None:
        """Keeps a checkpoint, durably and once, whoever else signed it; None: there are too many."""
        path = self._path(note)
        if path.exists():
            return path
        if len(self.all_shown()) >= MOST_SHOWN:
            if not self._full:
                where = shown(self._folder)
                notes.print(f"{where} holds {MOST_SHOWN} checkpoints that did not hold: no more are kept")
            self._full = True
            return None
        write_durably(path, note.encode())
        return path

    def forget(self, note: str) -> None:
        """Removes a checkpoint that was explained."""
        self._path(note).unlink(missing_ok=True)

    def keep_evidence(self, evidence: dict[str, Any], now: str) -> Path:
        """Keeps the evidence of a fork, once; `now` names the file."""
        content = json.dumps(evidence, indent=1, ensure_ascii=False).encode() + b"\n"
        for path in sorted(self._folder.glob(f"{FORK}-*.json")):
            if path.read_bytes() == content:
                return path
        stem, number = f"{FORK}-{now.replace(':', '')}", 1
        path = self._folder / f"{stem}.json"
        while path.exists():  # one look may find several
            number += 1
            path = self._folder / f"{stem}-{number}.json"
        write_durably(path, content)
        return path

    def _path(self, note: str) -> Path:
        digest = hashlib.sha256(split_note(note)[0].encode()).hexdigest()
        return self._folder / f"{SHOWN}-{digest}"


def read_shown(path: Path) -> str:
    """Reads a checkpoint that was kept. Raises BadCheckpoint, OSError."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise BadCheckpoint("the file is damaged: it is no text") from None
