"""A mail that only asks for a preview keeps its recipients beside it, not as faxes."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("message", sa.Column("preview", sa.JSON(), nullable=True))
