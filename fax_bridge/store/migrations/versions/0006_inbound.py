"""Received faxes on other ways than by mail, mails that come back, and the keys that sign links and bounce addresses."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("received", sa.Column("fallback_reason", sa.String(length=32), server_default="", nullable=False))
    op.add_column("outbox", sa.Column("addressed", sa.JSON(), nullable=True))
    op.create_table(
        "delivery",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("about", sa.String(length=26), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("give_up_at", sa.BigInteger(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("last_error", sa.Text(), server_default="", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("owner", sa.String(length=40), nullable=True),
        sa.Column("claims", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("kind IN ('directory', 'webhook', 'link')", name=op.f("ck_delivery_kind")),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name=op.f("ck_delivery_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
    )
    op.create_index(op.f("ix_delivery_about"), "delivery", ["about"])
    due = sa.text("due_at IS NOT NULL")
    op.create_index("ix_delivery_due", "delivery", ["due_at"], sqlite_where=due, postgresql_where=due)
    op.create_table(
        "bounce",
        sa.Column("outbox_id", sa.String(length=64), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("about", sa.String(length=26), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("outbox_id", "recipient", name=op.f("pk_bounce")),
    )
    op.create_index(op.f("ix_bounce_about"), "bounce", ["about"])
    op.create_table(
        "site_key",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_site_key")),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE delivery ALTER COLUMN content SET STORAGE EXTERNAL")
