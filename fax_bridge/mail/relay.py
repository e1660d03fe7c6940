"""The site's mail server: where every mail of the outbox goes, by SMTP, LMTP or into a Maildir.

A fresh connection for each mail: a stale kept one would cost a timeout, and a site's relay is near. Whatever is
the operator's to mend (no connection, TLS, login) is :class:`~fax_bridge.errors.Temporary`: nothing is lost
while it is being mended.
"""

import asyncio
import contextlib
import functools
import re
import socket
import ssl
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import aiosmtplib

from fax_bridge.errors import Temporary
from fax_bridge.mail.delivery import Delivery, Reply, Transport
from fax_bridge.mail.dialogue import converse
from fax_bridge.mail.lmtp import DATA_PATIENCE, LmtpSession
from fax_bridge.mail.maildir import Maildir
from fax_bridge.mail.relay_url import Server, only_a_path, server_of, split

__all__ = ["Delivery", "Relay", "Reply"]

GOODBYE = 5.0
"""Seconds that QUIT may take: the mail's fate is known by then."""


@dataclass(frozen=True, slots=True)
class Relay:
    """``where`` is the URL without user and password, for people."""

    where: str
    transport: Transport = field(repr=False)

    def __str__(self) -> str:
        return self.where

    @classmethod
    def from_url(cls, url: str, *, timeout: float = 60, ca_file: str = "") -> "Relay":
        """The relay behind ``url``; ``timeout`` is in seconds and for one command.

        ``smtp://HOST[:25]`` (in clear, no login), ``smtp+starttls://[USER:PASSWORD@]HOST[:587]``,
        ``smtps://[USER:PASSWORD@]HOST[:465]``, ``lmtp://HOST[:24]``, ``lmtp:///SOCKET`` or ``maildir:///DIR``.
        With ``ca_file`` only that file's authorities are trusted.

        Raises :class:`ValueError` that says how to mend it and shows no password.
        """
        parts = split(url)
        if parts.scheme == "maildir":
            path = only_a_path(parts, "maildir:///var/mail/fax")
            return cls(f"maildir://{path}", Maildir(Path(path)))
        server = server_of(parts, timeout)
        where = f"{parts.scheme}://{server}"
        if parts.scheme == "lmtp":
            return cls(where, Lmtp(server))
        encrypted = parts.scheme != "smtp"
        return cls(where, Smtp(server, parts.scheme, _context(ca_file) if encrypted else None))

    async def send(self, outbox_id: str, mail_from: str, recipients: Sequence[str], content: bytes) -> Delivery:
        """Sends one mail; an empty ``mail_from`` is the null sender ``<>``. What happened, recipient by recipient.

        ``outbox_id`` names the mail where a repeat can be recognised. Raises :class:`Temporary` when nobody
        got it for a reason that is not the mail's.
        """
        return await self.transport.send(outbox_id, mail_from, recipients, content)

    async def probe(self) -> None:
        """Goes as far as one can without a mail: connection, TLS and login, or a file in the directory.

        Raises :class:`Temporary`.
        """
        await self.transport.probe()

    async def extensions(self) -> frozenset[str] | None:
        """What the server offers once TLS and login are done, in lower case; ``None`` for a Maildir, which is none.

        Raises :class:`Temporary`.
        """
        return await self.transport.extensions()


@functools.cache
def _full_name() -> str:
    return socket.getfqdn()


async def our_name() -> str:
    """What we say in EHLO (RFC 5321 §4.1.1.1); asked once, for it can mean a look into the DNS."""
    return await asyncio.to_thread(_full_name)


# --- SMTP --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Smtp:
    server: Server
    scheme: str
    context: ssl.SSLContext | None

    async def send(self, outbox_id: str, mail_from: str, recipients: Sequence[str], content: bytes) -> Delivery:
        async with self._session() as session:
            return await converse(session, mail_from, recipients, content)

    async def probe(self) -> None:
        async with self._session():
            pass

    async def extensions(self) -> frozenset[str]:
        async with self._session() as session:
            return frozenset(session.extensions)

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator["SmtpSession"]:
        client = aiosmtplib.SMTP(
            local_hostname=await our_name(),
            hostname=self.server.host,
            port=self.server.port,
            username=self.server.user or None,
            password=self.server.password or None,
            timeout=self.server.timeout,
            use_tls=self.scheme == "smtps",
            start_tls=self.scheme == "smtp+starttls",
            tls_context=self.context,
        )
        session = SmtpSession(client, self.server)
        try:
            await session.open()
            yield session
            await session.goodbye()
        finally:
            session.drop()


