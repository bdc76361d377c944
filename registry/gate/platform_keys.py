"""Secrets of each organisation's gate, derived from a key of this registry, so that no row holds them.

What names an uploader or a file in the rows is a digest under such a key: who reads the database cannot try
out names, and two platforms' digests of one person have nothing in common.
"""

import hashlib
import hmac
import secrets
import time

ULID_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32
ADDRESS_BYTES = 16  # 128 bits, which nobody guesses


def key_of(registry_key: bytes, platform: str) -> bytes:
    """The key of one organisation's gate, 32 bytes."""
    return hmac.new(registry_key, b"gate\0" + platform.encode(), hashlib.sha256).digest()


def uploader_digest(platform_key: bytes, uploader_ref: str) -> str:
    """What stands for an uploader."""
    return _digest(platform_key, "uploader", uploader_ref)


def content_digest(platform_key: bytes, sha256: str) -> str:
    """What stands for a file, given its own digest."""
    return _digest(platform_key, "content", sha256)


def request_digest(platform_key: bytes, *parts: str) -> str:
    """What stands for a whole request, so that an Idempotency-Key is good for one."""
    return _digest(platform_key, "request", *(f"{len(part)}:{part}" for part in parts))


def page_address(platform_key: bytes, decision_id: str) -> str:
    """The last part of the address of a decision's page, which its public id does not give away."""
    return _digest(platform_key, "page", decision_id)[: 2 * ADDRESS_BYTES]


def _digest(key: bytes, purpose: str, *parts: str) -> str:
    return hmac.new(key, "\0".join((purpose, *parts)).encode(), hashlib.sha256).hexdigest()


def new_decision_id() -> str:
    """A ULID (github.com/ulid/spec): 48 bits of milliseconds, 80 random bits; sorts by time."""
    number = (time.time_ns() // 1_000_000 << 80) | secrets.randbits(80)
    return "".join(ULID_LETTERS[number >> (5 * place) & 31] for place in reversed(range(26)))
