"""What witnesses cosigned of the log, and why it stopped signing.

Revision: 0011
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("log_head", sa.Column("stopped", sqlmodel.sql.sqltypes.AutoString(), nullable=True))
    op.create_table(
        "witnessed_checkpoint",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("checkpoint", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("cosigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_witnessed_checkpoint")),
    )


def downgrade() -> None:
    op.drop_table("witnessed_checkpoint")
    op.drop_column("log_head", "stopped")
