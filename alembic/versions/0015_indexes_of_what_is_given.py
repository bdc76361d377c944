"""Decisions are indexed by uploader, record, reference, Idempotency-Key and job only where they have one.

Revision: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# Name, columns, the one that can be NULL.
INDEXES = (
    ("ix_decision_publisher_id_uploader", ["publisher_id", "uploader"], "uploader"),
    ("ix_decision_publisher_id_record_id", ["publisher_id", "record_id", "first_number"], "record_id"),
    ("ix_decision_publisher_id_content_ref", ["publisher_id", "content_ref"], "content_ref"),
    ("uq_decision_api_key_id_idempotency_key", ["api_key_id", "idempotency_key"], "idempotency_key"),
    ("ix_decision_job_id", ["job_id"], "job_id"),
)


def upgrade() -> None:
    for name, columns, given in INDEXES:
        _replace(name, columns, sa.text(f"{given} IS NOT NULL"))


def downgrade() -> None:
    for name, columns, _ in INDEXES:
        _replace(name, columns, None)


def _replace(name: str, columns: list[str], where: sa.TextClause | None) -> None:
    op.drop_index(name, "decision")
    op.create_index(name, "decision", columns, unique=name.startswith("uq_"), postgresql_where=where)
