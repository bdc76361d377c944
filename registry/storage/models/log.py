"""The transparency log's entries, tiles and head."""

from sqlalchemy import BigInteger, Column
from sqlmodel import Field, SQLModel

from registry.storage.models.columns import octets


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
    active_records: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))  # that can match
