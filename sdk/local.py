"""Fingerprints a picture on this device, which it never leaves."""

import secrets
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from joserfc.jwk import ECKey

from sdk.errors import BadRequest, SdkError, ServerError
from sdk.models import FingerprintQuery, FingerprintRegistration, FingerprintValue, IsolationLayer
from sdk.records import AssetClass, Statement, fingerprints_digest, new_statement, sign_statement

if TYPE_CHECKING:
    from indexer.media.images import DecodedImage
    from indexer.media.sandbox import DecoderPool

# What is wrong with a file has the code and title that the registry would answer with (docs/problems.md).
REFUSALS = {
    "UnsupportedFormat": (415, "unsupported_media", "This kind of file is not read"),
    "TooLarge": (413, "media_too_large", "The file is too large"),
    "Undecodable": (422, "undecodable_media", "The file cannot be decoded"),
    "DecoderLost": (503, "decoder_lost", "Reading the file was interrupted"),
    "DecoderStopped": (422, "decoder_gave_up", "The file needs too much time or memory to decode"),
}
SERVER_ERROR = 500
PICTURES_ONLY = "this is a video, and only pictures are fingerprinted on this device; send it instead"


class UnknownHash(SdkError):
    """No such kind of hash of a list."""


def fingerprint_file(
    path: Path,
    *,
    with_descriptor: bool = False,
    hash_lists: Sequence[str] = (),
    decoders: "DecoderPool | None" = None,
) -> list[FingerprintValue]:
    """Computes PDQ in eight orientations and pHash of a picture; on request the descriptor.

    `hash_lists`: kinds of hashes of lists that others keep, computed as well (docs/hash-lists.md);
    `decoders`: limited processes that many files share, else one is started for this file.
    Raises BadRequest as the registry would, OSError, and UnknownHash where a kind is none of them.
    """
    require_hash_lists(hash_lists)
    # Imported here: signing and verifying must not need the imaging libraries.
    from indexer.fingerprints.hash_lists import texts_of
    from indexer.fingerprints.hashes import compute_hashes

    image = _decoded(path.read_bytes(), decoders)
    full_size = image.width, image.height
    fingerprints = compute_hashes(image.pixels, full_size)
    if with_descriptor:
        from indexer.fingerprints.compute import fingerprint_frame
        from indexer.fingerprints.embedders import open_default

        frame = fingerprint_frame(image.pixels, open_default(), full_size=full_size)
        fingerprints = list(frame.fingerprints)
    if hash_lists:
        from indexer.fingerprints.imagehash_kinds import compute_hash_list_kinds

        fingerprints += compute_hash_list_kinds(image.pixels, hash_lists)
    return [
        FingerprintValue(value=text, quality=quality, orientation=orientation)
        for text, quality, orientation in texts_of(fingerprints)
    ]


def decoders(count: int) -> "DecoderPool":
    """Makes limited processes that decode, each when first needed; they are closed after the last file."""
    from indexer.media.sandbox import DecoderPool

    return DecoderPool(count)


def isolation() -> tuple[IsolationLayer, ...]:
    """What keeps a decoder that was taken over from harm on this machine."""
    with decoders(1) as pool:
        return tuple(IsolationLayer(**asdict(layer), holds=layer.holds) for layer in pool.isolation())


def _decoded(content: bytes, shared: "DecoderPool | None") -> "DecodedImage":
    from indexer.media.errors import MediaError
    from indexer.media.frames import VideoInfo

    with nullcontext(shared) if shared else decoders(1) as pool:
        try:
            identified = pool.identify(content)
        except MediaError as error:
            status, code, title = REFUSALS[type(error).__name__]
            refused = BadRequest if status < SERVER_ERROR else ServerError
            raise refused(status, code, title, str(error), {}) from error
    if isinstance(identified, VideoInfo):
        raise BadRequest(*REFUSALS["UnsupportedFormat"], PICTURES_ONLY, {})
    return identified


def require_hash_lists(kinds: Sequence[str]) -> None:
    """Raises UnknownHash where one of these is no kind of hash of a list."""
    from indexer.fingerprints.hash_lists import NAMES

    unknown = sorted(set(kinds) - set(NAMES))
    if unknown:
        raise UnknownHash(f"{', '.join(unknown)}: the kinds are {', '.join(NAMES)}")


def descriptor_device() -> str:
    """Returns the device that the descriptor runs on here: `cuda` or `cpu`."""
    from indexer.fingerprints.embedders import best_device

    return best_device()


def local_query(
    path: Path,
    *,
    with_descriptor: bool = False,
    hash_lists: Sequence[str] = (),
    decoders: "DecoderPool | None" = None,
) -> FingerprintQuery:
    """Fingerprints a file into what `Client.match_fingerprints` takes, as `fingerprint_file` does."""
    values = fingerprint_file(
        path, with_descriptor=with_descriptor, hash_lists=hash_lists, decoders=decoders
    )
    return FingerprintQuery(fingerprints=tuple(values))


def local_registration(
    fingerprints: list[FingerprintValue],
    issuer: str,
    asset_class: AssetClass,
    digest_sha256: str | None,
    label: str,
    key: ECKey,
) -> FingerprintRegistration:
    """Binds fingerprints to a signed statement, as `Client.register_fingerprints` takes them.

    `digest_sha256`: None where the file is not known, as in most lists that others keep.
    """
    nonce = secrets.token_urlsafe(24)
    listed = [fingerprint.model_dump(mode="json") for fingerprint in fingerprints]
    statement: Statement = new_statement(
        issuer, asset_class, digest_sha256, label, fingerprints_sha256=fingerprints_digest(nonce, listed)
    )
    return FingerprintRegistration(
        statement=sign_statement(statement, key), nonce=nonce, fingerprints=tuple(fingerprints)
    )
