"""Administrative acts are kept: a chain of rows that the database lets nobody change or remove.

Revision: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

REFUSE = """
CREATE FUNCTION act_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'acts are appended, never changed or removed';
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "act",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("api_key_id", sa.String(), nullable=True),
        sa.Column("publisher_id", sa.String(), nullable=True),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=True),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_act")),
    )
    op.create_index("ix_act_type_number", "act", ["type", "number"])
    op.create_index(op.f("ix_act_publisher_id"), "act", ["publisher_id"])
    op.create_index(op.f("ix_act_object"), "act", ["object"])
    op.execute(REFUSE)
    op.execute(
        "CREATE TRIGGER act_is_append_only BEFORE UPDATE OR DELETE ON act "
        "FOR EACH ROW EXECUTE FUNCTION act_is_append_only()"
    )
    op.execute(
        "CREATE TRIGGER act_is_never_emptied BEFORE TRUNCATE ON act "
        "FOR EACH STATEMENT EXECUTE FUNCTION act_is_append_only()"
    )


def downgrade() -> None:
    op.drop_table("act")
    op.execute("DROP FUNCTION act_is_append_only()")