class SmtpSession:
    """aiosmtplib, seen as a session. Its own ``sendmail`` mends addresses and drops who was accepted; this does not."""

    def __init__(self, client: aiosmtplib.SMTP, server: Server) -> None:
        self._client = client
        self._server = server
        self._transport: asyncio.BaseTransport | None = None

    @property
    def extensions(self) -> Collection[str]:
        return self._client.esmtp_extensions

    async def open(self) -> None:
        try:
            await self._client.connect()
            self._transport = self._client.transport
            if self._client.is_ehlo_or_helo_needed:
                try:
                    await self._client.ehlo()
                except aiosmtplib.SMTPHeloError:
                    await self._client.helo()
        except (aiosmtplib.SMTPException, OSError) as fault:
            raise _temporary(self._server, fault) from fault

    async def command(self, line: str) -> Reply:
        try:
            code, text = await self._client.execute_command(line.encode())
        except (aiosmtplib.SMTPException, OSError) as fault:
            raise _temporary(self._server, fault) from fault
        return self._still_there(Reply.read(code, text))

    async def data(self, content: bytes, recipients: int) -> Sequence[Reply]:
        try:
            code, text = await self._client.data(content, timeout=self._server.timeout * DATA_PATIENCE)
        except aiosmtplib.SMTPDataError as refusal:
            code, text = refusal.code, refusal.message
        except (aiosmtplib.SMTPException, OSError) as fault:
            raise _temporary(self._server, fault) from fault
        return [self._still_there(Reply.read(code, text))] * recipients

    async def goodbye(self) -> None:
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await self._client.quit(timeout=min(GOODBYE, self._server.timeout))

    def drop(self) -> None:
        """Lets go of the connection at once: a mere close would wait for a stalled server to read to the end."""
        self._client.close()
        if self._transport is not None:
            # aiosmtplib promises less than it has; uvloop's transports are no subclasses of asyncio's.
            cast("asyncio.WriteTransport", self._transport).abort()

    def _still_there(self, reply: Reply) -> Reply:
        if reply.code == 421:  # RFC 5321 §3.8: the server shuts the channel
            raise Temporary(f"the mail server {self._server} breaks off: {reply}")
        return reply


def _temporary(server: Server, fault: Exception) -> Temporary:
    """The operator's words for what aiosmtplib and the system raise; a login's answer is not repeated, for
    some servers put the credentials into it.
    """
    cause = fault.__cause__ if isinstance(fault.__cause__, ssl.SSLError) else fault
    match cause:
        case aiosmtplib.SMTPAuthenticationError():
            status = re.match(r"\d\.\d{1,3}\.\d{1,3}", cause.message)
            code = f"{cause.code} {status[0]}" if status else str(cause.code)
            words = f"refuses the login ({code}). Check user and password in relay.url."
        case ssl.SSLCertVerificationError():
            words = (
                f"shows a certificate that is not trusted ({cause.verify_message}). "
                "Name its authority in relay.ca_file, and the server by the name in its certificate."
            )
        case ssl.SSLError():
            words = f"fails in TLS ({cause.reason or cause}). Check the port and the scheme of relay.url."
        case aiosmtplib.SMTPResponseException():
            words = f"answers {Reply.read(cause.code, cause.message)}"
        case aiosmtplib.SMTPException():
            words = f"cannot be used: {cause.message.rstrip(': ')}"
        case _:
            words = f"cannot be used: {cause}"
    return Temporary(f"the mail server {server} {words}")


def _context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as fault:  # an SSLError is one too
        why = fault.strerror if isinstance(fault, FileNotFoundError | PermissionError) else "no certificate in it"
        raise ValueError(f"the ca_file {ca_file} cannot be used: {why}. Name a PEM file.") from fault


# --- LMTP --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lmtp:
    server: Server

    async def send(self, outbox_id: str, mail_from: str, recipients: Sequence[str], content: bytes) -> Delivery:
        async with self._session() as session:
            return await converse(session, mail_from, recipients, content)

    async def probe(self) -> None:
        async with self._session():
            pass

    async def extensions(self) -> frozenset[str]:
        async with self._session() as session:
            return frozenset(session.extensions)

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[LmtpSession]:
        reader, writer = await self._open()
        try:
            session = LmtpSession(reader, writer, self.server.timeout)
            await session.greet(await our_name())
            yield session
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await session.quit()
        finally:
            writer.transport.abort()  # a mere close would wait for a stalled server to read to the end
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(self.server.timeout):
                if self.server.path:
                    return await asyncio.open_unix_connection(self.server.path)
                return await asyncio.open_connection(self.server.host, self.server.port)
        except OSError as fault:  # a TimeoutError is one too
            words = fault.strerror or "no connection in time"
            raise Temporary(f"the LMTP server {self.server} cannot be reached: {words}") from fault
