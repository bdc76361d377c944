"""Stores previews and what is derived from them, in a folder or in S3 (through obstore).

Keys are random, so that a key says nothing of the picture. Lost blobs cost previews and geometric
verification, never a record: fingerprints and the log are in the database.
"""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

from registry.errors import BackupFailed, BlobsUnavailable
from sdk.durable_files import sync_file, sync_folder

PREVIEWS = "previews"
# A key that no blob can have, as a row that somebody changed may name it, is a ValueError.
NOT_THERE = (NotFoundError, FileNotFoundError, ValueError)
# Younger blobs may belong to a registration that is still being written.
ORPHAN_AGE = timedelta(hours=1)


class Blobs:
    """A flat store of bytes under keys."""

    def __init__(self, url: str | None, folder: Path) -> None:
        if url is None:
            folder.mkdir(parents=True, exist_ok=True)
        self._store: ObjectStore = from_url(url) if url else LocalStore(folder)
        self._folder = None if url else folder
        self.description = url or f"folder {folder}"

    def put(self, suffix: str, content: bytes) -> str:
        """Stores bytes under a new key, and returns it."""
        name = secrets.token_hex(16)
        key = f"{PREVIEWS}/{name[:2]}/{name}{suffix}"
        self._put(key, content)
        return key

    def put_beside(self, key: str, suffix: str, content: bytes | memoryview) -> None:
        """Stores bytes that are derived from the blob `key`."""
        self._put(_beside(key, suffix), content)

    def _put(self, key: str, content: bytes | memoryview) -> None:
        """Durably: a row that names the blob may be committed as soon as this returns."""
        if self._folder is None:  # the service sees to it
            obstore.put(self._store, key, content)
            return
        file = self._folder / key
        is_first = not file.parent.exists()
        obstore.put(self._store, key, content)
        sync_file(file)
        for folder in file.parents[: 3 if is_first else 1]:
            sync_folder(folder)

    def read(self, key: str) -> bytes | None:
        """Returns the bytes, or None where they are lost. Raises BlobsUnavailable: it is not known."""
        try:
            return bytes(obstore.get(self._store, key).bytes())
        except NOT_THERE:
            return None
        except (BaseError, OSError) as error:
            raise BlobsUnavailable("what is stored in files is out of reach") from error

    def get(self, key: str) -> bytes | None:
        """Returns the bytes, or None where they are lost or cannot be read now."""
        try:
            return bytes(obstore.get(self._store, key).bytes())
        except (BaseError, *NOT_THERE):
            return None

    def has(self, key: str) -> bool:
        """Tells whether the blob is there, without reading it. Raises BlobsUnavailable: it is not known."""
        try:
            obstore.head(self._store, key)
        except NOT_THERE:
            return False
        except (BaseError, OSError) as error:
            raise BlobsUnavailable("what is stored in files is out of reach") from error
        return True

    def get_beside(self, key: str, suffix: str) -> bytes | None:
        """Returns bytes that are derived from the blob `key`, or None."""
        return self.get(_beside(key, suffix))

    def delete(self, key: str) -> None:
        """Removes a blob and everything derived from it; what is missing is ignored."""
        for found in self._keys(prefix=key.rpartition(".")[0]):
            obstore.delete(self._store, found)

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Yields all that is stored, by key, without what goes away meanwhile. Raises BackupFailed."""
        try:
            for batch in obstore.list(self._store, prefix=PREVIEWS):
                for entry in batch:
                    with suppress(NotFoundError, FileNotFoundError):
                        yield entry["path"], bytes(obstore.get(self._store, entry["path"]).bytes())
        except BaseError as error:
            raise BackupFailed(f"previews cannot be read from {self.description.split('?')[0]}") from error

    def write(self, key: str, content: IO[bytes]) -> None:
        """Stores a file under the key that it had in another store; whoever restores all syncs once."""
        obstore.put(self._store, key, content)

    def older_than(self, age: timedelta) -> Iterator[str]:
        """Lists keys of blobs that were stored at least `age` ago."""
        limit = datetime.now(UTC) - age
        for batch in obstore.list(self._store, prefix=PREVIEWS):
            for entry in batch:
                if entry["last_modified"] <= limit:
                    yield entry["path"]

    def _keys(self, prefix: str) -> list[str]:
        folder, _, name = prefix.rpartition("/")
        return [
            entry["path"]
            for batch in obstore.list(self._store, prefix=folder)
            for entry in batch
            if entry["path"].startswith(f"{folder}/{name}")
        ]


def _beside(key: str, suffix: str) -> str:
    return key.rpartition(".")[0] + suffix
