"""Operations are named in snake_case: `re_encoded`.

Revision: 0007
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE edge SET operations = array_replace(operations, 're-encoded', 're_encoded')")
    # Answers are signed in the words of their time and cannot be rewritten. Results of jobs are kept for a
    # short while only; whoever did not fetch one asks again.
    op.execute("DELETE FROM job WHERE result IS NOT NULL")


def downgrade() -> None:
    op.execute("UPDATE edge SET operations = array_replace(operations, 're_encoded', 're-encoded')")
    op.execute("DELETE FROM job WHERE result IS NOT NULL")
