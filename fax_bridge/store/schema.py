"""The tables. Every table that holds work has the three columns of a lease (see :mod:`fax_bridge.store.lease`).

``due_at`` is the instant at which the row next wants a worker, NULL where nothing is to be done; ``owner`` is
the worker that holds it; ``claims`` counts the times it was claimed and fences a worker that outlived its lease.
All instants are milliseconds since the epoch (:data:`fax_bridge.fax.Instant`).
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from fax_bridge.fax import (
    AccountState,
    DeliveryKind,
    DeliveryState,
    FaxState,
    MessageState,
    NoticeKind,
    OutboxState,
    PushState,
    ReceivedState,
    ResultClass,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = String(26)
"""A ULID: sorts by time, and can be read out over the telephone."""


def one_of(column: str, words: type[StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def lease() -> list[Column[Any]]:
    return [
        Column("due_at", BigInteger),
        Column("owner", String(40)),
        Column("claims", Integer, nullable=False, server_default="0"),
    ]


account = Table(
    "account",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("changed_at", BigInteger, nullable=False),
    Column("fingerprint", String(64), nullable=False, server_default=""),
    Column("next_at", BigInteger, nullable=False, server_default="0"),
    one_of("state", AccountState),
)
"""``next_at``: with a rate limit, the instant that the next fax would be due if all went at that rate."""

message = Table(
    "message",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("accepted_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("mail_from", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("spooled", Integer, nullable=False, server_default="0"),
    Column("language", String(8), nullable=False),
    Column("options", JSON, nullable=False),
    Column("preview", JSON(none_as_null=True)),
    Column("dsn_ret", String(4), nullable=False, server_default=""),
    Column("dsn_envid", Text, nullable=False, server_default=""),
    Column("reports", JSON(none_as_null=True)),
    Column("header_auto_submitted", String(40), nullable=False, server_default=""),
    Column("subject", Text, nullable=False, server_default=""),
    Column("header_message_id", Text, nullable=False, server_default=""),
    Column("header_references", Text, nullable=False, server_default=""),
    Column("cover", JSON),
    Column("fates", JSON),
    Column("page_facts", JSON),
    Column("pages", Integer, nullable=False, server_default="0"),
    Column("sha256", String(64), nullable=False, server_default=""),
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("last_error", Text, nullable=False, server_default=""),
    *lease(),
    one_of("state", MessageState),
    Index("ix_message_ended", "ended_at"),
    Index("ix_message_sha256", "sha256", sqlite_where=text("sha256 <> ''"), postgresql_where=text("sha256 <> ''")),
    Index(
        "ix_message_due",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
)

"""``spooled``: 1 while the mail is a file of the spool (:mod:`fax_bridge.store.spool`), and not in pieces here.

``preview``: NULL for a mail that is faxed. Else its sender only asked what it would become, and the recipients stand
here instead of in rows of ``fax``: what has no row there can never be handed to FaxMAX."""

notice = Table(
    "notice",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("message_id", Id, ForeignKey("message.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    *lease(),
    one_of("kind", NoticeKind),
    Index(
        "ix_notice_due",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
)
"""A word to a sender before the report. The id is made from what it is about (``early-<message>``); a row that was
dealt with stays, without ``due_at``, so that it is never dealt with again."""

message_piece = Table(
    "message_piece",
    metadata,
    Column("message_id", Id, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
"""The mail as it came, in pieces, so that a large one never has to be one value, nor in memory at once.

