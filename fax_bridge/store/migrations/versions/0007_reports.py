"""What a sender is told: the settings' word on it at the time of acceptance, and words that come before the report."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("message", sa.Column("reports", sa.JSON(), nullable=True))
    op.add_column(
        "message", sa.Column("header_auto_submitted", sa.String(length=40), server_default="", nullable=False)
    )
    op.create_table(
        "notice",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("message_id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("owner", sa.String(length=40), nullable=True),
        sa.Column("claims", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("kind IN ('early', 'delayed')", name=op.f("ck_notice_kind")),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_notice_message_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
    )
    due = sa.text("due_at IS NOT NULL")
    op.create_index("ix_notice_due", "notice", ["due_at"], sqlite_where=due, postgresql_where=due)
    op.create_index(op.f("ix_notice_message_id"), "notice", ["message_id"], unique=False)
