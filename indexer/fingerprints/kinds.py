"""Fingerprints: values of versioned kinds, how they are written, and how two of one kind are compared.

A new model or a changed preparation is a new kind. Values of different kinds are never compared.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint8]  # (n, bytes) packed bits
Vectors = npt.NDArray[np.float32]  # (n, dimensions), each of length one


class Family(StrEnum):
    """How the values of a kind are compared."""

    BINARY = "binary"  # Hamming distance in bits
    VECTOR = "vector"  # inner product of unit vectors


@dataclass(frozen=True)
class Kind:
    """A versioned way of making fingerprints."""

    name: str
    family: Family
    size: int  # bits for a binary kind, dimensions for a vector
    unused_bits: int = 0  # of a binary kind: the last ones, always zero, so that a code fills whole words

    @property
    def hex_digits(self) -> int:
        """Length of the text form of a binary value; leading bits fill up its first digit."""
        return -(-(self.size - self.unused_bits) // 4)


PDQ = Kind("pdq.v1", Family.BINARY, 256)
AUDIO = Kind("tp-sound.v1", Family.BINARY, 256)
PHASH = Kind("phash64.v1", Family.BINARY, 64)
DESCRIPTOR_V1 = Kind("tp-desc.v1", Family.VECTOR, 256)
DESCRIPTOR = Kind("tp-desc.v2", Family.VECTOR, 256)
SSCD = Kind("sscd.v1", Family.VECTOR, 512)
# Of lists that others keep, as the package `imagehash` computes and prints them (hash_lists.py).
AHASH = Kind("ahash64.v1", Family.BINARY, 64)
DHASH = Kind("dhash64.v1", Family.BINARY, 64)
WHASH = Kind("whash64.v1", Family.BINARY, 64)
COLORHASH = Kind("colorhash.v1", Family.BINARY, 64, unused_bits=22)
CROP_RESISTANT = Kind("crop-resistant.v1", Family.BINARY, 64)  # of one segment; a picture has several
HASH_LIST_KINDS = (AHASH, DHASH, WHASH, COLORHASH, CROP_RESISTANT)
# A descriptor that an operator brings is added by `add_kind` when a registry starts; none is ever removed.
KINDS = {kind.name: kind for kind in (PDQ, PHASH, AUDIO, DESCRIPTOR, DESCRIPTOR_V1, SSCD, *HASH_LIST_KINDS)}


def add_kind(kind: Kind) -> None:
    """Adds a kind. Raises InvalidFingerprint where its name already belongs to another kind."""
    if KINDS.setdefault(kind.name, kind) != kind:
        raise InvalidFingerprint(f"{kind.name} is {KINDS[kind.name].size} numbers here, not {kind.size}")


def vector_kinds() -> tuple[Kind, ...]:
    """Returns all kinds of descriptors that are known in this process."""
    return tuple(kind for kind in KINDS.values() if kind.family is Family.VECTOR)


def searched_kinds() -> tuple[Kind, ...]:
    """Returns every known kind that has an index. Values of pHash are only compared."""
    return (PDQ, AUDIO, *HASH_LIST_KINDS, *vector_kinds())


class InvalidFingerprint(ValueError):
    """Not a value of a kind that is known here."""


@dataclass(frozen=True)
class Fingerprint:
    """One value, the frame it was computed from, and its quality."""

    kind: str
    value: bytes  # packed bits, or float16 little-endian for a vector
    orientation: int = 0  # 0..7, the dihedral group in the order of `pdq.ORIENTATIONS`
    quality: int | None = None  # 0..100, PDQ's gradient measure
    time_ms: int = 0  # of the frame; a still image is a video of one frame

    def text(self) -> str:
        """Returns `kind:value`, with bits in hexadecimal and vectors in base64."""
        kind = KINDS[self.kind]
        if kind.family is Family.BINARY:
            number = int.from_bytes(self.value, "big") >> kind.unused_bits
            return f"{self.kind}:{number:0{kind.hex_digits}x}"
        return f"{self.kind}:{base64.b64encode(self.value).decode()}"


def parse_fingerprint(text: str, quality: int | None = None, orientation: int = 0) -> Fingerprint:
    """Reads what `Fingerprint.text` returned. Raises InvalidFingerprint."""
    name, _, encoded = text.partition(":")
    kind = KINDS.get(name)
    if kind is None:
        raise InvalidFingerprint(f"unknown kind {name[:40]!r}; known are {', '.join(KINDS)}")
    value = _parse_code(kind, encoded) if kind.family is Family.BINARY else _parse_vector(kind, encoded)
    return Fingerprint(name, value, orientation, quality)


def _parse_code(kind: Kind, encoded: str) -> bytes:
    if not re.fullmatch(f"[0-9A-Fa-f]{{{kind.hex_digits}}}", encoded):
        raise InvalidFingerprint(f"a value of {kind.name} is {kind.hex_digits} hexadecimal digits")
    number = int(encoded, 16) << kind.unused_bits
    if number >> kind.size:
        raise InvalidFingerprint(f"a value of {kind.name} has {kind.size - kind.unused_bits} bits")
    return number.to_bytes(kind.size // 8, "big")


def _parse_vector(kind: Kind, encoded: str) -> bytes:
    try:
        value = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        raise InvalidFingerprint(f"the value of {kind.name} cannot be read") from None
    if len(value) != kind.size * 2:
        raise InvalidFingerprint(f"{kind.name} has {kind.size * 2} bytes, not {len(value)}")
    length = float(np.linalg.norm(unpack_vectors([value])[0]))
    if not 0.98 < length < 1.02:
        raise InvalidFingerprint(f"{kind.name} must have length one")
    return value


def pack_vector(vector: npt.NDArray[np.float32]) -> bytes:
    """Packs a vector as it is stored: float16, little-endian."""
    return vector.astype("<f2").tobytes()


def unpack_vectors(values: list[bytes]) -> Vectors:
    """Unpacks stored vectors into an (n, dimensions) float32 array."""
    return np.stack([np.frombuffer(value, dtype="<f2") for value in values]).astype(np.float32)


def unpack_codes(values: list[bytes]) -> Codes:
    """Unpacks stored binary values into an (n, bytes) uint8 array."""
    return np.stack([np.frombuffer(value, dtype=np.uint8) for value in values])


def hamming(left: bytes, right: bytes) -> int:
    """Counts the bits that differ."""
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).bit_count()
