"""The parts that use cases work with, joined once at start; and what is computed from an upload."""

import hashlib
from dataclasses import dataclass

from sqlalchemy import Engine

from indexer.compare.features import LocalFeatures, extract_features
from indexer.fingerprints.compute import fingerprint_frame
from indexer.fingerprints.embedders import Embedder, Embedders
from indexer.fingerprints.kinds import Fingerprint
from indexer.media import errors as media
from indexer.media.images import DecodedImage
from indexer.media.sandbox import DecoderPool
from registry.answers import AnswerSigner
from registry.blobs import Blobs
from registry.errors import (
    DecoderGaveUp,
    MediaTooLarge,
    RegistryError,
    UndecodableMedia,
    UnsupportedMedia,
)
from registry.indexing import Indexing
from registry.log import Log
from registry.settings import Settings
from registry.thresholds import Thresholds

MEDIA_ERRORS: dict[type[media.MediaError], type[RegistryError]] = {
    media.UnsupportedFormat: UnsupportedMedia,
    media.TooLarge: MediaTooLarge,
    media.Undecodable: UndecodableMedia,
    media.DecoderStopped: DecoderGaveUp,
}


@dataclass(frozen=True)
class Services:
    """Made by `app`, handed to every use case."""

    settings: Settings
    engine: Engine
    log: Log
    indexing: Indexing
    blobs: Blobs
    decoder: DecoderPool
    embedders: Embedders
    signer: AnswerSigner
    thresholds: Thresholds
    faces_missing: str | None  # why faces are not compared; None: they are


@dataclass(frozen=True)
class Upload:
    """One asset as it was handed in: with its picture, or as fingerprints only."""

    digest_sha256: str | None
    fingerprints: tuple[Fingerprint, ...]
    quality: int | None
    too_plain: str | None
    image: DecodedImage | None = None
    features: LocalFeatures | None = None


def answering_embedders(services: Services) -> list[Embedder]:
    """Every descriptor by which some record is still described, the wanted one last."""
    wanted = services.embedders.wanted
    others = [services.embedders.of(kind) for kind in services.indexing.descriptors_held()]
    return [*(one for one in others if one is not None and one is not wanted), wanted]


def digest_of(content: bytes) -> str:
    """SHA-256 of the bytes as they were received, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def analyse(services: Services, content: bytes) -> Upload:
    """Decode in the limited process and fingerprint. Raises a MediaRefused error."""
    image = decode(services, content)
    frame = fingerprint_frame(image.pixels, *answering_embedders(services))
    return Upload(
        digest_sha256=digest_of(content),
        fingerprints=frame.fingerprints,
        quality=frame.quality,
        too_plain=frame.too_plain,
        image=image,
        features=extract_features(image.pixels),
    )


def decode(services: Services, content: bytes) -> DecodedImage:
    """Decode in the limited process; its errors become the registry's."""
    try:
        return services.decoder.decode(content)
    except media.MediaError as error:
        raise MEDIA_ERRORS[type(error)](str(error)) from error
