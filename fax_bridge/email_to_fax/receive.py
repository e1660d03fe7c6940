"""The SMTP listener: refuse early and with the right code, commit, then say 250.

aiosmtpd speaks the protocol; what is decided here is who may send to what, and the single instant of
acceptance: the 250 after DATA goes out when the message and its faxes are on disk, not before.
"""

import asyncio
from typing import Any

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session
from ulid import ULID

from fax_bridge.email_to_fax.admit import Refusal, number_of, sender_of
from fax_bridge.eventlog import event
from fax_bridge.fax import now
from fax_bridge.setting_types import Listen
from fax_bridge.settings import Sender, Settings
from fax_bridge.store import messages
from fax_bridge.store.store import Store

log = structlog.get_logger("smtp")


class Handler:
    """aiosmtpd's hooks for one listener; a session's decisions live on its envelope."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store

    async def handle_RCPT(  # noqa: N802 — aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        client = _client(session)
        mail_from = envelope.mail_from or ""
        if sender_of(self._settings, mail_from, client) is None:
            event("rejected", mail_from=mail_from, client=client, to=address, why="sender")
            return "550 5.7.1 this sender may not send faxes from here"
        if len(envelope.rcpt_tos) >= self._settings.smtp.max_recipients:
            return "452 4.5.3 too many recipients in one mail; send the rest in another"
        number = number_of(self._settings, address)
        if isinstance(number, Refusal):
            event("rejected", mail_from=mail_from, client=client, to=address, why=number.reply)
            return number.reply
        envelope.rcpt_tos.append(address)
        return f"250 2.1.5 fax to +{number}"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 — as above
        client = _client(session)
        mail_from = envelope.mail_from or ""
        sender = sender_of(self._settings, mail_from, client)
        if sender is None:  # the settings changed between RCPT and here
            return "550 5.7.1 this sender may not send faxes from here"
        new = self._message(sender, mail_from, client, envelope)
        await self._store.write(lambda tx: messages.accept(tx, new))
        faxes = [f"{one.id}=+{one.number}" for one in new.faxes]
        event("accepted", new.id, mail_from=mail_from, client=client, size=len(new.content), faxes=faxes)
        return f"250 2.0.0 accepted as {new.id}"

    async def handle_exception(self, error: Exception) -> str:
        """A bug or a lost database: the client keeps the mail and comes again (RFC 5321 §4.2.1)."""
        log.error("session failed", exc_info=error)
        return "451 4.3.0 local error, try again later"

    def _message(self, sender: Sender, mail_from: str, client: str, envelope: Envelope) -> messages.NewMessage:
        """One fax for each distinct number; two addresses that mean the same number are one fax."""
        by_number: dict[str, list[str]] = {}
        for address in envelope.rcpt_tos:
            number = number_of(self._settings, address)
            if isinstance(number, str):
                by_number.setdefault(number, []).append(address)
        content = envelope.original_content or b""
        language = sender.language or self._settings.reports.language
        options = {
            "cli": sender.cli,
            "paper_size": sender.paper_size or "",
            "resolution": sender.resolution or "",
        }
        return messages.NewMessage(
            id=str(ULID()),
            account=sender.account,
            mail_from=mail_from,
            client=client,
            content=content,
            language=language,
            options={key: value for key, value in options.items() if value},
            give_up_at=now() + int(self._settings.faxmax.queue_lifetime * 1000),
            faxes=tuple(messages.NewFax(str(ULID()), number, tuple(to)) for number, to in by_number.items()),
        )


async def listen(settings: Settings, store: Store, where: Listen) -> asyncio.Server:
    """Start one listener on the running loop. Raises ``OSError`` where the address cannot be had."""
    handler = Handler(settings, store)
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        return SMTP(
            handler,
            data_size_limit=settings.smtp.max_message_bytes,
            hostname=settings.smtp.domains[0],
            ident="fax-bridge",
            loop=loop,
            timeout=300,
        )

    return await loop.create_server(protocol, where.host, where.port, reuse_address=True)


def port_of(server: asyncio.Server) -> int:
    """The port that was taken, of interest where 0 was asked for."""
    sockets: Any = server.sockets
    port: int = sockets[0].getsockname()[1]
    return port


def _client(session: Session) -> str:
    peer: Any = session.peer  # a path for a Unix socket, a tuple otherwise
    return str(peer[0]) if isinstance(peer, tuple) else "unix"
