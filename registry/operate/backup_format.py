"""What a backup is: a folder of files, a manifest that names each with its SHA-256, and the manifest's own.

`rows/` (a file a table), `blobs.tar`, `settings.env`, where they are used `descriptor`,
`models/`, `thresholds.toml` and `witnesses`, and `keys/` where they were asked for. The manifest is written
last: a folder without one was begun and never finished.
"""

import base64
import errno
import hashlib
import os
import re
import stat
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from registry.errors import BadBackup
from sdk.checkpoint import BadCheckpoint, Checkpoint, parse_checkpoint_unverified
from sdk.durable_files import write_new_durably

FORMAT = "trueprint-backup/1"
MANIFEST, MANIFEST_DIGEST = "manifest.json", "manifest.sha256"
BLOBS, SETTINGS, DESCRIPTOR_FILE, THRESHOLDS, WITNESSES = (
    "blobs.tar",
    "settings.env",
    "descriptor",
    "thresholds.toml",
    "witnesses",
)
ROWS, KEYS, MODELS = "rows", "keys", "models"  # folders
CHUNK_BYTES = 1 << 20
MAXIMUM_MANIFEST_BYTES = 16 << 20
MAXIMUM_LINE_BYTES = 200
# Of a file in a backup: nothing that leads out of it.
NAME = r"^(?:(?:rows|keys|models)/)?[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}$"


class Part(BaseModel):
    """A value of the manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class BackupFile(Part):
    """A file of the backup."""

    name: str = Field(pattern=NAME)
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class LogState(Part):
    """How far the log went."""

    origin: str
    size: int = Field(ge=0)
    root: str = Field(description="base64")
    checkpoint: str = Field(description="signed note over that size and root")
    keys: tuple[str, ...] = Field(strict=False, description="verifier keys of the log that were known here")


class Manifest(Part):
    """What is in a backup, and of which registry."""

    format: Literal["trueprint-backup/1"] = "trueprint-backup/1"
    made_at: datetime = Field(strict=False)
    version: str
    migration: str
    registry_id: str
    home: str = Field(description="where the registry was; its published checkpoint may still lie there")
    descriptor: str
    sequences: dict[str, Annotated[int, Field(ge=1, lt=1 << 63)]] = Field(
        description="the last number that each sequence of the database gave"
    )
    left_out: tuple[str, ...] = Field(
        (), strict=False, description="tables in the database that are not the registry's"
    )
    log: LogState
    with_keys: bool
    missing_previews: tuple[str, ...] = Field(
        strict=False, description="keys of previews that were lost already, or erased meanwhile"
    )
    files: tuple[BackupFile, ...] = Field(strict=False)

    @property
    def checkpoint(self) -> Checkpoint:
        """The tree that the log committed to. Raises BadBackup."""
        try:
            signed = parse_checkpoint_unverified(self.log.checkpoint)
        except BadCheckpoint as error:
            raise BadBackup(f"the checkpoint in the manifest: {error}") from error
        stated = self.log.origin, self.log.size, self.log.root
        if stated != (signed.origin, signed.size, base64.b64encode(signed.root).decode()):
            raise BadBackup("the manifest says something else of the log than its checkpoint")
        return signed

    def names(self, folder: str = "") -> list[str]:
        """The names of the files in that folder of the backup."""
        return [file.name for file in self.files if file.name.rpartition("/")[0] == folder]


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes the manifest and its digest, durably; `sha256sum -c manifest.sha256` checks it."""
    content = (manifest.model_dump_json(indent=1) + "\n").encode()
    write_new_durably(folder / MANIFEST, content)
    line = f"{hashlib.sha256(content).hexdigest()}  {MANIFEST}\n"
    write_new_durably(folder / MANIFEST_DIGEST, line.encode())


def read_manifest(folder: Path) -> Manifest:
    """Reads the manifest alone. Raises BadBackup."""
    if not folder.is_dir():
        raise BadBackup(f"{folder} is no folder")
    if not (folder / MANIFEST_DIGEST).exists():
        raise BadBackup(f"{folder} has no manifest: it is no backup, or one that was never finished")
    try:
        content = _read_plain(folder / MANIFEST, MAXIMUM_MANIFEST_BYTES)
        stated = _read_plain(folder / MANIFEST_DIGEST, MAXIMUM_LINE_BYTES).decode("ascii").split()[0]
    except (OSError, UnicodeDecodeError, IndexError):
        raise BadBackup(f"the manifest of {folder} cannot be read") from None
    if hashlib.sha256(content).hexdigest() != stated:
        raise BadBackup("the manifest is damaged: it does not have the digest that stands beside it")
    return parse_manifest(content)


def _read_plain(file: Path, most: int) -> bytes:
    """Reads a file that is one: no link, no device, nothing that waits. Raises OSError."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file", str(file))
        return opened.read(most)


def parse_manifest(content: bytes) -> Manifest:
    """Reads the text of a manifest. Raises BadBackup."""
    if re.search(rb'"format": *"trueprint-backup/1"', content) is None:
        raise BadBackup(f"the manifest is not of the format {FORMAT}: use the program that made it")
    try:
        return Manifest.model_validate_json(content)
    except ValidationError:
        raise BadBackup("the manifest does not have the form of one") from None


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Checks that the backup has the manifest's files, whole, and no others. Raises BadBackup."""
    if manifest.names(KEYS) and not manifest.with_keys:
        raise BadBackup("it has private keys, and its manifest says that it has none: somebody added them")
    for file in manifest.files:
        path = folder / file.name
        if path.is_symlink() or not path.is_file():
            raise BadBackup(f"{file.name} is missing")
        if path.stat().st_size != file.bytes:
            raise BadBackup(f"{file.name} has {path.stat().st_size} bytes, and had {file.bytes}")
        if digest_of(path) != file.sha256:
            raise BadBackup(f"{file.name} is damaged: its bytes are not those that were written")
    named = {file.name for file in manifest.files} | {MANIFEST, MANIFEST_DIGEST}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    if there - named:
        raise BadBackup(f"{min(there - named)} is not named by the manifest")
