"""One SMTP connection: aiosmtpd's protocol with a command loop, a clock and a reader of our own.

aiosmtpd 1.4.6 takes a bare LF for the end of a command, cancels a session whose client half-closes or goes away, and
has no enhanced status codes. Here a command ends in CRLF or the session ends, a half-closed client still gets its
replies, a commit under way comes to its end, and what was read beyond a mail's end waits for the next command.
"""

import asyncio
import re
from typing import Protocol

import structlog
from aiosmtpd.smtp import SMTP, Session

from fax_bridge.certificates import names_in
from fax_bridge.email_to_fax.admit import ANYBODY, Destination, Peer, Refusal
from fax_bridge.email_to_fax.incoming import Incoming
from fax_bridge.email_to_fax.proxy_header import BadProxyHeader, read_proxy_header
from fax_bridge.email_to_fax.smtp_limits import Pace
from fax_bridge.email_to_fax.smtp_profile import Profile
from fax_bridge.email_to_fax.system_mail import Letter, SystemAddress
from fax_bridge.email_to_fax.transaction import Transaction
from fax_bridge.networks import is_in
from fax_bridge.setting_types import UNIX, is_loopback
from fax_bridge.settings import Settings

log = structlog.get_logger("smtp")

AHEAD = 64 * 1024
"""Bytes that may wait to be looked at; a client that sends more waits for us."""
LONGEST_LINE = 64 * 1024
"""Octets that are waited through for a line end; a client that sends more is no mail server."""
MAX_COMMAND = 2048
"""Octets of a command line: the 512 of RFC 5321 §4.5.3.1.4, and what SIZE, SMTPUTF8 and DSN add to it, with room."""
LINGER = 10.0
"""Seconds that a client has to take the last reply."""
SHUTTING_DOWN = "421 4.3.2 shutting down, try again later"
MAX_FAULTS = 20
"""Commands that are no commands, after which the session is ended."""

_ENHANCED = {"500": "5.5.2", "501": "5.5.4", "502": "5.5.1", "503": "5.5.1", "504": "5.5.4", "530": "5.7.0"}
"""The code (RFC 3463) for replies of aiosmtpd's that have none; ``x.0.0`` for the rest."""
_PLAIN = re.compile(r"([245]\d\d) (?!\d\.\d{1,3}\.\d{1,3} )")


