"""Where private keys are: files, the environment, or a module that gives none away (PKCS#11).

A ring holds the keys of one purpose. What is told apart is the public half: the database says which keys
count, and the ring finds the private half of each, whatever it is called and wherever it is.
"""

import base64
import binascii
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from registry.errors import MissingKey
from registry.log.signers import Algorithm, NoSuchKey, Signer, signer_from
from sdk.durable_files import write_secret_once

FILE, ENVIRONMENT, PKCS11 = "file:", "env:", "pkcs11:"


@dataclass(frozen=True)
class KeyRing:
    """The private keys of one purpose.

    `references`: where they are; when there are none, the files of `folder` that `name` begins, such as
    `log.pem` and `log-8f84308d.pem` for `log`.
    """

    folder: Path
    name: str
    algorithm: Algorithm
    references: Sequence[str] = ()

    @property
    def makes_files(self) -> bool:
        """Whether a new key is made here, as a file. In other places its owner makes it."""
        return not self.references

    @property
    def first_file(self) -> Path:
        """Where the first key is, when keys are files of the folder."""
        return self.folder / f"{self.name}.pem"

    def signers(self) -> list[Signer]:
        """All keys that are here, the first one first. Raises MissingKey: one cannot be read."""
        files = sorted(self.folder.glob(f"{self.name}-*.pem"))
        first = [self.first_file] if self.first_file.exists() else []
        references = self.references or [f"{FILE}{path}" for path in (*first, *files)]
        found: dict[bytes, Signer] = {}
        for reference in references:
            signer = self._signer(reference)
            found.setdefault(signer.public_key, signer)
        return list(found.values())

    def signer(self, public_key: bytes) -> Signer:
        """The private half of a key. Raises MissingKey."""
        for signer in self.signers():
            if signer.public_key == public_key:
                return signer
        raise MissingKey(self.missing())

    def copies(self) -> tuple[dict[bytes, bytes], list[str]]:
        """The content of each key that references name, by its public half; and those that give none away.

        Raises MissingKey: one cannot be read.
        """
        copies: dict[bytes, bytes] = {}
        kept: list[str] = []
        for reference in self.references:
            if reference.startswith(PKCS11):
                kept.append(reference.partition("?")[0])
                continue
            signer = self._signer(reference)
            kind, colon, rest = reference.partition(":")
            copies[signer.public_key] = self._content(kind + colon, rest)
        return copies, kept

    def missing(self) -> str:
        """Says that a key is missing, and where it was looked for."""
        where = "the settings name" if self.references else f"lie in {self.folder}"
        expected = "" if self.references else f": restore {self.first_file} from your backup"
        return f"the private key of the registry's {self.name} is not among those that {where}{expected}"

    def make(self, stem: str) -> Signer:
        """Makes a key as a file `NAME-STEM.pem` of the folder, or finds the one of that name."""
        return self._made(self.folder / f"{self.name}-{stem}.pem")

    def give_to_owner(self) -> None:
        """Gives files that root made to the owner of the folder, as whom the service reads them.

        Raises MissingKey: it cannot be given.
        """
        owner = self.folder.stat()
        if os.geteuid() != 0 or owner.st_uid == 0:
            return
        for path in self.folder.glob(f"{self.name}*.pem"):
            try:
                _give(path, owner.st_uid, owner.st_gid)
            except OSError as error:
                raise MissingKey(f"{path} is not its folder's owner's: {error.strerror}") from error

    def make_first(self) -> Signer:
        """Makes the first key, or finds the one that a start left that was killed before its commit."""
        return self._made(self.first_file)

    def _made(self, path: Path) -> Signer:
        if not path.exists():
            key = Ed25519PrivateKey.generate() if self.algorithm is Algorithm.ED25519 else None
            private = key or generate_private_key(SECP256R1())
            pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            with suppress(FileExistsError):  # another process was first, whose key then counts
                write_secret_once(path, pem)
        self.give_to_owner()
        return self._signer(f"{FILE}{path}")

    def _signer(self, reference: str) -> Signer:
        """Opens the key of one reference. Raises MissingKey, which never repeats what it read."""
        kind, colon, rest = reference.partition(":")
        try:
            if kind + colon == PKCS11:
                from registry.log.pkcs11 import signer_in_module

                return signer_in_module(reference, self.algorithm)
            return signer_from(self._content(kind + colon, rest), self.algorithm)
        except OSError as error:
            raise MissingKey(f"the key in {rest} cannot be read: {error.strerror}") from error
        except (NoSuchKey, UnsupportedAlgorithm) as error:
            raise MissingKey(f"{rest} {error}") from error

    def _content(self, kind: str, rest: str) -> bytes:
        if kind == FILE:
            return (self.folder / rest).read_bytes()
        if kind == ENVIRONMENT:
            value = os.environ.get(rest)
            if not value:
                raise NoSuchKey("is not set in the environment")
            return _decoded(value)
        raise MissingKey(f"{kind}... is no place of keys: file:PATH, env:VARIABLE or pkcs11:...")


def _give(path: Path, user: int, group: int) -> None:
    """Gives a file of root's away, and nothing that a link leads to: others may write into that folder."""
    if path.is_symlink():
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == 0:
            os.fchown(descriptor, user, group)
    finally:
        os.close(descriptor)


def _decoded(value: str) -> bytes:
    """A key as a variable holds it: PEM, with line breaks or `\\n` for them, or base64 of PEM or DER."""
    if value.lstrip().startswith("-----BEGIN"):
        return value.replace("\\n", "\n").encode()
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise NoSuchKey("is neither PEM nor base64") from None
