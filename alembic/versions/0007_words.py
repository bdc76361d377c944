"""The field's own words: disputes, declared sources, and values in snake_case.

The answer of a finished match is signed, so its old words cannot be rewritten: those jobs are deleted, as
they would have been after seven days, and their webhooks are not delivered any more. Whoever needs an
answer asks again. What a finished registration answered and the problem of a failed job are not signed and
are rewritten.

Revision: 0007
"""

import json

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
    _forget_answers()
    _rewrite_results(
        {"contested_with": "disputed_with", "edges": "declared_sources"}, "re-encoded", "re_encoded"
    )
    _rewrite_problems(one_word=("too-plain", "insufficient_detail"), letter=("-", "_"))


def downgrade() -> None:
    _rewrite_problems(one_word=("insufficient_detail", "too-plain"), letter=("_", "-"))
    _rewrite_results(
        {"disputed_with": "contested_with", "declared_sources": "edges"}, "re_encoded", "re-encoded"
    )
    _forget_answers()
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
    op.execute(
        f"UPDATE {table} SET {column} = array_replace({column}, '{old}', '{new}') "
        f"WHERE '{old}' = ANY({column})"
    )


def _forget_answers() -> None:
    op.execute("DELETE FROM job WHERE status = 'done' AND kind = 'match'")


def _rewrite_results(fields: dict[str, str], old: str, new: str) -> None:
    """Give the summaries in the results of registrations other field names, and one operation another."""
    connection = op.get_bind()
    rows = connection.execute(
        sa.text("SELECT id, result FROM job WHERE kind = 'register' AND result IS NOT NULL")
    ).all()
    for job, result in rows:
        answer = json.loads(result)
        record = {fields.get(name, name): value for name, value in answer["record"].items()}
        for source in record.get("declared_sources", record.get("edges", [])):
            source["operations"] = [new if one == old else one for one in source["operations"]]
        connection.execute(
            sa.text("UPDATE job SET result = :result WHERE id = :job"),
            {"result": json.dumps({**answer, "record": record}), "job": job},
        )


def _rewrite_problems(*, one_word: tuple[str, str], letter: tuple[str, str]) -> None:
    """Give the problem documents of failed jobs another code, and the type that ends in it."""
    old = "(problem::jsonb->>'code')"
    other = f"replace({old}, '{letter[0]}', '{letter[1]}')"
    new = f"CASE {old} WHEN '{one_word[0]}' THEN '{one_word[1]}' ELSE {other} END"
    op.execute(
        f"UPDATE job SET problem = (problem::jsonb || jsonb_build_object('code', {new}, "
        f"'type', '{PROBLEM}' || {new}))::text WHERE problem IS NOT NULL"
    )
