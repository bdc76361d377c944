"""Makes columns of types that several tables share."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, LargeBinary, MetaData
from sqlmodel import SQLModel

SQLModel.metadata.naming_convention = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
).naming_convention


CLOCKS_DIFFER_BY = timedelta(minutes=5)  # of the machines of one registry, at most


def now() -> datetime:
    """Returns the time that rows are stamped with."""
    return datetime.now(UTC)


def moment(*, nullable: bool = False) -> Column[Any]:
    """Makes a column for a point in time, with its zone."""
    return Column(DateTime(timezone=True), nullable=nullable)


def octets(*, nullable: bool = False) -> Column[Any]:
    """Makes a column for bytes."""
    return Column(LargeBinary, nullable=nullable)


def big_serial() -> Column[Any]:
    """Makes a column for a 64-bit key that the database numbers."""
    return Column(BigInteger, primary_key=True, autoincrement=True)
