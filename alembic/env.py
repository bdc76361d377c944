"""Runs migrations on the engine that `registry.db` hands over, or on TRUEPRINT_DATABASE_URL."""

import os
from contextlib import nullcontext

from alembic import context
from sqlalchemy import create_engine
from sqlmodel import SQLModel

import registry.storage.models  # noqa: F401  (fills the metadata)

engine = context.config.attributes.get("engine") or create_engine(os.environ["TRUEPRINT_DATABASE_URL"])


def is_ours(_object: object, name: str | None, *_: object) -> bool:
    """The queue keeps its own tables (migration 0003)."""
    return not (name or "").startswith("procrastinate_")


# A restore makes the tables in the transaction in which it fills them.
given = context.config.attributes.get("connection")

with nullcontext(given) if given is not None else engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        compare_server_default=True,
        include_object=is_ours,
    )
    with context.begin_transaction():
        context.run_migrations()
    if given is None:
        connection.commit()
