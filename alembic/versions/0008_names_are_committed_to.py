"""Signing keys know the entry of the log that commits to them and to whose they are.

Those from before get theirs when the registry is started next, which has the log's key.

Revision: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("publisher_key", sa.Column("log_index", sa.BigInteger(), nullable=True))
    op.add_column("publisher_key", sa.Column("salt", sa.LargeBinary(), nullable=True))
    op.create_unique_constraint(op.f("uq_publisher_key_log_index"), "publisher_key", ["log_index"])


def downgrade() -> None:
    op.drop_constraint(op.f("uq_publisher_key_log_index"), "publisher_key", type_="unique")
    op.drop_column("publisher_key", "salt")
    op.drop_column("publisher_key", "log_index")
