"""Jobs, and the tables of their queue.

The queue's schema is that of the installed procrastinate; a later version of it that needs other tables
comes with a migration here.

Revision: 0004
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op
from procrastinate.schema import SchemaManager

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = sqlmodel.sql.sqltypes.AutoString
    op.create_table(
        "job",
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", text(), nullable=False),
        sa.Column("kind", text(), nullable=False),
        sa.Column("api_key_id", text(), nullable=True),
        sa.Column("status", text(), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("payload_key", text(), nullable=True),
        sa.Column("statement", text(), nullable=True),
        sa.Column("idempotency_key", text(), nullable=True),
        sa.Column("webhook", text(), nullable=True),
        sa.Column("result", text(), nullable=True),
        sa.Column("problem", text(), nullable=True),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_key.id"], name=op.f("fk_job_api_key_id_api_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    # Several statements at once, which psycopg takes only without parameters.
    bind = op.get_bind().execution_options(no_parameters=True)
    bind.exec_driver_sql(SchemaManager.get_schema())


def downgrade() -> None:
    op.drop_table("job")
    op.execute(
        "DO $$ DECLARE one record; BEGIN "
        "FOR one IN SELECT oid::regclass AS name FROM pg_class WHERE relkind = 'r' "
        "AND relname LIKE 'procrastinate\\_%' LOOP "
        "EXECUTE 'DROP TABLE ' || one.name || ' CASCADE'; END LOOP; "
        "END $$"
    )
