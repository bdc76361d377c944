"""A known fake is reported by one, and confirmed by another publisher or a reviewer.

Revision: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


# Of what was registered before, the direction was not kept: a face that differs counts.
OF_A_FACE = (
    "UPDATE declared_source SET speaks_for_fake = true WHERE relation = 'derived_from' "
    "AND agreement = 'confirmed' AND operations && ARRAY['face_swap', 'face_reenacted']::varchar[]"
)


def upgrade() -> None:
    op.add_column(
        "declared_source",
        sa.Column("speaks_for_fake", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.alter_column("declared_source", "speaks_for_fake", server_default=None)
    op.execute(OF_A_FACE)
    op.create_table(
        "corroboration",
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("other_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["other_id"], ["record.id"], name=op.f("fk_corroboration_other_id_record")),
        sa.ForeignKeyConstraint(
            ["record_id"], ["record.id"], name=op.f("fk_corroboration_record_id_record")
        ),
        sa.PrimaryKeyConstraint("record_id", "other_id", name=op.f("pk_corroboration")),
    )
    op.create_index(op.f("ix_corroboration_other_id"), "corroboration", ["other_id"], unique=False)
    op.create_table(
        "fake_review",
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("reviewer_id", sa.String(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_fake_review_record_id_record")),
        sa.ForeignKeyConstraint(
            ["reviewer_id"], ["publisher.id"], name=op.f("fk_fake_review_reviewer_id_publisher")
        ),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_fake_review")),
    )


def downgrade() -> None:
    op.drop_column("declared_source", "speaks_for_fake")
    op.drop_table("fake_review")
    op.drop_index(op.f("ix_corroboration_other_id"), table_name="corroboration")
    op.drop_table("corroboration")
