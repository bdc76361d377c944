"""How far an index that all nodes share has come.

Revision: 0006
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "index_position",
        sa.Column("engine", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("through_change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("engine", name=op.f("pk_index_position")),
    )
    op.execute("INSERT INTO index_position VALUES ('milvus', 0), ('pgvector', 0)")


def downgrade() -> None:
    op.drop_table("index_position")
