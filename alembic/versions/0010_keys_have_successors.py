"""The log's keys and those of answers have a history; that of an older registry begins at its next start.

Revision: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "log_key_change",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("log_index", sa.BigInteger(), nullable=True),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_log_key_change")),
        sa.UniqueConstraint("log_index", name=op.f("uq_log_key_change_log_index")),
    )
    op.create_table(
        "answer_key",
        sa.Column("kid", sa.String(), nullable=False),
        sa.Column("jwk", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signs_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("statement", sa.String(), nullable=True),
        sa.Column("log_index", sa.BigInteger(), nullable=True),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_answer_key")),
        sa.UniqueConstraint("log_index", name=op.f("uq_answer_key_log_index")),
    )


def downgrade() -> None:
    op.drop_table("answer_key")
    op.drop_table("log_key_change")
