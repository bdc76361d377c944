"""Makes a folder that appears under its name when everything is in it."""

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdk.durable_files import sync_folder


@contextmanager
def whole_folder(folder: Path, mode: int = 0o700) -> Iterator[Path]:
    """Gives a new folder under a temporary name; it gets its own at the end, or goes where that fails.

    The caller syncs what it puts into it. `folder` may be there if it is empty; its parent is there. What
    somebody left who was killed is removed: private keys may be in it. Raises OSError.
    """
    _remove_abandoned(folder)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    lock = os.open(part, os.O_RDONLY)  # held as long as this process lives
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        part.chmod(mode)
        yield part
        os.rename(part, folder)
        sync_folder(folder.parent)
    finally:
        os.close(lock)
        shutil.rmtree(part, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    for part in folder.parent.glob(f".{glob.escape(folder.name)}.{'?' * 8}.part"):
        try:
            lock = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # a file or a link of that name is none of ours
            continue
        if os.fstat(lock).st_uid != os.geteuid():
            os.close(lock)
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(part, ignore_errors=True)
        except BlockingIOError:
            pass  # somebody is at work in it
        finally:
            os.close(lock)
