"""A file of random bytes that only its owner can read, made once."""

import os
import secrets
import tempfile
from pathlib import Path


def make_secret_file(path: Path, length: int) -> None:
    """Makes the file, durably, unless it is there; of several that do so at once, one makes it."""
    if path.exists():
        return
    # Written under another name first: a process that starts at the same time never reads half a secret.
    descriptor, written = tempfile.mkstemp(dir=path.parent)  # of mode 0600
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(length))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(written, path)  # fails where another process was first, whose secret then counts
    except OSError:
        if not path.exists():  # a file system without hard links
            os.replace(written, path)
    finally:
        Path(written).unlink(missing_ok=True)