No foreign key: pieces of a mail that is still coming in are *staged* before there is a message. Those that never
get one are purged (:func:`fax_bridge.store.messages.purge_staged`)."""

document = Table(
    "document",
    metadata,
    Column("message_id", Id, ForeignKey("message.id", ondelete="CASCADE"), primary_key=True),
    Column("pdf", LargeBinary, nullable=False),
)

fax = Table(
    "fax",
    metadata,
    Column("id", Id, primary_key=True),
    Column("message_id", Id, ForeignKey("message.id"), nullable=False, index=True),
    Column("account", String(64), nullable=False),
    Column("number", String(20), nullable=False),
    Column("recipients", JSON, nullable=False),
    Column("target", String(80), nullable=False, server_default=""),
    Column("options", JSON(none_as_null=True)),
    Column("dsn", JSON(none_as_null=True)),
    Column("state", String(16), nullable=False),
    Column("result", String(16)),
    Column("detail", Text, nullable=False, server_default=""),
    Column("repeat_key", String(64), nullable=False, server_default=""),
    Column("provider_id", String(128)),
    Column("request_id", String(128)),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("pages_sent", Integer),
    Column("pages_total", Integer),
    Column("remote_station", Text, nullable=False, server_default=""),
    Column("tried_count", Integer),
    Column("accepted_at", BigInteger, nullable=False),
    Column("give_up_at", BigInteger, nullable=False),
    Column("send_at", BigInteger),
    Column("submitting_at", BigInteger),
    Column("submitted_at", BigInteger),
    Column("promised_at", BigInteger),
    Column("ended_at", BigInteger),
    *lease(),
    one_of("state", FaxState),
    one_of("result", ResultClass),
    Index(
        "ix_fax_queued",
        "account",
        "due_at",
        sqlite_where=text("state = 'queued'"),
        postgresql_where=text("state = 'queued'"),
    ),
    Index(
        "ix_fax_promised",
        "due_at",
        sqlite_where=text("state IN ('submitting', 'submitted', 'unknown')"),
        postgresql_where=text("state IN ('submitting', 'submitted', 'unknown')"),
    ),
    Index(
        "ix_fax_give_up",
        "give_up_at",
        sqlite_where=text("state = 'queued'"),
        postgresql_where=text("state = 'queued'"),
    ),
    Index(
        "ix_fax_in_hand",
        "account",
        sqlite_where=text("owner IS NOT NULL AND state IN ('queued', 'submitting')"),
        postgresql_where=text("owner IS NOT NULL AND state IN ('queued', 'submitting')"),
    ),
    Index("ix_fax_provider", "provider_id", unique=True),
    Index("ix_fax_repeat", "repeat_key", "accepted_at"),
    Index(
        "ix_fax_unknown",
        "number",
        sqlite_where=text("state IN ('unknown', 'uncertain')"),
        postgresql_where=text("state IN ('unknown', 'uncertain')"),
    ),
)
"""``dsn`` holds, by address, the NOTIFY and ORCPT of each recipient that gave any (RFC 3461); ``send_at`` is the
earliest instant at which it may go out; ``target`` is what it goes to where ``number`` is empty, or was until FaxMAX
named it (:class:`fax_bridge.fax.TargetKind`); ``options`` is what its own address asked for."""

fax_event = Table(
    "fax_event",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("fax_id", Id, ForeignKey("fax.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("note", Text, nullable=False, server_default=""),
)
"""What happened to a fax, a line for each step: the answer to "where is it?"."""

push = Table(
    "push",
    metadata,
    Column("id", Id, primary_key=True),
    Column("received_at", BigInteger, nullable=False),
    Column("client", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    *lease(),
    one_of("state", PushState),
    Index(
        "ix_push_due",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
)

status = Table(
    "status",
    metadata,
    Column("push_id", Id, ForeignKey("push.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("received_at", BigInteger, nullable=False),
    Column("provider_id", String(128), nullable=False),
    Column("fax_id", Id),
    Column("called", String(32), nullable=False),
    Column("requested_at", BigInteger, nullable=False),
    Column("ours", Integer, nullable=False),
    Column("word", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("result", String(16)),
    Column("final", Integer, nullable=False),
    Column("facts", JSON, nullable=False),
    Index("ix_status_provider", "provider_id"),
    Index(
        "ix_status_orphan",
        "called",
        sqlite_where=text("fax_id IS NULL"),
        postgresql_where=text("fax_id IS NULL"),
    ),
)
"""Every ``OUTGOING_FAX`` element, as understood. One that is no fax's of ours (yet) has no ``fax_id``: it came
before our own answer was stored, or belongs to an ``unknown`` fax, or was sent from FaxMAX's own pages."""

received = Table(
    "received",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", String(64), nullable=False),
    Column("provider_id", String(128), nullable=False),
    Column("push_id", Id, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("caller", String(20), nullable=False),
    Column("caller_raw", Text, nullable=False),
    Column("called", String(20), nullable=False),
    Column("called_raw", Text, nullable=False),
    Column("remote_station", Text, nullable=False),
    Column("tiff", LargeBinary),
    Column("state", String(16), nullable=False),
    Column("pages", Integer, nullable=False, server_default="0"),
    Column("problem", Text, nullable=False, server_default=""),
    Column("fallback_reason", String(32), nullable=False, server_default=""),
    *lease(),
    one_of("state", ReceivedState),
    UniqueConstraint("provider_id"),
    Index(
        "ix_received_due",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
)

"""``fallback_reason``: why the fax goes, or went, to the fallback mailbox though it had other ones first."""

outbox = Table(
    "outbox",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("about", Id, nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("give_up_at", BigInteger, nullable=False),
    Column("mail_from", Text, nullable=False),
    Column("recipients", JSON, nullable=False),
    Column("addressed", JSON(none_as_null=True)),
    Column("refused", JSON, nullable=False),
    Column("delivered", Integer, nullable=False, server_default="0"),
    Column("content", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("last_error", Text, nullable=False, server_default=""),
    *lease(),
    one_of("state", OutboxState),
    Index(
        "ix_outbox_due",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
)
"""Mail that leaves. The id is made from what it is about (``report-<message>``), so that a thing is told once.
``recipients`` shrinks to those that are still waited for; ``addressed`` holds all, where bounces are awaited."""

delivery = Table(
    "delivery",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("about", Id, nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("give_up_at", BigInteger, nullable=False),
    Column("target", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("last_error", Text, nullable=False, server_default=""),
    *lease(),
    one_of("kind", DeliveryKind),
    one_of("state", DeliveryState),
    Index(
        "ix_delivery_due",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
)
"""A received fax on another way than by mail: into a directory, to a webhook, or kept for whoever has its link."""

bounce = Table(
    "bounce",
    metadata,
    Column("outbox_id", String(64), primary_key=True),
    Column("recipient", String(320), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("about", Id, nullable=False, index=True),
    Column("detail", Text, nullable=False, server_default=""),
)
"""Whose mail came back, once for each, however many bounces came; ``recipient`` is empty where none of them told."""

site_key = Table(
    "site_key",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
"""Random keys that this installation made for itself; a backup has them too, so that links outlive a restore."""

quota = Table(
    "quota",
    metadata,
    Column("key", Text, primary_key=True),
    Column("level", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)
"""What was taken of each limit (:mod:`fax_bridge.store.quota`): of a bucket the instant, in microseconds, at which it
is full again, of a cap how much."""

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("act", String(24), nullable=False),
    Column("who", Text, nullable=False),
    Column("by_right", Text, nullable=False),
    Column("about", String(64), nullable=False, index=True),
    Column("recipients", JSON, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("detail", Text, nullable=False),
    Column("keep_until", BigInteger, nullable=False, index=True),
)
"""Who did what, to whom, by which right. Triggers refuse to change a row, and to delete one before
``keep_until``."""

LEASED = tuple(table for table in metadata.sorted_tables if "claims" in table.c)
"""Every table that holds work: a start frees their leases, and they move with the clock."""
