"""Counters of what each sender, client and destination has taken; documents are found by their digest."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "quota",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("level", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_quota")),
    )
    op.create_index(op.f("ix_quota_expires_at"), "quota", ["expires_at"])
    made = sa.text("sha256 <> ''")
    op.create_index("ix_message_sha256", "message", ["sha256"], sqlite_where=made, postgresql_where=made)
