"""What is registered: records, their sources, disputes and fingerprints, and the outbox of the index."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, String, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from registry.storage.models.columns import big_serial, moment, now, octets

ACTIVE, WITHDRAWN, ERASED = "active", "withdrawn", "erased"


class Record(SQLModel, table=True):
    """A publisher's signed statement about an asset. Never edited; withdrawn or erased."""

    __table_args__ = (
        # Withdrawn content may be registered again, as a new record.
        Index(
            "uq_record_publisher_digest_active",
            "publisher_id",
            "digest_sha256",
            unique=True,
            postgresql_where=text("status = 'active'"),
        ),
        Index("ix_record_registered_at", "registered_at"),
        # The last record of a key is looked up under the log's lock.
        Index("ix_record_kid_registered_at", "kid", "registered_at"),
    )

    id: str = Field(primary_key=True)  # the statement's urn:uuid, without its prefix
    publisher_id: str = Field(foreign_key="publisher.id")
    kid: str = Field(foreign_key="publisher_key.kid")
    # Salt and signed bytes go when the record is erased; the log's commitment then says nothing.
    jws: str | None
    salt: bytes | None = Field(sa_column=octets(nullable=True))
    log_index: int = Field(unique=True)
    digest_sha256: str | None = Field(index=True)
    asset_class: str
    label: str
    media_type: str | None
    width: int | None
    height: int | None
    duration_ms: int | None = None  # of a video; None: a still image
    status: str = ACTIVE
    preview_key: str | None = None
    # As its publisher says, or made from a record that is: seen by reviewers and by its publisher.
    intimate: bool = False
    registered_at: datetime = Field(default_factory=now, sa_column=moment())

    @property
    def is_media_seen(self) -> bool:
        """Whether the registry was shown the file; else its publisher sent fingerprints.

        Of every file that was decoded the size is known, and of nothing else.
        """
        return self.width is not None


class DeclaredSource(SQLModel, table=True):
    """What a publisher declares its record to come from, beside what the comparison found."""

    __tablename__ = "declared_source"

    record_id: str = Field(foreign_key="record.id", primary_key=True)
    relation: str = Field(primary_key=True)
    target: str = Field(primary_key=True, index=True)
    agreement: str = "not_compared"  # what the comparison said at registration
    operations: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(String), nullable=False))
    # Whether what the comparison found speaks for it that the record is a fake.
    speaks_for_fake: bool = False


class Dispute(SQLModel, table=True):
    """Two publishers claim near copies of one picture; both claims stay visible."""

    record_id: str = Field(foreign_key="record.id", primary_key=True)
    other_id: str = Field(foreign_key="record.id", primary_key=True, index=True)
    found_at: datetime = Field(default_factory=now, sa_column=moment())


class Corroboration(SQLModel, table=True):
    """Two publishers registered near copies of one picture as a known fake, each by itself."""

    record_id: str = Field(foreign_key="record.id", primary_key=True)
    other_id: str = Field(foreign_key="record.id", primary_key=True, index=True)
    found_at: datetime = Field(default_factory=now, sa_column=moment())


class FakeReview(SQLModel, table=True):
    """What a reviewer found of a known fake: the last review counts, the acts tell of all."""

    __tablename__ = "fake_review"

    record_id: str = Field(foreign_key="record.id", primary_key=True)
    reviewer_id: str = Field(foreign_key="publisher.id")
    confirmed: bool
    reason: str
    reviewed_at: datetime = Field(default_factory=now, sa_column=moment())


class Fingerprint(SQLModel, table=True):
    """One value of one versioned kind, taken at one time in one orientation."""

    id: int | None = Field(default=None, sa_column=big_serial())
    record_id: str = Field(foreign_key="record.id", index=True)
    kind: str
    orientation: int = 0
    time_ms: int = 0
    quality: int | None = None
    value: bytes = Field(sa_column=octets())


class IndexChange(SQLModel, table=True):
    """The outbox that the index of every node follows, appended in the transaction of the change itself."""

    __tablename__ = "index_change"

    seq: int | None = Field(default=None, sa_column=big_serial())
    operation: str  # add, remove or change
    fingerprint_ids: list[int] = Field(sa_column=Column(ARRAY(BigInteger), nullable=False))


class IndexPosition(SQLModel, table=True):
    """The position of an index that all nodes share; whoever applies changes to it locks its row."""

    __tablename__ = "index_position"

    engine: str = Field(primary_key=True)
    position: int = Field(sa_column=Column(BigInteger, nullable=False))


class IdempotencyKey(SQLModel, table=True):
    """What was answered to a request that may be sent again."""

    __tablename__ = "idempotency_key"

    api_key_id: str = Field(foreign_key="api_key.id", primary_key=True)
    key: str = Field(primary_key=True)
    request_sha256: str
    record_id: str = Field(foreign_key="record.id")
    created_at: datetime = Field(default_factory=now, sa_column=moment())
