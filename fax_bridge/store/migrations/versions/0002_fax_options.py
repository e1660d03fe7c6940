"""What a sender asked to be told moves to the fax it is about; a time to send at; an account's rate; spooled mails.

DSN values (RFC 3461) were strings among the options of the message, where no query finds them.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

STEP = 500
"""Messages that are moved at once: a history of years must not have to fit into memory."""


def upgrade() -> None:
    op.add_column("message", sa.Column("dsn_ret", sa.String(length=4), server_default="", nullable=False))
    op.add_column("message", sa.Column("dsn_envid", sa.Text(), server_default="", nullable=False))
    op.add_column("message", sa.Column("spooled", sa.Integer(), server_default="0", nullable=False))
    op.add_column("fax", sa.Column("dsn", sa.JSON(), nullable=True))
    op.add_column("fax", sa.Column("send_at", sa.BigInteger(), nullable=True))
    op.add_column("account", sa.Column("next_at", sa.BigInteger(), server_default="0", nullable=False))
    in_hand = sa.text("owner IS NOT NULL AND state IN ('queued', 'submitting')")
    op.create_index("ix_fax_in_hand", "fax", ["account"], sqlite_where=in_hand, postgresql_where=in_hand)
    if op.get_bind().dialect.name == "postgresql":
        # Mails are mostly base64 and documents are compressed already: the server's own compression gains next to
        # nothing and costs more than the rest of the insert.
        for table, column in (("message_piece", "data"), ("document", "pdf"), ("push", "body"), ("received", "tiff")):
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")
    _move_dsn(op.get_bind())


def _move_dsn(conn: sa.Connection) -> None:
    message = sa.table("message", *map(sa.column, ("id", "dsn_ret", "dsn_envid")), sa.column("options", sa.JSON))
    fax = sa.table(
        "fax", *map(sa.column, ("id", "message_id")), *(sa.column(c, sa.JSON) for c in ("recipients", "dsn"))
    )
    last = ""
    while rows := conn.execute(sa.select(message).where(message.c.id > last).order_by(message.c.id).limit(STEP)).all():
        last = rows[-1].id
        for row in rows:
            if not any(key.startswith("dsn_") for key in row.options):
                continue
            options = {key: value for key, value in row.options.items() if not key.startswith("dsn_")}
            conn.execute(
                sa.update(message)
                .where(message.c.id == row.id)
                .values(
                    options=options, dsn_ret=row.options.get("dsn_ret", ""), dsn_envid=row.options.get("dsn_envid", "")
                )
            )
            asked = json.loads(row.options.get("dsn_rcpt") or "{}")
            for one in conn.execute(sa.select(fax).where(fax.c.message_id == row.id)).all() if asked else ():
                dsn = {address: asked[address] for address in one.recipients if address in asked}
                if dsn:
                    conn.execute(sa.update(fax).where(fax.c.id == one.id).values(dsn=dsn))
