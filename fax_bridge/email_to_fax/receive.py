"""The mail listeners: refuse early and with the right code, commit, then say 250.

The sessions speak the protocol (:mod:`fax_bridge.email_to_fax.smtp_session`); what is decided here is who may send to
what, and the single instant of acceptance: the 250 after the mail goes out when the message and its faxes are on disk,
not before.
"""

import asyncio
import contextlib
import socket
import stat
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from ulid import ULID

from fax_bridge.certificates import certificates_of
from fax_bridge.email_to_fax import loops, policy, quotas
from fax_bridge.email_to_fax.admit import (
    NOT_ALLOWED,
    Destination,
    Peer,
    Refusal,
    destination_of,
    refusal_of,
    sender_of,
)
from fax_bridge.email_to_fax.grants import granted, numbers_to_show
from fax_bridge.email_to_fax.incoming import LOCAL_ERROR, Incoming, reason_of
from fax_bridge.email_to_fax.logins import Logins
from fax_bridge.email_to_fax.options import NO_COVER
from fax_bridge.email_to_fax.smtp_connection import SHUTTING_DOWN, Connection
from fax_bridge.email_to_fax.smtp_limits import Room, Sessions
from fax_bridge.email_to_fax.smtp_login import HANDSHAKE
from fax_bridge.email_to_fax.smtp_profile import Profile
from fax_bridge.email_to_fax.smtp_session import LmtpSession, SmtpSession
from fax_bridge.email_to_fax.system_mail import BY_ITSELF, Letter, SystemAddress, SystemMail, without_token
from fax_bridge.email_to_fax.transaction import Recipient, Transaction
from fax_bridge.eventlog import event
from fax_bridge.fax import now
from fax_bridge.report_wishes import ReportWishes, wants_delay
from fax_bridge.setting_types import UNIX, Listen, UnixSocket
from fax_bridge.settings import Sender, Settings
from fax_bridge.store import intake, quota
from fax_bridge.store.store import Store

if TYPE_CHECKING:
    from fax_bridge.email_to_fax.proof import Prover

log = structlog.get_logger("smtp")

BACKLOG = 512
"""Connections that wait to be taken; a burst of clients should not meet a closed door."""

TOO_MANY = Refusal("452 4.5.3 too many recipients in one mail; send the rest in another")
ASKED_OTHERWISE = Refusal(
    "550 5.1.4 this mail has the number already, with other options; send the second fax in a mail of its own"
)
"""Two addresses of one number are one fax, which cannot go at two times; to pick one would be a guess."""

ANOTHER_PAPER = Refusal(
    "550 5.1.4 the document of a mail has one paper, and this mail has another recipient without the same wish; "
    "send the fax on other paper in a mail of its own"
)
"""The pages are laid out for their paper, so another one is another document, with a report of its own."""

ANOTHER_COVER = Refusal(
    "550 5.1.4 this mail has another recipient with another wish for the cover; send the fax in a mail of its own"
)
"""A text stands on the cover or among the pages, which are the same for all."""

FAX_OR_PREVIEW = Refusal(
    "550 5.1.4 a mail is faxed or previewed, not both; send the one for this address in a mail of its own"
)
"""A person who asks for a preview wants to see the fax before it goes; both at once would be neither."""

CHANGED = "451 4.7.1 the settings have changed meanwhile, try again"

NOT_OURS = "550 5.1.2"
"""The beginning of the refusal of another domain. Which are ours, everybody may know."""


