"""A file of random bytes that only its owner can read, made once."""

import secrets
from contextlib import suppress
from pathlib import Path

from sdk.durable_files import write_secret_once


def make_secret_file(path: Path, length: int) -> None:
    """Makes the file, durably, unless it is there; of several that do so at once, one makes it."""
    if not path.exists():
        with suppress(FileExistsError):
            write_secret_once(path, secrets.token_bytes(length))
