"""The last record that a key signed is found without reading all of them.

Revision: 0012
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_record_kid_registered_at", "record", ["kid", "registered_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_record_kid_registered_at", table_name="record")
