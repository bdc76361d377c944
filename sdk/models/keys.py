"""The registry's own keys, of its log and of its answers, and what binds each to the next."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from sdk.models.base import Wire


class CommittedNote(Wire):
    """A signed note about a key, and the log's entry that commits to it."""

    note: Annotated[str, Field(description="a signed note (log) or a compact JWS (answers)")]
    log_index: int | None
    salt: Annotated[str | None, Field(description="base64; the entry commits to salt and note")]


class LogKeyPeriod(Wire):
    """A key of the log, and the sizes of the trees that it signs."""

    log_key: Annotated[str, Field(description="verifier key (vkey)")]
    first_size: int
    last_size: int | None  # null: it signs now


class LogKeys(Wire):
    """Every key that the log ever had, oldest first, and the notes that lead from one to the next."""

    origin: str
    keys: tuple[LogKeyPeriod, ...]
    notes: tuple[CommittedNote, ...]


class AnswerKeyPeriod(Wire):
    """A key of answers, and from when until when it signs them."""

    jwk: dict[str, Any]
    published_at: datetime
    signs_from: datetime | None  # null: the first
    signs_until: datetime | None  # null: no successor is published
    succession: CommittedNote | None  # statement of the key before it


class AnswerKeys(Wire):
    """Every key that signs, signed or will sign answers, oldest first."""

    origin: str
    keys: tuple[AnswerKeyPeriod, ...]