class Intake:
    """All mail listeners of one daemon; their sessions share the limits."""

    def __init__(self, settings: Settings, store: Store, system: SystemMail | None = None) -> None:
        """``system`` takes mail that is no fax; without it there are no such addresses.

        Raises ``BridgeError`` where a certificate cannot be used.
        """
        self.settings = settings
        self._store = store
        self._system = system
        self._certificates = certificates_of("smtp.tls", settings.smtp.tls)
        self._logins = Logins(settings.users) if settings.users else None
        self._prover: Prover | None = None
        self.smtp_profile = Profile(
            certificates=self._certificates,
            require_tls=settings.smtp.require_tls,
            logins=self._logins,
            proxies=settings.smtp.proxy_protocol_from,
        )
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

    async def listen_smtp_tls(self, where: Listen) -> int:
        """The same with TLS from the first octet."""
        profile = Profile(certificates=self._certificates, logins=self._logins)
        context = self._certificates.context if self._certificates else None
        tls = {"ssl": context, "ssl_handshake_timeout": HANDSHAKE}
        return await self._listen(lambda: SmtpSession(self, profile), where, **tls)

    async def listen_scanners(self, where: Listen) -> int:
        """The same for old scanners, which get neither TLS nor AUTH."""
        return await self._listen(lambda: SmtpSession(self, Profile(scanner=True)), where)

    async def listen_lmtp(self, where: Listen | UnixSocket) -> int:
        """The same for LMTP; 0 for a Unix socket."""
        if isinstance(where, Listen):
            return await self._listen(lambda: LmtpSession(self), where)
        bound = _bind(where.path, int(self.settings.lmtp.mode, 8))
        self._paths.append(where.path)
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_unix_server(lambda: LmtpSession(self), sock=bound, backlog=BACKLOG))
        return 0

    async def take_over(self, listener: socket.socket, *, lmtp: bool) -> int:
        """The same on a socket that listens already and is not ours to remove; its port, 0 for a Unix socket."""
        loop = asyncio.get_running_loop()
        kind = LmtpSession if lmtp else SmtpSession
        if listener.family == socket.AF_UNIX:
            keep: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
            server = await loop.create_unix_server(lambda: kind(self), sock=listener, backlog=BACKLOG, **keep)
        else:
            server = await loop.create_server(lambda: kind(self), sock=listener, backlog=BACKLOG)
        self._servers.append(server)
        name = server.sockets[0].getsockname()
        return int(name[1]) if isinstance(name, tuple) else 0

    @property
    def listens(self) -> bool:
        return all(server.is_serving() for server in self._servers)

    async def _listen(self, session: Callable[[], Connection], where: Listen, **tls: Any) -> int:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(session, where.host, where.port, reuse_address=True, backlog=BACKLOG, **tls)
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
        if self._prover:
            self._prover.close()
        if self._logins:
            self._logins.close()

    def _the_prover(self) -> "Prover":
        """Made for the first mail that has to prove something: its libraries take 4 MB and, once, 60 ms of the loop."""
        if self._prover is None:
            from fax_bridge.email_to_fax.proof import Prover

            self._prover = Prover(self.settings.smtp)
        return self._prover

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

    def admit(
        self, transaction: Transaction, client: str, address: str
    ) -> Destination | SystemAddress | Refusal | None:
        """What a recipient's address means, or the reply that refuses it.

        ``None``: it is refused, but the client may not know yet, because it has still to prove who it is.
        """
        mail_from = transaction.mail_from or ""
        system = self._system.recipient(mail_from, address) if self._system else None
        if isinstance(system, Refusal):
            event("rejected", mail_from=mail_from, client=client, to=without_token(address), why=system.reply)
            return system
        if (system and (transaction.recipients or transaction.put_off)) or (transaction.system and not system):
            return BY_ITSELF
        if system:
            return system if len(transaction.system) < self.settings.smtp.max_recipients else TOO_MANY
        # Who? Before that is settled the recipient is not even looked at: each costs the same, and hears the same.
        sender = transaction.sender or sender_of(self.settings, mail_from, client, transaction.peer)
        if sender is None:
            event("rejected", mail_from=mail_from, client=client, to=address, why="sender", **_user(transaction))
            return refusal_of(self.settings, mail_from, client, transaction.peer)
        transaction.sender = sender
        if len(transaction.recipients) + len(transaction.put_off) >= self.settings.smtp.max_recipients:
            return TOO_MANY
        to = destination_of(self.settings, address)
        if isinstance(to, Destination):
            to = granted(to, sender, self.settings)
        if isinstance(to, Destination):
            to = _beside(transaction.recipients, to)
        if isinstance(to, Destination) and (why := policy.recipient_refusal(self.settings, sender, transaction, to)):
            to = Refusal(why)
        if isinstance(to, Refusal):
            event("rejected", mail_from=mail_from, client=client, to=address, why=to.reply)
            if sender.dmarc and to.reply.startswith("5") and not to.reply.startswith(NOT_OURS):
                transaction.put_off.append(to)
                return None
        return to

    def size_limit(self, mail_from: str, client: str, peer: Peer) -> int:
        """Bytes that a mail of this sender may have."""
        sender = sender_of(self.settings, mail_from, client, peer)
        of_site = self.settings.smtp.max_message_bytes
        return min(of_site, sender.max_bytes or of_site) if sender else of_site

    def begin(self, transaction: Transaction) -> Incoming | Letter:
        if self._system and transaction.system:
            return self._system.begin(transaction.system)
        return Incoming(self._store, self.settings.smtp, transaction.size_limit)

    def forget(self, mail: Incoming | Letter) -> None:
        """The mail's client went away, or it was refused: drop what the store has of it, in the background."""
        task = asyncio.create_task(mail.abandon())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def handle_exception(self, error: Exception) -> str:
        """A bug: the client keeps the mail and comes again (RFC 5321 §4.2.1)."""
        log.error("session failed", exc_info=error)
        return LOCAL_ERROR

    async def accept(self, transaction: Transaction, client: str, mail: Incoming | Letter) -> str:
        """Commit the mail; the reply to its client. This is the instant of acceptance."""
        if isinstance(mail, Letter):
            if self._system is None:
                return LOCAL_ERROR
            return await self._system.accept(transaction.system, transaction.mail_from or "", client, mail)
        try:
            content = await mail.finish()
            sender = transaction.sender
            refusal = mail.refusal or loops.refusal_of(mail.digest.header, b"" if mail.in_store else content)
            refusal = refusal or await self._unproven(transaction, client, mail, content)
            refusal = refusal or self._changed(transaction, client)
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
        if new.preview:
            asked = [one.target or f"+{one.number}" for one in new.faxes]
            event("accepted", new.id, mail_from=new.mail_from, client=client, size=mail.size, preview=asked)
            return f"250 2.0.0 accepted as {new.id}"
        faxes = [f"{one.id}={one.target or '+' + one.number}" for one in accepted.faxes]
        repeats = {"repeats": list(accepted.repeated)} if accepted.repeated else {}
        event("accepted", new.id, mail_from=new.mail_from, client=client, size=mail.size, faxes=faxes, **repeats)
        return f"250 2.0.0 accepted as {new.id}" if faxes else "250 2.0.0 accepted before; this mail is a repeat"

    async def _unproven(self, transaction: Transaction, client: str, mail: Incoming, content: bytes) -> str:
        """Why the mail does not prove that it is from its sender, as a reply; empty where it does, or need not."""
        sender = transaction.sender
        if sender is None or not sender.dmarc:
            return ""
        refusal = await self._the_prover().refusal(
            sender,
            lambda: mail.whole(content),
            client=client,
            hello=transaction.hello,
            mail_from=transaction.mail_from or "",
            recipients=[one.address for one in transaction.recipients],
        )
        if refusal is None:
            return transaction.put_off[0].reply if transaction.put_off else ""
        event("rejected", mail_from=transaction.mail_from, client=client, why=refusal.reply)
        return refusal.reply

    def _changed(self, transaction: Transaction, client: str) -> str:
        """The reply where the settings were read again meanwhile, and give this client another right, or none."""
        right = sender_of(self.settings, transaction.mail_from or "", client, transaction.peer)
        return "" if right is transaction.sender or right == transaction.sender else CHANGED

    def _message(
        self, sender: Sender, transaction: Transaction, client: str, mail: Incoming, content: bytes
    ) -> intake.NewMessage:
        """One fax for each distinct number; two addresses that mean the same number are one fax."""
        mail_from = transaction.mail_from or ""
        preview = any(one.preview for one in transaction.recipients)
        by_number: dict[str, list[Recipient]] = {}
        for recipient in transaction.recipients:
            by_number.setdefault(recipient.number or recipient.target, []).append(recipient)
        return intake.NewMessage(
            id=mail.id,
            account=sender.account,
            mail_from=mail_from,
            client=client,
            content=content,
            language=sender.language or self.settings.reports.language,
            options={key: value for key, value in _options(sender, self.settings).items() if value},
            dsn=transaction.dsn,
            reports=self._wishes(sender).stored(),
            delay_after=(
                int(self.settings.reports.delay_after * 1000)
                if any(wants_delay(one.dsn) for one in transaction.recipients)
                else None
            ),
            repeat_window=int(self.settings.smtp.repeat_window * 1000),
            charges=self._charges(sender, mail_from, client, mail, by_number, preview=preview),
            line=policy.accepted_line(self.settings, sender, transaction, client, mail.id),
            give_up_at=now() + int(self.settings.faxmax.queue_lifetime * 1000),
            faxes=tuple(
                intake.NewFax(
                    id=str(ULID()),
                    number=recipients[0].number,
                    target=recipients[0].target,
                    options=recipients[0].options.kept(),
                    recipients=tuple(dict.fromkeys(one.address for one in recipients)),
                    # Its options too: the same mail with another time to send is not the same fax.
                    # A preview never stands for a fax, nor a fax for a preview; shown twice costs nothing.
                    repeat_key=""
                    if preview
                    else mail.digest.key(mail_from=mail_from, number=number + recipients[0].spelled, client=client),
                    send_at=recipients[0].options.send_at,
                    dsn={one.address: one.dsn for one in recipients if one.dsn.asks},
                )
                for number, recipients in by_number.items()
            ),
            staged_pieces=mail.staged_pieces,
            staged_bytes=mail.staged_bytes,
            spooled_bytes=mail.spooled_bytes,
            preview=preview,
        )

    def _charges(
        self,
        sender: Sender,
        mail_from: str,
        client: str,
        mail: Incoming,
        to: Collection[str],
        *,
        preview: bool,
    ) -> tuple[quota.Charge, ...]:
        """What the mail takes from the limits; a preview is a message, and no fax."""
        most = 0 if preview else sender.max_recipients
        message_id = mail.digest.message_id
        found = self._quotas.charges(mail_from, client, to, max_recipients=most, message_id=message_id)
        return tuple(one for one in found if not (preview and one.per_fax))

    def _wishes(self, sender: Sender) -> ReportWishes:
        return ReportWishes(
            sender.reports or self.settings.reports.outcomes, sender.report_to, sender.report_cc, sender.report_bcc
        )


