"""The gate's rows: each organisation's policy packs, which of them counts, and what was decided."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, text
from sqlmodel import Field, SQLModel

from registry.storage.models.columns import moment, now, octets


def _where_given(name: str, *columns: str, unique: bool = False) -> Index:
    """An index of the rows that have a value in the last column that can be NULL."""
    given = next(column for column in reversed(columns) if column != "first_number")
    return Index(name, *columns, unique=unique, postgresql_where=text(f"{given} IS NOT NULL"))


class PolicyPack(SQLModel, table=True):
    """A checked policy pack of an organisation. Its text is never changed: it is named by its digest."""

    __tablename__ = "policy_pack"
    __table_args__ = (
        Index("uq_policy_pack_publisher_name_version", "publisher_id", "name", "version", unique=True),
    )

    publisher_id: str = Field(foreign_key="publisher.id", primary_key=True)
    sha256: str = Field(primary_key=True)
    name: str
    version: str
    title: str
    rules: int  # how many
    cases: int
    text: str
    added_by: str | None  # id of an API key
    added_at: datetime = Field(default_factory=now, sa_column=moment())


class PolicyActivation(SQLModel, table=True):
    """A pack that was switched on, or waits for a second person. A row is confirmed once, and stays."""

    __tablename__ = "policy_activation"

    publisher_id: str = Field(foreign_key="publisher.id", primary_key=True)
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))  # from 0
    mode: str  # active, shadow or shadow_ended
    sha256: str
    why: str
    asked_by: str  # id of an API key
    asked_at: datetime = Field(default_factory=now, sa_column=moment())
    confirmed_by: str | None = None
    effective_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    rollback_of: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))


class GateSettings(SQLModel, table=True):
    """How an organisation's gate works, where that is not the default."""

    __tablename__ = "gate_settings"

    publisher_id: str = Field(foreign_key="publisher.id", primary_key=True)
    two_people: bool = False
    one_person_asked_by: str | None = None  # id of the key that wants to end that, until another does
    retention_days: int = 730
    dispute_url: str | None = None


class Decision(SQLModel, table=True):
    """The state of one decision, for look-ups; what it says stands in its newest entry."""

    __table_args__ = (
        Index("ix_decision_publisher_id_first_number", "publisher_id", "first_number", unique=True),
        Index("ix_decision_publisher_id_content", "publisher_id", "content", "first_number"),
        Index("ix_decision_at", "at"),
        # Most decisions are about strangers and have none of these: what is not there costs nothing.
        _where_given("ix_decision_publisher_id_uploader", "publisher_id", "uploader"),
        _where_given("ix_decision_publisher_id_record_id", "publisher_id", "record_id", "first_number"),
        _where_given("ix_decision_publisher_id_content_ref", "publisher_id", "content_ref"),
        _where_given(
            "uq_decision_api_key_id_idempotency_key", "api_key_id", "idempotency_key", unique=True
        ),
        _where_given("ix_decision_job_id", "job_id"),
    )

    id: str = Field(primary_key=True)  # a ULID
    publisher_id: str = Field(foreign_key="publisher.id")
    at: datetime = Field(sa_column=moment())  # of the first entry
    first_number: int = Field(sa_column=Column(BigInteger, nullable=False))
    number: int = Field(sa_column=Column(BigInteger, nullable=False))  # of the newest entry
    address: str = Field(unique=True)  # of its page: nobody can guess it
    state: str
    outcome: str
    rule_id: str | None
    pack_sha256: str
    verdict: str | None
    record_id: (
        str | None
    )  # that it is about, where the match is sure; no foreign key: it outlives the record
    content_ref: str | None
    uploader: str | None  # digest under a key of the organisation's
    content: str | None  # digest of the file's digest under the same key
    is_dry_run: bool = False
    is_confirmed: bool = False  # by a person, as a violation
    api_key_id: str = Field(foreign_key="api_key.id")
    idempotency_key: str | None = None
    request_sha256: str | None = None
    job_id: str | None = None


class DecisionEntry(SQLModel, table=True):
    """One link of an organisation's chain of decisions: what was decided, or done to a decision.

    The digest is over a commitment to the body, so that body and salt can be deleted when their time is
    over, and the chain stays whole. The database refuses any other change (migration 0014).
    """

    __tablename__ = "decision_entry"
    __table_args__ = (
        Index("ix_decision_entry_decision_id", "decision_id"),
        Index(
            "ix_decision_entry_stated",
            "publisher_id",
            "number",
            postgresql_where=text("is_stated"),
        ),
    )

    publisher_id: str = Field(foreign_key="publisher.id", primary_key=True)
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))  # from 0
    decision_id: str | None  # None: the entry is about many, as `forgotten` is
    state: str
    at: datetime = Field(sa_column=moment())
    api_key_id: str | None
    is_stated: bool = False  # whether it has a statement for the DSA Transparency Database
    body: str | None  # JSON; None: its time is over
    salt: bytes | None = Field(sa_column=octets(nullable=True))
    commitment: bytes = Field(sa_column=octets())
    previous: bytes = Field(sa_column=octets())
    digest: bytes = Field(sa_column=octets())
