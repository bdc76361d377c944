"""The parts that use cases work with, joined once at start, and what one request is handed of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session

from registry.index.access import IndexAccess
from registry.log.answer_signer import AnswerSigner
from registry.log.transparency_log import Log
from registry.log.witnessing import Witnessing
from registry.media.previews import PreviewCache
from registry.media.uploads import UploadReader
from registry.records.access import Asker
from registry.records.query_chains import QueryChains
from registry.settings import Settings
from registry.storage.blobs import Blobs
from registry.storage.watch import DatabaseWatch
from registry.thresholds import Thresholds
from sdk.models import Effort


@dataclass(frozen=True)
class RequestContext:
    """What the functions of matching are handed: one transaction, and the parts that they read."""

    session: Session
    index: IndexAccess
    uploads: UploadReader
    previews: PreviewCache
    log: Log
    signer: AnswerSigner
    thresholds: Thresholds
    max_candidates: int  # registered assets that one upload is compared with
    faces_not_compared: str | None  # why faces are not compared, as a caller may read it; None: they are
    chains: QueryChains
    effort: Effort = Effort.STANDARD
    asked_by: Asker | None = None  # None: the registry itself, such as for a registration


@dataclass(frozen=True)
class Services:
    """Made by `app`. Use cases that write are handed it; matching is handed a `RequestContext`."""

    settings: Settings
    noted: Mapping[str, str]  # the version and the settings that the start noted
    engine: Engine
    database: DatabaseWatch
    log: Log
    witnessing: Witnessing
    index: IndexAccess
    blobs: Blobs
    uploads: UploadReader
    previews: PreviewCache
    signer: AnswerSigner
    webhook_key: bytes
    thresholds: Thresholds
    chains: QueryChains
    faces_missing: str | None  # why faces are not compared, for the operator; None: they are
    faults: tuple[str, ...] = ()  # what the operator must mend, as the start found it

    def in_request(
        self, session: Session, asked_by: Asker | None = None, effort: Effort | None = None
    ) -> RequestContext:
        """What this request works with; `asked_by`: who gets an answer about matches.

        `effort`: how closely pictures are compared, if not as the settings say.

        Asks nothing of the database: it is called on the event loop, and before uploads are decoded.
        """
        return RequestContext(
            session=session,
            index=self.index,
            uploads=self.uploads,
            previews=self.previews,
            log=self.log,
            signer=self.signer,
            thresholds=self.thresholds,
            max_candidates=self.settings.candidates,
            effort=effort or self.settings.effort,
            faces_not_compared=self._faces_not_compared(),
            chains=self.chains,
            asked_by=asked_by,
        )

    def _faces_not_compared(self) -> str | None:
        # The doctor says how to mend it; whoever asks about an upload only has to know that it was not
        # done.
        if self.faces_missing is not None and self.settings.faces:
            return "their networks are not installed here"
        return self.faces_missing
