"""What was done to the registry by those who run it and by publishers to what is theirs."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from registry.storage.models.columns import moment, octets


class Act(SQLModel, table=True):
    """One administrative act. The database refuses to change or remove a row (migration 0009)."""

    __table_args__ = (Index("ix_act_type_number", "type", "number"),)

    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))  # from 0
    at: datetime = Field(sa_column=moment())
    actor: str  # api_key, local_operator or registry
    api_key_id: str | None
    publisher_id: str | None = Field(index=True)  # whose API key it was
    type: str
    object: str | None = Field(index=True)  # id of what it was done to
    details: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    previous: bytes = Field(sa_column=octets())  # digest of the act before, 32 zeros at the first
    digest: bytes = Field(sa_column=octets())  # sdk.acts.digest_of
