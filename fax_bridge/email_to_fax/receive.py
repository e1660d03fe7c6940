"""The mail listeners: refuse early and with the right code, commit, then say 250.

The sessions speak the protocol (:mod:`fax_bridge.email_to_fax.smtp_session`); what is decided here is who may send to
what, and the single instant of acceptance: the 250 after the mail goes out when the message and its faxes are on disk,
not before.
"""

import asyncio
import contextlib
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from ulid import ULID

from fax_bridge.email_to_fax import loops, policy, quotas
from fax_bridge.email_to_fax.admit import Destination, Refusal, destination_of, sender_of
from fax_bridge.email_to_fax.incoming import LOCAL_ERROR, Incoming, reason_of
from fax_bridge.email_to_fax.smtp_connection import SHUTTING_DOWN, Connection
from fax_bridge.email_to_fax.smtp_limits import Room, Sessions
from fax_bridge.email_to_fax.smtp_session import LmtpSession, SmtpSession
from fax_bridge.email_to_fax.transaction import Recipient, Transaction
from fax_bridge.eventlog import event
from fax_bridge.fax import now
from fax_bridge.setting_types import UNIX, Listen, UnixSocket
from fax_bridge.settings import Sender, Settings
from fax_bridge.store import intake, quota
from fax_bridge.store.store import Store

log = structlog.get_logger("smtp")

BACKLOG = 512
"""Connections that wait to be taken; a burst of clients should not meet a closed door."""

ASKED_OTHERWISE = Refusal(
    "550 5.1.4 this mail has the number already, with other options; send the second fax in a mail of its own"
)
"""Two addresses of one number are one fax, which cannot go at two times; to pick one would be a guess."""

NOT_ALLOWED = Refusal("550 5.7.1 this sender may not send faxes from here")


