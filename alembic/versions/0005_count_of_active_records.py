"""The head counts the records that match, so that no answer has to.

Revision: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "log_head", sa.Column("active_records", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.execute("UPDATE log_head SET active_records = (SELECT count(*) FROM record WHERE status = 'active')")
    op.alter_column("log_head", "active_records", server_default=None)


def downgrade() -> None:
    op.drop_column("log_head", "active_records")
