"""Options of its own for each fax, and faxes to what is no number: phone books, contacts, distribution lists."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("fax", sa.Column("target", sa.String(length=80), server_default="", nullable=False))
    op.add_column("fax", sa.Column("options", sa.JSON(), nullable=True))