class Refused(Exception):
    """The reply to a command that is not obeyed."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply


class Decisions(Protocol):
    """What a session asks, and tells."""

    settings: Settings
    smtp_profile: Profile
    """Of a listener in ``smtp.listen``."""

    def enter(self, session: "Connection") -> bool: ...
    def leave(self, session: "Connection") -> None: ...
    @property
    def has_room(self) -> bool: ...
    def admit(
        self, transaction: Transaction, client: str, address: str
    ) -> Destination | SystemAddress | Refusal | None: ...
    def size_limit(self, mail_from: str, client: str, peer: Peer) -> int: ...
    def begin(self, transaction: Transaction) -> Incoming | Letter: ...
    def forget(self, mail: Incoming | Letter) -> None: ...
    async def accept(self, transaction: Transaction, client: str, mail: Incoming | Letter) -> str: ...
    async def handle_exception(self, error: Exception) -> str: ...


_FOUND: dict[type, list[str]] = {}
"""By class of session, the names of its methods that aiosmtpd collects."""


class Connection(SMTP):
    """From the first octet to the last; :mod:`fax_bridge.email_to_fax.smtp_session` adds the commands."""

    greeting = "ESMTP"
    hello = "EHLO"

    def __init__(self, decisions: Decisions, profile: Profile | None = None) -> None:
        self._decisions = decisions
        self.profile = profile or decisions.smtp_profile
        self._dialogue = Session(asyncio.get_running_loop())
        self.transaction = Transaction()
        self._smtp = decisions.settings.smtp
        super().__init__(
            None,  # aiosmtpd looks through its handler for hooks at each connection; there are none
            data_size_limit=self._smtp.max_message_bytes,
            enable_SMTPUTF8=self._smtp.smtputf8,
            hostname=self._smtp.domains[0],
            timeout=self._smtp.idle_timeout,
            loop=asyncio.get_running_loop(),
        )
        self.client = ""
        self.peer = ANYBODY
        self.is_safe = False
        """Nobody can listen in: TLS, or this machine talking to itself."""
        self._ahead = bytearray()
        """Come in, but not looked at yet."""
        self._searched = 0
        """Bytes of it that hold no line end."""
        self._more: asyncio.Future[None] | None = None
        """Resolved when more has come, or nothing will."""
        self._ended = False
        """Nothing comes any more."""
        self._over_tls = False
        self._held_off = False
        """The client waits for us to look at what has come."""
        self._heard_at = self.loop.time()
        self._waiting = False
        """For the next command."""
        self.accepting = False
        """The client waits for our commit, and may do so longer than we would for it."""
        self._closing = False
        self._retired = False
        self._faults_left = MAX_FAULTS

    def __dir__(self) -> list[str]:
        """aiosmtpd looks through all of it, twice, at each connection; these are what it finds."""
        kind = type(self)
        if kind not in _FOUND:
            _FOUND[kind] = [name for name in dir(kind) if name.startswith(("smtp_", "auth_"))]
        return _FOUND[kind]

    # --- the connection -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer: object = transport.get_extra_info("peername")  # a path for a Unix socket, a tuple otherwise
        self.client = str(peer[0]) if isinstance(peer, tuple) else UNIX
        here: object = transport.get_extra_info("sockname")
        self.is_safe = not isinstance(here, tuple) or is_loopback(str(here[0]))
        self._learn_tls(transport)
        super().connection_made(transport)

    def _learn_tls(self, transport: asyncio.BaseTransport) -> None:
        """What the handshake told, if there was one."""
        session = transport.get_extra_info("ssl_object")
        if session is not None:
            self.is_safe = True
            self._over_tls = True
        names = names_in(session.getpeercert()) if session is not None else ()
        self.peer = Peer(certificates=names, scanner=self.profile.scanner)

    def data_received(self, data: bytes) -> None:
        self._ahead += data
        self._heard_at = self.loop.time()
        if len(self._ahead) > AHEAD and not self._held_off:
            self._held_off = True
            self._writer.transport.pause_reading()  # type: ignore[attr-defined]  # typed as write-only, but it is both
        self._wake()

    def eof_received(self) -> bool | None:
        """A client that closes its half after the last command still wants the replies."""
        self._end()
        return not self._over_tls

    def connection_lost(self, error: Exception | None) -> None:
        """The session finds out by itself: what it is committing is committed, though nobody hears the reply."""
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        if self._original_transport is not None:
            self._original_transport.close()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self._end()

    def _end(self) -> None:
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    async def _wait_for_more(self) -> bool:
        """Whether there is more; false where nothing comes any more."""
        if self._held_off:
            self._held_off = False
            if not self._ended:
                self._writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
        before = len(self._ahead)
        while len(self._ahead) == before:
            if self._ended:
                return False
            self._more = self.loop.create_future()
            await self._more
        return True

    def hang_up(self, reply: str) -> None:
        """Say why, and close; a client that does not read its replies is cut off a little later."""
        self._closing = True
        if not self._writer.is_closing():
            self._writer.write(f"{reply}\r\n".encode("ascii"))
            self._writer.close()
            if self._writer.transport.get_write_buffer_size():
                self.loop.call_later(LINGER, self._writer.transport.abort)

    def retire(self) -> None:
        """The daemon stops: a mail in hand may come to its end, another is not begun."""
        self._retired = True
        if self._waiting and not self.transaction.incoming:
            self.hang_up(SHUTTING_DOWN)

    def _reset_timeout(self, duration: float | None = None) -> None:
        # Note the time only: a timer of its own for each chunk would cost more than the chunk.
        self._heard_at = self.loop.time()
        if self._timeout_handle is None:
            self._timeout_handle = self.loop.call_later(self._timeout_duration, self._timeout_cb)

    def _timeout_cb(self) -> None:
        left = self._heard_at + self._timeout_duration - self.loop.time()
        if self.accepting:  # it is the client that waits
            left = self._timeout_duration
        if left > 0:
            self._timeout_handle = self.loop.call_later(left, self._timeout_cb)
        else:
            self.hang_up("421 4.4.2 nothing heard for too long")

    # --- commands -------------------------------------------------------------------------------------

    async def push(self, status: str | bytes) -> None:
        """Send a reply; one of aiosmtpd's gets its enhanced status code (RFC 2034)."""
        text = status if isinstance(status, str) else status.decode("utf-8", "replace")
        if (found := _PLAIN.match(text)) is not None:
            text = f"{found[1]} {_ENHANCED.get(found[1], f'{text[0]}.0.0')} {text[4:]}"
        await self._send(text)

    async def _send(self, text: str) -> None:
        if self._writer.is_closing():
            raise ConnectionResetError("the client went away")
        self._writer.write(f"{text}\r\n".encode("utf-8" if self.enable_SMTPUTF8 else "ascii", "replace"))
        if self._writer.transport.get_write_buffer_size():
            await self._writer.drain()

    async def _handle_client(self) -> None:
        """aiosmtpd's name for the task of a session."""
        if is_in(self.client, self.profile.proxies) and not await self._learn_client():
            return self.hang_up("421 4.7.0 no PROXY header")
        if not self._decisions.enter(self):
            return self.hang_up("421 4.7.0 too many sessions, try again later")
        try:
            await self._send(f"220 {self.hostname} {self.greeting} fax-bridge")
            while line := await self._next_line():
                self._reset_timeout()
                await self._obey(line)
                if self._retired and not self.transaction.incoming:
                    self.hang_up(SHUTTING_DOWN)
                if self._closing:
                    break
                if self._ahead:
                    # Commands that come in one segment are one client's: between them the others have their turn.
                    await asyncio.sleep(0)
        except ConnectionError:
            log.debug("client went away", client=self.client)
        finally:
            self._drop_mail()
            self._decisions.leave(self)
            self._writer.close()
        return None

    async def _learn_client(self) -> bool:
        """From the proxy before us."""
        try:
            self.client = await read_proxy_header(self._ahead, self._wait_for_more)
        except BadProxyHeader as fault:
            log.warning("no PROXY header", proxy=self.client, why=str(fault))
            return False
        self.is_safe = self._over_tls  # the proxy is near, the client need not be
        return True

    async def _next_line(self) -> bytes:
        """The next command with its line end; empty where none comes any more."""
        while not (end := self._ahead.find(b"\n", self._searched) + 1):
            self._searched = len(self._ahead)
            if self._searched > LONGEST_LINE:
                self.hang_up("500 5.5.2 line too long")
                return b""
            self._waiting = True
            try:
                if not await self._wait_for_more():
                    return b""
            finally:
                self._waiting = False
        line = bytes(self._ahead[:end])
        del self._ahead[:end]
        self._searched = 0
        return line

    async def _obey(self, line: bytes) -> None:
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            # Another server may have taken this for no line end at all: nothing after it can be trusted.
            return self.hang_up("500 5.5.2 CR and LF come in pairs only")
        try:
            if len(line) > MAX_COMMAND:
                raise Refused("500 5.5.2 line too long")
            await self._execute(line[:-2])
        except Refused as refused:
            await self.push(refused.reply)
            if refused.reply.startswith("500"):
                self._faults_left -= 1
            if not self._faults_left:
                self.hang_up("421 4.7.0 too many errors")
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 — the edge: a bug of ours must not be a permanent refusal
            self.hang_up(await self._decisions.handle_exception(error))
        return None

    async def _execute(self, line: bytes) -> None:
        try:
            text = line.decode("utf-8" if self.enable_SMTPUTF8 else "ascii")
        except UnicodeDecodeError:
            raise Refused("500 5.5.2 not ASCII") from None
        verb, _, argument = text.partition(" ")
        method = self._smtp_methods.get(verb.upper())
        if method is None:
            raise Refused("500 5.5.1 no such command")
        await method(argument.strip() or None)

    # --- the transaction ------------------------------------------------------------------------------

    def _create_session(self) -> Session:
        self._dialogue = super()._create_session()
        return self._dialogue

    def _set_post_data_state(self) -> None:
        """Of aiosmtpd's: the next transaction may begin."""
        self._drop_mail()
        self.envelope = self.transaction = Transaction()

    def _drop_mail(self) -> None:
        """A mail that was begun and not handed over leaves nothing behind."""
        if self.transaction.incoming:
            self._decisions.forget(self.transaction.incoming)
            self.transaction.incoming = None

    async def _next_chunk(self, most: int | None = None) -> bytearray:
        """Some bytes of the mail. Raises ``ConnectionError`` where the client goes away, or trickles."""
        if not self._ahead:
            began = self.loop.time()
            if not await self._wait_for_more():
                raise ConnectionResetError("the stream ended within a mail")
            pace = self.transaction.pace = self.transaction.pace or self._new_pace()
            pace.heard(len(self._ahead), self._heard_at - began)
            self._keep_pace(pace)
        if most is None or len(self._ahead) <= most:
            data, self._ahead = self._ahead, bytearray()
        else:
            data = self._ahead[:most]
            del self._ahead[:most]
        self._searched = 0
        return data

    def _put_back(self, rest: bytes | bytearray) -> None:
        """What came after a mail's end."""
        self._ahead[:0] = rest
        self._searched = 0

    def _keep_pace(self, pace: Pace) -> None:
        if pace.too_slow:
            self.hang_up("421 4.4.2 the mail comes too slowly")
            raise ConnectionAbortedError("too slow")

    def _new_pace(self) -> Pace:
        smtp = self._smtp
        return Pace(min_rate=smtp.min_rate, grace=smtp.min_rate_grace, longest=smtp.data_timeout)