def _user(transaction: Transaction) -> dict[str, str]:
    return {"user": transaction.peer.user} if transaction.peer.user else {}


def _beside(recipients: Sequence[Recipient], to: Destination) -> Destination | Refusal:
    """Whether it can go in one mail with those before it."""
    for one in recipients:
        if (one.number, one.target) == (to.number, to.target) and one.options != to.options:
            return ASKED_OTHERWISE
        if one.options.paper != to.options.paper:
            return ANOTHER_PAPER
        if len({one.options.cover, to.options.cover} - {None, *NO_COVER}) > 1:
            return ANOTHER_COVER
        if one.preview != to.preview:
            return FAX_OR_PREVIEW
    return to


def _options(sender: Sender, settings: Settings) -> dict[str, Any]:
    """How this sender's faxes are sent, and what the mail itself may ask for: kept with it, since settings change."""
    return {
        "cli": sender.cli,
        "paper_size": sender.paper_size or "",
        "resolution": sender.resolution or "",
        "cover": sender.cover or "",
        "cover_template": sender.cover_template,
        "quoted_threads": sender.quoted_threads or "",
        "signatures": sender.signatures or "",
        "allowed_cli": numbers_to_show(sender, settings),
        "skip": list(settings.reading.skip if sender.skip is None else sender.skip),
        "max_pages": sender.max_pages,
        "allow": list(sender.allow),
        "deny": list(sender.deny),
        "max_recipients": sender.max_recipients,
        "robot": sender.robot,
    }


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
