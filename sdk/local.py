"""Fingerprints a picture on this device, which it never leaves."""

import secrets
from pathlib import Path

from joserfc.jwk import ECKey

from sdk.models import FingerprintQuery, FingerprintRegistration, FingerprintValue
from sdk.records import AssetClass, Statement, fingerprints_digest, new_statement, sign_statement


def fingerprint_file(path: Path, *, with_descriptor: bool = False) -> list[FingerprintValue]:
    """Computes PDQ in eight orientations and pHash of a picture; on request the descriptor, by torch.

    Raises indexer.media.errors.MediaError.
    """
    # Imported here: signing and verifying must not need the imaging libraries.
    from indexer.fingerprints.hashes import compute_hashes
    from indexer.media.sandbox import DecoderPool

    with DecoderPool(1) as decoder:
        image = decoder.decode(path.read_bytes())
    full_size = image.width, image.height
    fingerprints = compute_hashes(image.pixels, full_size)
    if with_descriptor:
        from indexer.fingerprints.compute import fingerprint_frame
        from indexer.fingerprints.embedders import TorchEmbedder

        frame = fingerprint_frame(image.pixels, TorchEmbedder(), full_size=full_size)
        fingerprints = list(frame.fingerprints)
    return [
        FingerprintValue(
            value=fingerprint.text(), orientation=fingerprint.orientation, quality=fingerprint.quality
        )
        for fingerprint in fingerprints
    ]


def descriptor_device() -> str:
    """Returns the device that the descriptor runs on here: `cuda` or `cpu`."""
    from indexer.fingerprints.embedders import best_device

    return best_device()


def local_query(path: Path, *, with_descriptor: bool = False) -> FingerprintQuery:
    """Fingerprints a file into what `Client.match_fingerprints` takes."""
    return FingerprintQuery(fingerprints=tuple(fingerprint_file(path, with_descriptor=with_descriptor)))


def local_registration(
    fingerprints: list[FingerprintValue],
    issuer: str,
    asset_class: AssetClass,
    digest_sha256: str,
    label: str,
    key: ECKey,
) -> FingerprintRegistration:
    """Binds fingerprints to a signed statement, as `Client.register_fingerprints` takes them."""
    nonce = secrets.token_urlsafe(24)
    listed = [fingerprint.model_dump(mode="json") for fingerprint in fingerprints]
    statement: Statement = new_statement(
        issuer, asset_class, digest_sha256, label, fingerprints_sha256=fingerprints_digest(nonce, listed)
    )
    return FingerprintRegistration(
        statement=sign_statement(statement, key), nonce=nonce, fingerprints=tuple(fingerprints)
    )
