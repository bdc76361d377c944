"""Writes files that are whole after a power cut."""

import errno
import os
import shutil
import tempfile
from pathlib import Path


def write_durably(file: Path, content: bytes, mode: int = 0o666) -> None:
    """Replaces a file as a whole: it has the old content or the new one. Raises OSError.

    `mode` less what the process masks is who may read a file that was not there.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(file.name + ".tmp")
    # A link that waits under this name is not followed: what it leads to would be overwritten.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with open(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    temporary.replace(file)
    sync_folder(file.parent)


def write_secret_once(file: Path, content: bytes) -> None:
    """Makes a file that only its owner can read: it is there as a whole, or not. Overwrites none.

    Raises FileExistsError, also for the later ones of several that do so at once; OSError.
    """
    descriptor, written = tempfile.mkstemp(dir=file.parent)  # of mode 0600
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        try:
            os.link(written, file)
        except OSError as error:
            if file.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(file)) from None
            if isinstance(error, FileExistsError):
                raise
            os.replace(written, file)  # a file system without hard links
    finally:
        Path(written).unlink(missing_ok=True)
    sync_folder(file.parent)


def write_new_durably(file: Path, content: bytes, mode: int = 0o644) -> None:
    """Makes a file that was not there; its name outlives a crash once `sync_folder` was called.

    For many files in one new folder. Raises FileExistsError, OSError.
    """
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def copy_new_durably(source: Path, file: Path, mode: int = 0o644) -> None:
    """Copies a file of any size, as `write_new_durably` makes one."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with source.open("rb") as read, open(descriptor, "wb") as opened:
        shutil.copyfileobj(read, opened)
        opened.flush()
        os.fsync(opened.fileno())


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder outlive a power cut. Raises OSError."""
    _sync(folder)


def sync_file(file: Path) -> None:
    """Makes the content of a file outlive a power cut, whoever wrote it. Raises OSError."""
    _sync(file)


def _sync(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
