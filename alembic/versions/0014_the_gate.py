"""The gate: policy packs, which of them counts, and decisions as a chain of rows per organisation.

Revision: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Of a row only body and salt can be deleted, both at once; nothing else is ever changed.
REFUSE = """
CREATE FUNCTION decision_entry_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.body IS NULL AND NEW.salt IS NULL AND OLD.body IS NOT NULL
        AND (NEW.publisher_id, NEW.number, NEW.state, NEW.at, NEW.commitment, NEW.previous, NEW.digest,
             NEW.is_stated)
          = (OLD.publisher_id, OLD.number, OLD.state, OLD.at, OLD.commitment, OLD.previous, OLD.digest,
             OLD.is_stated)
        AND NEW.decision_id IS NOT DISTINCT FROM OLD.decision_id
        AND NEW.api_key_id IS NOT DISTINCT FROM OLD.api_key_id
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'decisions are appended; only what they say is deleted, when its time is over';
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "policy_pack",
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("publisher_id", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("rules", sa.Integer(), nullable=False),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("added_by", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["publisher_id"], ["publisher.id"], name=op.f("fk_policy_pack_publisher_id_publisher")
        ),
        sa.PrimaryKeyConstraint("publisher_id", "sha256", name=op.f("pk_policy_pack")),
    )
    op.create_index(
        "uq_policy_pack_publisher_name_version",
        "policy_pack",
        ["publisher_id", "name", "version"],
        unique=True,
    )
    op.create_table(
        "policy_activation",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rollback_of", sa.BigInteger(), nullable=True),
        sa.Column("publisher_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("confirmed_by", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["publisher_id"], ["publisher.id"], name=op.f("fk_policy_activation_publisher_id_publisher")
        ),
        sa.PrimaryKeyConstraint("publisher_id", "number", name=op.f("pk_policy_activation")),
    )
    op.create_table(
        "gate_settings",
        sa.Column("publisher_id", sa.String(), nullable=False),
        sa.Column("two_people", sa.Boolean(), nullable=False),
        sa.Column("one_person_asked_by", sa.String(), nullable=True),
        sa.Column("retention_days", sa.Integer(), nullable=False),
        sa.Column("dispute_url", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["publisher_id"], ["publisher.id"], name=op.f("fk_gate_settings_publisher_id_publisher")
        ),
        sa.PrimaryKeyConstraint("publisher_id", name=op.f("pk_gate_settings")),
    )
    _create_decision()
    _create_decision_entry()
    op.add_column("job", sa.Column("gate_context", sa.String(), nullable=True))


def _create_decision() -> None:
    op.create_table(
        "decision",
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_number", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("publisher_id", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("rule_id", sa.String(), nullable=True),
        sa.Column("pack_sha256", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=True),
        sa.Column("record_id", sa.String(), nullable=True),
        sa.Column("content_ref", sa.String(), nullable=True),
        sa.Column("uploader", sa.String(), nullable=True),
        sa.Column("content", sa.String(), nullable=True),
        sa.Column("is_dry_run", sa.Boolean(), nullable=False),
        sa.Column("is_confirmed", sa.Boolean(), nullable=False),
        sa.Column("api_key_id", sa.String(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=True),
        sa.Column("request_sha256", sa.String(), nullable=True),
        sa.Column("job_id", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["publisher_id"], ["publisher.id"], name=op.f("fk_decision_publisher_id_publisher")
        ),
        sa.ForeignKeyConstraint(
            ["api_key_id"], ["api_key.id"], name=op.f("fk_decision_api_key_id_api_key")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision")),
        sa.UniqueConstraint("address", name=op.f("uq_decision_address")),
    )
    op.create_index(
        "ix_decision_publisher_id_first_number", "decision", ["publisher_id", "first_number"], unique=True
    )
    for column in ("uploader", "content_ref"):
        op.create_index(f"ix_decision_publisher_id_{column}", "decision", ["publisher_id", column])
    for column in ("content", "record_id"):  # of each the earliest is looked for
        op.create_index(
            f"ix_decision_publisher_id_{column}", "decision", ["publisher_id", column, "first_number"]
        )
    op.create_index(
        "uq_decision_api_key_id_idempotency_key",
        "decision",
        ["api_key_id", "idempotency_key"],
        unique=True,
    )
    op.create_index("ix_decision_at", "decision", ["at"])
    op.create_index(op.f("ix_decision_job_id"), "decision", ["job_id"])


def _create_decision_entry() -> None:
    op.create_table(
        "decision_entry",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.Column("commitment", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("publisher_id", sa.String(), nullable=False),
        sa.Column("decision_id", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("api_key_id", sa.String(), nullable=True),
        sa.Column("is_stated", sa.Boolean(), nullable=False),
        sa.Column("body", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["publisher_id"], ["publisher.id"], name=op.f("fk_decision_entry_publisher_id_publisher")
        ),
        sa.PrimaryKeyConstraint("publisher_id", "number", name=op.f("pk_decision_entry")),
    )
    op.create_index("ix_decision_entry_decision_id", "decision_entry", ["decision_id"])
    op.create_index(
        "ix_decision_entry_stated",
        "decision_entry",
        ["publisher_id", "number"],
        postgresql_where=sa.text("is_stated"),
    )
    op.execute(REFUSE)
    op.execute(
        "CREATE TRIGGER decision_entry_is_append_only BEFORE UPDATE OR DELETE ON decision_entry "
        "FOR EACH ROW EXECUTE FUNCTION decision_entry_is_append_only()"
    )
    op.execute(
        "CREATE TRIGGER decision_entry_is_never_emptied BEFORE TRUNCATE ON decision_entry "
        "FOR EACH STATEMENT EXECUTE FUNCTION decision_entry_is_append_only()"
    )


def downgrade() -> None:
    op.drop_column("job", "gate_context")
    for table in ("decision_entry", "decision", "gate_settings", "policy_activation", "policy_pack"):
        op.drop_table(table)
    op.execute("DROP FUNCTION decision_entry_is_append_only()")
