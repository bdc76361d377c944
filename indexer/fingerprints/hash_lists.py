"""Hashes of lists that others keep: how their values are written, and what two of them say of each other.

Such a list holds values of `imagehash.average_hash`, `dhash`, `whash`, `colorhash` or
`crop_resistant_hash`, each as `str()` of the library prints it: 16 hexadecimal digits, 11 of a colour hash,
and of a crop-resistant hash those of its segments between commas. Each segment is a fingerprint of its own
here, so that every index holds codes of one length. Computes nothing: `imagehash_kinds` does.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from indexer.fingerprints.kinds import (
    COLORHASH,
    CROP_RESISTANT,
    HASH_LIST_KINDS,
    KINDS,
    Fingerprint,
    InvalidFingerprint,
    parse_fingerprint,
    unpack_codes,
)

NAMES = tuple(kind.name for kind in HASH_LIST_KINDS)
# `crop_resistant_hash` drops segments of 500 pixels or less out of 300 x 300.
MOST_SEGMENTS = 300 * 300 // 501
# Of unrelated pictures, one pair in 1,700 has one segment within 6 bits, one pair in 280,000 has two.
SEGMENTS_THAT_AGREE = 2
# A code with fewer bits set, or fewer clear, is that of a plain surface or of one edge. The 360 photographs
# of the development set have 8 to 50 bits set.
LEAST_BITS = 8
# A colour hash is fourteen shares of three bits. One in 200 unrelated pairs has the same value; of queries
# where this many shares are above zero it is one in 20,000.
SHARE_BITS, LEAST_SHARES = 3, 5
Text = tuple[str, int | None, int]  # `kind:value`, quality, orientation


def parse_fingerprints(
    text: str, quality: int | None = None, orientation: int = 0
) -> tuple[Fingerprint, ...]:
    """Read one value of any kind; a crop-resistant hash becomes one fingerprint per segment.

    Raises InvalidFingerprint.
    """
    name, _, encoded = text.partition(":")
    if name in NAMES and orientation:
        raise InvalidFingerprint(f"{name} is compared upright only: its orientation must be 0")
    if name != CROP_RESISTANT.name:
        return (parse_fingerprint(text, quality, orientation),)
    segments = encoded.split(",")
    if len(segments) > MOST_SEGMENTS:
        raise InvalidFingerprint(f"{name} has at most {MOST_SEGMENTS} segments")
    return tuple(parse_fingerprint(f"{name}:{segment}", quality) for segment in segments)


def texts_of(fingerprints: Iterable[Fingerprint]) -> list[Text]:
    """The fingerprints of one picture as they are written, the segments of one hash joined again."""
    texts: list[Text] = []
    segments: list[str] = []
    for fingerprint in fingerprints:
        if fingerprint.kind == CROP_RESISTANT.name:
            segments.append(fingerprint.text().partition(":")[2])
        else:
            texts.append((fingerprint.text(), fingerprint.quality, fingerprint.orientation))
    if segments:
        texts.append((f"{CROP_RESISTANT.name}:{','.join(segments)}", None, 0))
    return texts


def is_distinctive(fingerprint: Fingerprint) -> bool:
    """Whether one value of `NAMES` holds enough to tell pictures apart."""
    bits = np.unpackbits(np.frombuffer(fingerprint.value, np.uint8))
    if fingerprint.kind == COLORHASH.name:
        shares = bits[: KINDS[fingerprint.kind].size - COLORHASH.unused_bits].reshape(-1, SHARE_BITS)
        return int(shares.any(axis=1).sum()) >= LEAST_SHARES
    return LEAST_BITS <= int(bits.sum()) <= len(bits) - LEAST_BITS


def distances_by_kind(queries: Iterable[Fingerprint], references: Iterable[Fingerprint]) -> dict[str, int]:
    """Bits between the hashes of two pictures, by every kind of which both have a distinctive value."""
    own, others = distinctive_values(queries), distinctive_values(references)
    distances = {
        kind: distance_of_values(own[kind], others[kind], values_needed(kind))
        for kind in NAMES
        if kind in own and kind in others
    }
    return {kind: distance for kind, distance in distances.items() if distance is not None}


def has_distinctive_value(fingerprints: Iterable[Fingerprint]) -> bool:
    """Whether a picture can be found by one of its hashes."""
    by_kind = distinctive_values(fingerprints)
    return any(len(values) >= values_needed(kind) for kind, values in by_kind.items())


def distinctive_values(fingerprints: Iterable[Fingerprint]) -> dict[str, list[bytes]]:
    """The values of one picture that tell it apart, by kind."""
    by_kind: dict[str, list[bytes]] = {}
    for fingerprint in fingerprints:
        if fingerprint.kind in NAMES and is_distinctive(fingerprint):
            by_kind.setdefault(fingerprint.kind, []).append(fingerprint.value)
    return by_kind


def values_needed(kind: str) -> int:
    """How many values of a query must agree: one, of a crop-resistant hash so many segments."""
    return SEGMENTS_THAT_AGREE if kind == CROP_RESISTANT.name else 1


def distance_of_values(
    queries: Sequence[bytes], references: Sequence[bytes], segments: int = 1
) -> int | None:
    """Bits between two values of one kind; None: the query has too few segments.

    Each segment of the query is as far as the nearest segment of the reference, as in imagehash's
    `ImageMultiHash.hash_diff`; the distance is the `segments`-th smallest of these, which is the smallest
    `hamming_cutoff` at which that many segments match. A kind without segments has one.
    """
    if len(queries) < segments or not references:
        return None
    differing = np.bitwise_xor(unpack_codes(list(queries))[:, None], unpack_codes(list(references))[None])
    nearest = np.bitwise_count(differing).sum(axis=2).min(axis=1)
    return int(np.sort(nearest)[segments - 1])
