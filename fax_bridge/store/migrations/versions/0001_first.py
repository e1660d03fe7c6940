"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), server_default="", nullable=False),
        sa.CheckConstraint("state IN ('active', 'paused')", name=op.f("ck_account_state")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_account")),
    )
    op.create_table(
        "message",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("mail_from", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("subject", sa.Text(), server_default="", nullable=False),
        sa.Column("header_message_id", sa.Text(), server_default="", nullable=False),
        sa.Column("header_references", sa.Text(), server_default="", nullable=False),
        sa.Column("cover", sa.JSON(), nullable=True),
        sa.Column("fates", sa.JSON(), nullable=True),
        sa.Column("pages", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sha256", sa.String(length=64), server_default="", nullable=False),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), server_default="", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("owner", sa.String(length=40), nullable=True),
        sa.Column("claims", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "state IN ('accepted', 'ready', 'ended', 'reported', 'correcting', 'corrected')",
            name=op.f("ck_message_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
    )
    op.create_index(
        "ix_message_due",
        "message",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_message_ended", "message", ["ended_at"], unique=False)
    op.create_table(
        "message_piece",
        sa.Column("message_id", sa.String(length=26), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", "seq", name=op.f("pk_message_piece")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("about", sa.String(length=26), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("give_up_at", sa.BigInteger(), nullable=False),
        sa.Column("mail_from", sa.Text(), nullable=False),
        sa.Column("recipients", sa.JSON(), nullable=False),
        sa.Column("refused", sa.JSON(), nullable=False),
        sa.Column("delivered", sa.Integer(), server_default="0", nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("last_error", sa.Text(), server_default="", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("owner", sa.String(length=40), nullable=True),
        sa.Column("claims", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'failed')", name=op.f("ck_outbox_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(op.f("ix_outbox_about"), "outbox", ["about"], unique=False)
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "push",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("owner", sa.String(length=40), nullable=True),
        sa.Column("claims", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("state IN ('stored', 'done', 'quarantined')", name=op.f("ck_push_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push")),
    )
    op.create_index(
        "ix_push_due",
        "push",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "received",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("provider_id", sa.String(length=128), nullable=False),
        sa.Column("push_id", sa.String(length=26), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("caller", sa.String(length=20), nullable=False),
        sa.Column("caller_raw", sa.Text(), nullable=False),
        sa.Column("called", sa.String(length=20), nullable=False),
        sa.Column("called_raw", sa.Text(), nullable=False),
        sa.Column("remote_station", sa.Text(), nullable=False),
        sa.Column("tiff", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("pages", sa.Integer(), server_default="0", nullable=False),
        sa.Column("problem", sa.Text(), server_default="", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("owner", sa.String(length=40), nullable=True),
        sa.Column("claims", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'received', 'converted', 'mailed', 'failed')", name=op.f("ck_received_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_received")),
        sa.UniqueConstraint("provider_id", name=op.f("uq_received_provider_id")),
    )
    op.create_index(
        "ix_received_due",
        "received",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "document",
        sa.Column("message_id", sa.String(length=26), nullable=False),
        sa.Column("pdf", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["message.id"], name=op.f("fk_document_message_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_document")),
    )
    op.create_table(
        "fax",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("message_id", sa.String(length=26), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("recipients", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("result", sa.String(length=16), nullable=True),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("repeat_key", sa.String(length=64), server_default="", nullable=False),
        sa.Column("provider_id", sa.String(length=128), nullable=True),
        sa.Column("request_id", sa.String(length=128), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("pages_sent", sa.Integer(), nullable=True),
        sa.Column("pages_total", sa.Integer(), nullable=True),
        sa.Column("remote_station", sa.Text(), server_default="", nullable=False),
        sa.Column("tried_count", sa.Integer(), nullable=True),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.Column("give_up_at", sa.BigInteger(), nullable=False),
        sa.Column("submitting_at", sa.BigInteger(), nullable=True),
        sa.Column("submitted_at", sa.BigInteger(), nullable=True),
        sa.Column("promised_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("owner", sa.String(length=40), nullable=True),
        sa.Column("claims", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "result IN ('delivered', 'busy', 'no_answer', 'not_a_fax', 'bad_number', 'line_fault', 'partial', 'refused', 'document', 'expired', 'cancelled', 'unknown')",
            name=op.f("ck_fax_result"),
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'held', 'submitting', 'submitted', 'unknown', 'delivered', 'failed', 'cancelled', 'unconfirmed', 'uncertain')",
            name=op.f("ck_fax_state"),
        ),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_fax_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fax")),
    )
    op.create_index(
        "ix_fax_give_up",
        "fax",
        ["give_up_at"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(op.f("ix_fax_message_id"), "fax", ["message_id"], unique=False)
    op.create_index(
        "ix_fax_promised",
        "fax",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('submitting', 'submitted', 'unknown')"),
        postgresql_where=sa.text("state IN ('submitting', 'submitted', 'unknown')"),
    )
    op.create_index("ix_fax_provider", "fax", ["provider_id"], unique=True)
    op.create_index(
        "ix_fax_queued",
        "fax",
        ["account", "due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index("ix_fax_repeat", "fax", ["repeat_key", "accepted_at"], unique=False)
    op.create_index(
        "ix_fax_unknown",
        "fax",
        ["number"],
        unique=False,
        sqlite_where=sa.text("state IN ('unknown', 'uncertain')"),
        postgresql_where=sa.text("state IN ('unknown', 'uncertain')"),
    )
    op.create_table(
        "status",
        sa.Column("push_id", sa.String(length=26), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("provider_id", sa.String(length=128), nullable=False),
        sa.Column("fax_id", sa.String(length=26), nullable=True),
        sa.Column("called", sa.String(length=32), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("ours", sa.Integer(), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("result", sa.String(length=16), nullable=True),
        sa.Column("final", sa.Integer(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["push_id"], ["push.id"], name=op.f("fk_status_push_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("push_id", "seq", name=op.f("pk_status")),
    )
    op.create_index(
        "ix_status_orphan",
        "status",
        ["called"],
        unique=False,
        sqlite_where=sa.text("fax_id IS NULL"),
        postgresql_where=sa.text("fax_id IS NULL"),
    )
    op.create_index("ix_status_provider", "status", ["provider_id"], unique=False)
    op.create_table(
        "fax_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("fax_id", sa.String(length=26), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["fax_id"], ["fax.id"], name=op.f("fk_fax_event_fax_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fax_event")),
    )
    op.create_index(op.f("ix_fax_event_fax_id"), "fax_event", ["fax_id"], unique=False)