class Intake:
    """All mail listeners of one daemon; their sessions share the limits."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self._store = store
        self._quotas = quotas.Quotas(settings)
        self._limits = Sessions(settings.smtp.max_sessions, settings.smtp.max_sessions_per_client)
        self._room = Room(settings.store.path, settings.smtp.min_free_bytes)
        self._sessions: set[Connection] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._servers: list[asyncio.Server] = []
        self._paths: list[Path] = []

    # --- listeners ------------------------------------------------------------------------------------

    async def listen_smtp(self, where: Listen) -> int:
        """Start a listener on the running loop; the port that it took. Raises ``OSError`` where there is none."""
        return await self._listen(lambda: SmtpSession(self), where)

    async def listen_lmtp(self, where: Listen | UnixSocket) -> int:
        """The same for LMTP; 0 for a Unix socket."""
        if isinstance(where, Listen):
            return await self._listen(lambda: LmtpSession(self), where)
        bound = _bind(where.path, int(self.settings.lmtp.mode, 8))
        self._paths.append(where.path)
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_unix_server(lambda: LmtpSession(self), sock=bound, backlog=BACKLOG))
        return 0

    async def _listen(self, session: Callable[[], Connection], where: Listen) -> int:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(session, where.host, where.port, reuse_address=True, backlog=BACKLOG)
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def stop(self, grace: float) -> None:
        """Take no more clients, let mails that are coming in end within ``grace`` seconds, finish the commits."""
        for server in self._servers:
            server.close()
        for path in self._paths:
            path.unlink(missing_ok=True)
        for session in tuple(self._sessions):
            session.retire()
        await self._left(grace)
        for session in tuple(self._sessions):
            session.hang_up(SHUTTING_DOWN)
        await self._left(1.0)
        while any(session.accepting for session in self._sessions):  # noqa: ASYNC110 — as below
            await asyncio.sleep(0.02)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _left(self, seconds: float) -> None:
        """Wait until all sessions have ended, but no longer than that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._sessions:  # noqa: ASYNC110 — happens once, at the end; an event would be set for nobody
                    await asyncio.sleep(0.02)

    # --- what sessions ask ----------------------------------------------------------------------------

    def enter(self, session: Connection) -> bool:
        """Whether the session may begin."""
        if not self._limits.enter(session.client, exempt=session.client == UNIX):
            log.warning("too many sessions", client=session.client)
            return False
        self._sessions.add(session)
        return True

    def leave(self, session: Connection) -> None:
        self._limits.leave(session.client)
        self._sessions.discard(session)

    @property
    def has_room(self) -> bool:
        return self._room.enough

    def admit(self, transaction: Transaction, client: str, address: str) -> Destination | Refusal:
        """What a recipient's address means, or the reply that refuses it."""
        mail_from = transaction.mail_from or ""
        sender = sender_of(self.settings, mail_from, client)
        if sender is None:
            event("rejected", mail_from=mail_from, client=client, to=address, why="sender")
            return NOT_ALLOWED
        if len(transaction.recipients) >= self.settings.smtp.max_recipients:
            return Refusal("452 4.5.3 too many recipients in one mail; send the rest in another")
        to = destination_of(self.settings, address)
        if isinstance(to, Destination) and any(
            one.number == to.number and one.options != to.options for one in transaction.recipients
        ):
            to = ASKED_OTHERWISE
        if isinstance(to, Destination) and (why := policy.recipient_refusal(self.settings, sender, transaction, to)):
            to = Refusal(why)
        if isinstance(to, Refusal):
            event("rejected", mail_from=mail_from, client=client, to=address, why=to.reply)
        return to

    def begin(self) -> Incoming:
        return Incoming(self._store, self.settings.smtp)

    def forget(self, mail: Incoming) -> None:
        """The mail's client went away, or it was refused: drop what the store has of it, in the background."""
        task = asyncio.create_task(mail.abandon())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def handle_exception(self, error: Exception) -> str:
        """A bug: the client keeps the mail and comes again (RFC 5321 §4.2.1)."""
        log.error("session failed", exc_info=error)
        return LOCAL_ERROR

    async def accept(self, transaction: Transaction, client: str, mail: Incoming) -> str:
        """Commit the mail; the reply to its client. This is the instant of acceptance."""

        try:
            content = await mail.finish()
            sender = sender_of(self.settings, transaction.mail_from or "", client)
            refusal = mail.refusal or loops.refusal_of(mail.digest.header, b"" if mail.in_store else content)
            if refusal or sender is None:
                self.forget(mail)
                event("rejected", mail.id, mail_from=transaction.mail_from, client=client, why=refusal)
                return refusal or NOT_ALLOWED.reply
            new = self._message(sender, transaction, client, mail, content)
            accepted = await self._store.write_each(intake.accept, new)
        except quota.OverLimit as over:
            self.forget(mail)
            event("rejected", mail.id, mail_from=transaction.mail_from, client=client, why=f"limit {over.limit.key}")
            return quotas.reply_of(over)
        except Exception as error:
            # The commit may have come through all the same, so the mail stays: the purge knows which belong to none.
            bug = None if hasattr(error, "orig") else error  # the database's faults tell enough by their words
            log.error("a mail could not be committed", id=mail.id, why=reason_of(error), exc_info=bug)
            return LOCAL_ERROR
        if not accepted.faxes:
            self.forget(mail)
        faxes = [f"{one.id}=+{one.number}" for one in accepted.faxes]
        repeats = {"repeats": list(accepted.repeated)} if accepted.repeated else {}
        event("accepted", new.id, mail_from=new.mail_from, client=client, size=mail.size, faxes=faxes, **repeats)
        return f"250 2.0.0 accepted as {new.id}" if faxes else "250 2.0.0 accepted before; this mail is a repeat"

    def _message(
        self, sender: Sender, transaction: Transaction, client: str, mail: Incoming, content: bytes
    ) -> intake.NewMessage:
        """One fax for each distinct number; two addresses that mean the same number are one fax."""
        mail_from = transaction.mail_from or ""
        by_number: dict[str, list[Recipient]] = {}
        for recipient in transaction.recipients:
            by_number.setdefault(recipient.number, []).append(recipient)
        return intake.NewMessage(
            id=mail.id,
            account=sender.account,
            mail_from=mail_from,
            client=client,
            content=content,
            language=sender.language or self.settings.reports.language,
            options={key: value for key, value in _options(sender).items() if value},
            dsn=transaction.dsn,
            repeat_window=int(self.settings.smtp.repeat_window * 1000),
            charges=self._quotas.charges(sender, mail_from, client, mail.digest.message_id, by_number),
            line=policy.accepted_line(self.settings, sender, mail_from, client, mail.id),
            give_up_at=now() + int(self.settings.faxmax.queue_lifetime * 1000),
            faxes=tuple(
                intake.NewFax(
                    id=str(ULID()),
                    number=number,
                    recipients=tuple(dict.fromkeys(one.address for one in recipients)),
                    # Its options too: the same mail with another time to send is not the same fax.
                    repeat_key=mail.digest.key(
                        mail_from=mail_from, number=number + recipients[0].spelled, client=client
                    ),
                    send_at=recipients[0].options.send_at,
                    dsn={one.address: one.dsn for one in recipients if one.dsn.asks},
                )
                for number, recipients in by_number.items()
            ),
            staged_pieces=mail.staged_pieces,
            staged_bytes=mail.staged_bytes,
            spooled_bytes=mail.spooled_bytes,
        )


def _options(sender: Sender) -> dict[str, str]:
    """How this sender's faxes are sent."""
    return {"cli": sender.cli, "paper_size": sender.paper_size or "", "resolution": sender.resolution or ""}


def _bind(path: Path, mode: int) -> socket.socket:
    """A Unix socket with those permissions; one that a dead process left is taken over. Raises ``OSError``."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode) and not _answers(path):
            path.unlink()
        listener.bind(str(path))
        path.chmod(mode)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
