"""Declared edges carry what the comparison found; records say whether they are intimate.

Revision: 0002
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("edge", sa.Column("agreement", sqlmodel.sql.sqltypes.AutoString(), nullable=False,
                                    server_default="not_compared"))  # fmt: skip
    op.add_column("edge", sa.Column("operations", postgresql.ARRAY(sa.String()), nullable=False,
                                    server_default="{}"))  # fmt: skip
    op.add_column("record", sa.Column("intimate", sa.Boolean(), nullable=False, server_default=sa.false()))
    # The defaults were for rows that exist; new rows say it themselves.
    op.alter_column("edge", "agreement", server_default=None)
    op.alter_column("edge", "operations", server_default=None)
    op.alter_column("record", "intimate", server_default=None)


def downgrade() -> None:
    op.drop_column("record", "intimate")
    op.drop_column("edge", "operations")
    op.drop_column("edge", "agreement")
