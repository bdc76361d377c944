"""Writes files that are whole after a power cut."""

import os
from pathlib import Path


def write_durably(file: Path, content: bytes) -> None:
    """Replaces a file as a whole: it has the old content or the new one. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(file.name + ".tmp")
    with temporary.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    temporary.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
