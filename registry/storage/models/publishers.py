"""Who may sign and who may ask."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, VARCHAR
from sqlmodel import Field, SQLModel

from registry.storage.models.columns import moment, now, octets


class Publisher(SQLModel, table=True):
    """An enrolled organisation: publisher, platform, researcher, reviewer or operator."""

    id: str = Field(primary_key=True)
    name: str
    contact: str
    did: str | None = Field(default=None, unique=True)
    role: str
    enrolled_at: datetime = Field(default_factory=now, sa_column=moment())

    @property
    def issuer(self) -> str:
        """Returns what this organisation's statements must name as issuer."""
        return self.did or f"urn:trueprint:publisher:{self.id}"


class PublisherKey(SQLModel, table=True):
    """A signing key. It is never deleted: old records are verified with it."""

    __tablename__ = "publisher_key"

    kid: str = Field(primary_key=True)  # RFC 7638 thumbprint
    publisher_id: str = Field(foreign_key="publisher.id", index=True)
    jwk: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    valid_from: datetime = Field(default_factory=now, sa_column=moment())
    valid_until: datetime | None = Field(default=None, sa_column=moment(nullable=True))  # rotated out
    revoked_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))  # compromised
    # Entry of the log that commits to the key and to whose it is, name included.
    log_index: int | None = Field(default=None, sa_column=Column(BigInteger, unique=True, nullable=True))
    salt: bytes | None = Field(default=None, sa_column=octets(nullable=True))


class ApiKey(SQLModel, table=True):
    """A credential for machines; only the digest of its secret is kept."""

    __tablename__ = "api_key"

    id: str = Field(primary_key=True)  # public, part of the secret's text
    publisher_id: str = Field(foreign_key="publisher.id", index=True)
    secret_sha256: str
    scopes: list[str] = Field(sa_column=Column(ARRAY(VARCHAR), nullable=False))
    created_at: datetime = Field(default_factory=now, sa_column=moment())
    expires_at: datetime = Field(sa_column=moment())
    revoked_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    last_used_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
