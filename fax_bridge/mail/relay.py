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
from urllib.parse import SplitResult, unquote, urlsplit

import aiosmtplib

from fax_bridge.errors import Temporary
from fax_bridge.mail.delivery import Delivery, Reply, Transport
from fax_bridge.mail.dialogue import converse
from fax_bridge.mail.lmtp import DATA_PATIENCE, LmtpSession
from fax_bridge.mail.maildir import Maildir

__all__ = ["Delivery", "Relay", "Reply"]

GOODBYE = 5.0
"""Seconds that QUIT may take: the mail's fate is known by then."""

DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465, "lmtp": 24}


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server is and what it asks for; ``path`` is a Unix socket's and stands instead of host and port."""

    host: str
    port: int
    timeout: float
    path: str = ""
    user: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return self.path or (f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}")


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
        parts = _split(url)
        if parts.scheme == "maildir":
            path = _only_a_path(parts, "maildir:///var/mail/fax")
            return cls(f"maildir://{path}", Maildir(Path(path)))
        server = _server(parts, timeout)
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
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()

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
            words = f"cannot be used: {cause.message}"
        case _:
            words = f"cannot be used: {cause}"
    return Temporary(f"the mail server {server} {words}")


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


# --- the URL -----------------------------------------------------------------------------------------


def _split(url: str) -> SplitResult:
    """The URL in parts. What stands in it may be secret, so that no complaint repeats more than the scheme."""
    scheme = url.split(":", 1)[0].lower()
    if scheme not in {*DEFAULT_PORTS, "maildir"}:
        raise ValueError(
            "this is no way to send mail. Write smtp://HOST, smtp+starttls://, smtps://, lmtp:// or maildir:///DIR."
        )
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # reading it checks it
    except ValueError:
        raise ValueError(f"host or port cannot be read. Write {scheme}://HOST:PORT, IPv6 in [brackets].") from None
    if parts.query or parts.fragment or re.search(r"[\s\x00-\x1f\x7f]", url):
        raise ValueError(
            f"{scheme}:// takes no blank, ? or #. "
            "In a password, write such characters as %20, %3F and %23 (and @ : / as %40 %3A %2F)."
        )
    return parts


def _only_a_path(parts: SplitResult, example: str) -> str:
    path = unquote(parts.path)
    if parts.netloc or not path.strip("/"):
        raise ValueError(f"{parts.scheme}: needs an absolute path. Write it with three slashes: {example}")
    return path


def _server(parts: SplitResult, timeout: float) -> Server:
    if parts.scheme == "lmtp" and not parts.netloc:
        return Server("", 0, timeout, path=_only_a_path(parts, "lmtp:///run/dovecot/lmtp"))
    if not parts.hostname or parts.path.strip("/"):
        raise ValueError(f"write {parts.scheme}://HOST:PORT with nothing behind it, a / in a password as %2F.")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if "@" in parts.netloc:
        if parts.scheme not in {"smtps", "smtp+starttls"}:
            raise ValueError(
                f"{parts.scheme}:// would show the password on the way. Write smtps:// or smtp+starttls://."
            )
        if not user or not password:
            raise ValueError(f"user or password is missing. Write {parts.scheme}://USER:PASSWORD@HOST.")
    port = DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    if port == 0 or (parts.scheme == "lmtp" and port == 25):
        raise ValueError("that port cannot be. LMTP is never on 25 (RFC 2033 §5), and 0 is none.")
    try:
        parts.hostname.encode("idna")
    except UnicodeError:
        raise ValueError("the host is no name of a machine. Check it.") from None
    return Server(parts.hostname, port, timeout, user=user, password=password)


def _context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as fault:  # an SSLError is one too
        why = fault.strerror if isinstance(fault, FileNotFoundError | PermissionError) else "no certificate in it"
        raise ValueError(f"the ca_file {ca_file} cannot be used: {why}. Name a PEM file.") from fault
