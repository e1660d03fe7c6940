"""What is told of each page before it is sent: how dark it is, how long it takes."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("message", sa.Column("page_facts", sa.JSON(), nullable=True))
