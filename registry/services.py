"""The parts that use cases work with, joined once at start."""

from dataclasses import dataclass

from sqlalchemy import Engine

from indexer.fingerprints.embedders import Embedders
from indexer.media.sandbox import DecoderPool
from registry.index.access import IndexAccess
from registry.log.answer_signer import AnswerSigner
from registry.log.transparency_log import Log
from registry.settings import Settings
from registry.storage.blobs import Blobs
from registry.thresholds import Thresholds


@dataclass(frozen=True)
class Services:
    """Made by `app`, handed to every use case."""

    settings: Settings
    engine: Engine
    log: Log
    index: IndexAccess
    blobs: Blobs
    decoder: DecoderPool
    video_decoder: DecoderPool  # apart, so that a long video keeps no picture waiting
    embedders: Embedders
    signer: AnswerSigner
    webhook_key: bytes
    thresholds: Thresholds
    faces_missing: str | None  # why faces are not compared; None: they are
