"""The log's entries, tiles and head, what witnesses cosigned of it; the keys that sign it and answers."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from registry.storage.models.columns import moment, now, octets


class LogEntry(SQLModel, table=True):
    """A leaf of the log, which is never changed and never removed."""

    __tablename__ = "log_entry"

    index: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    entry: bytes = Field(sa_column=octets())


class LogTile(SQLModel, table=True):
    """Up to 256 hashes of one level; a stored tile only ever grows (c2sp.org/tlog-tiles)."""

    __tablename__ = "log_tile"

    level: int = Field(primary_key=True)
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    hashes: bytes = Field(sa_column=octets())


class LogHead(SQLModel, table=True):
    """The one row that says how far the log goes; moved by compare-and-swap only."""

    __tablename__ = "log_head"

    id: int = Field(default=1, primary_key=True)
    registry_id: str  # identity of this database; index snapshots name it
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    root: bytes = Field(sa_column=octets())
    checkpoint: str
    stopped: str | None = None  # why nothing is signed any more, until the operator removes it
    active_records: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))  # that can match


class WitnessedCheckpoint(SQLModel, table=True):
    """The one row of the newest checkpoint that enough witnesses cosigned; an older never replaces it."""

    __tablename__ = "witnessed_checkpoint"

    id: int = Field(default=1, primary_key=True)
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    root: bytes = Field(sa_column=octets())
    checkpoint: str  # with the lines of the witnesses
    cosigned_at: datetime = Field(sa_column=moment())  # last, by this registry's clock


class LogKeyChange(SQLModel, table=True):
    """How the log's keys changed: the first key, then notes that bind the next to it (`sdk.log_keys`)."""

    __tablename__ = "log_key_change"

    number: int = Field(primary_key=True)  # 0: the first key
    public_key: bytes | None = Field(default=None, sa_column=octets(nullable=True))  # of the first only
    note: str | None = None
    # Entry of the log that commits to the note.
    log_index: int | None = Field(default=None, sa_column=Column(BigInteger, unique=True, nullable=True))
    salt: bytes | None = Field(default=None, sa_column=octets(nullable=True))


class AnswerKey(SQLModel, table=True):
    """A key that signs answers from some time on, until the next one does; it is never deleted."""

    __tablename__ = "answer_key"

    kid: str = Field(primary_key=True)  # RFC 7638 thumbprint
    jwk: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    published_at: datetime = Field(default_factory=now, sa_column=moment())
    signs_from: datetime | None = Field(default=None, sa_column=moment(nullable=True))  # the first: always
    statement: str | None = None  # of the key before it; none of the first (`sdk.answer_keys`)
    # Entry of the log that commits to the statement.
    log_index: int | None = Field(default=None, sa_column=Column(BigInteger, unique=True, nullable=True))
    salt: bytes | None = Field(default=None, sa_column=octets(nullable=True))
