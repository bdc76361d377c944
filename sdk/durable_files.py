"""Writes files that are whole after a power cut."""

import os
from pathlib import Path


def write_durably(file: Path, content: bytes, mode: int = 0o666) -> None:
    """Replaces a file as a whole: it has the old content or the new one. Raises OSError.

    `mode` less what the process masks is who may read a file that was not there.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(file.name + ".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    temporary.replace(file)
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder outlive a power cut. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
