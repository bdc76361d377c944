"""The field's own words: disputes, declared sources, and values in snake_case.

Answers of finished jobs are signed, so their old words cannot be rewritten: those jobs are deleted, as they
would have been after seven days. The problem of a failed job is not signed, and is rewritten.

Revision: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = {"contest": "dispute", "edge": "declared_source"}
CONSTRAINTS = sa.text(
    "SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(:table) AND conname LIKE :named"
)
INDEXES = sa.text("SELECT indexname FROM pg_indexes WHERE tablename = :table AND indexname LIKE :named")
PROBLEM = "urn:trueprint:problem:"


def upgrade() -> None:
    _rename_tables(TABLES)
    _replace("api_key", "scopes", "publish-fake", "publish_fake")
    _replace("declared_source", "operations", "re-encoded", "re_encoded")
    op.alter_column("index_position", "through_change", new_column_name="position")
    op.execute("DELETE FROM job WHERE status = 'done'")
    _rewrite_problems(one_word=("too-plain", "insufficient_detail"), letter=("-", "_"))


def downgrade() -> None:
    _rewrite_problems(one_word=("insufficient_detail", "too-plain"), letter=("_", "-"))
    op.execute("DELETE FROM job WHERE status = 'done'")
    op.alter_column("index_position", "position", new_column_name="through_change")
    _replace("declared_source", "operations", "re_encoded", "re-encoded")
    _replace("api_key", "scopes", "publish_fake", "publish-fake")
    _rename_tables({new: old for old, new in TABLES.items()})


def _rename_tables(names: dict[str, str]) -> None:
    """Rename the tables, and the constraints and indexes that are named after them.

    Their names are read from the catalogue: PostgreSQL 18 names NOT NULL constraints, older ones do not.
    """
    connection = op.get_bind()
    for old, new in names.items():
        op.rename_table(old, new)
        of_table = {"table": new, "named": f"%{old}%"}
        for constraint in connection.scalars(CONSTRAINTS, of_table).all():
            op.execute(
                f"ALTER TABLE {new} RENAME CONSTRAINT {constraint} TO {constraint.replace(old, new)}"
            )
        for index in connection.scalars(INDEXES, of_table).all():  # those of no constraint
            op.execute(f"ALTER INDEX {index} RENAME TO {index.replace(old, new)}")


def _replace(table: str, column: str, old: str, new: str) -> None:
    """Replace one value in an array of words."""
    op.execute(f"UPDATE {table} SET {column} = array_replace({column}, '{old}', '{new}')")


def _rewrite_problems(*, one_word: tuple[str, str], letter: tuple[str, str]) -> None:
    """Give the problem documents of failed jobs another code, and the type that ends in it."""
    old = "(problem::jsonb->>'code')"
    other = f"replace({old}, '{letter[0]}', '{letter[1]}')"
    new = f"CASE {old} WHEN '{one_word[0]}' THEN '{one_word[1]}' ELSE {other} END"
    op.execute(
        f"UPDATE job SET problem = (problem::jsonb || jsonb_build_object('code', {new}, "
        f"'type', '{PROBLEM}' || {new}))::text WHERE problem IS NOT NULL"
    )
