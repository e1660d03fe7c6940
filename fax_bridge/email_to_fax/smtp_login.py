"""STARTTLS (RFC 3207) and AUTH (RFC 4954): how a connection becomes one that nobody listens to, and whose it is.

aiosmtpd 1.4.6 has both, but reads the answers to its challenges from a reader that is not ours, checks passwords on
the event loop, and puts asyncio's private TLS classes under the session.
"""

import asyncio
import base64
import binascii
import ssl
from dataclasses import replace

import structlog

from fax_bridge.email_to_fax.logins import Login
from fax_bridge.email_to_fax.smtp_connection import Connection, Decisions, Refused
from fax_bridge.email_to_fax.smtp_profile import Profile
from fax_bridge.eventlog import event

log = structlog.get_logger("smtp")

HANDSHAKE = 30.0
"""Seconds for a TLS handshake."""
MAX_FAILED = 3
"""Attempts to log in that a session has; then it is ended."""

_SYNTAX = "501 5.5.2 that is no base64"


class LoginSession(Connection):
    """The two commands; :mod:`fax_bridge.email_to_fax.smtp_session` has the others."""

    def __init__(self, decisions: Decisions, profile: Profile | None = None) -> None:
        super().__init__(decisions, profile)
        self._failed = 0
        # What is not on offer is not known.
        if self.profile.certificates is None:
            self._smtp_methods.pop("STARTTLS")
        if self.profile.logins is None:
            self._smtp_methods.pop("AUTH")

    # --- STARTTLS -------------------------------------------------------------------------------------

    @property
    def offers_starttls(self) -> bool:
        return self.profile.certificates is not None and not self._over_tls

    async def smtp_STARTTLS(self, arg: str | None) -> None:  # noqa: N802 — aiosmtpd's name, as all that follow
        if arg:
            raise Refused("501 5.5.4 STARTTLS stands alone")
        if self._over_tls:
            raise Refused("503 5.5.1 TLS is on already")
        if self.transaction.begun:
            raise Refused("503 5.5.1 not within a mail")
        certificates = self.profile.certificates
        assert certificates is not None  # noqa: S101 — or the command were not known
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]  # typed as write-only, but it is both
        await self._send("220 2.0.0 go ahead")
        if await self._start_tls(certificates.newest()):
            self._dialogue.host_name = None  # nothing said before counts (RFC 3207 §4.2)
            self._dialogue.extended_smtp = False
            self._set_post_data_state()

    async def _start_tls(self, context: ssl.SSLContext) -> bool:
        # What came along with the command was not said under TLS: whoever stands between may have put it there.
        self._ahead.clear()
        self._searched = 0
        self._held_off = False
        plain = self._writer.transport
        try:
            transport = await self.loop.start_tls(
                plain, self, context, server_side=True, ssl_handshake_timeout=HANDSHAKE
            )
        except (OSError, TimeoutError) as fault:  # ssl.SSLError is an OSError
            log.info("no TLS", client=self.client, why=str(getattr(fault, "reason", None) or fault))
            plain.abort()
            self._closing = True
            return False
        if transport is None:  # the client went away meanwhile
            self._closing = True
            return False
        self.transport = transport
        self._writer = asyncio.StreamWriter(transport, self, self._reader, self.loop)
        self._learn_tls(transport)
        return True

    # --- AUTH -----------------------------------------------------------------------------------------

    @property
    def offers_auth(self) -> bool:
        return self.profile.logins is not None and self.is_safe

    async def smtp_AUTH(self, arg: str | None) -> None:  # noqa: N802
        logins = self.profile.logins
        assert logins is not None  # noqa: S101 — or the command were not known
        if not self._dialogue.extended_smtp:
            raise Refused("503 5.5.1 send EHLO first")
        if self.peer.user:
            raise Refused("503 5.5.1 you are logged in already")
        if self.transaction.begun:
            raise Refused("503 5.5.1 not within a mail")
        mechanism, _, initial = (arg or "").partition(" ")
        if not mechanism:
            raise Refused("501 5.5.4 write AUTH PLAIN or AUTH LOGIN")
        if mechanism.upper() not in {"PLAIN", "LOGIN"}:
            raise Refused("504 5.5.4 PLAIN and LOGIN are the ways to log in")
        if not self.is_safe:
            raise Refused("538 5.7.11 a password is sent under TLS only; begin with STARTTLS")
        if mechanism.upper() == "PLAIN":
            user, password = await self._plain(initial)
        else:
            user, password = await self._login(initial)
        match await logins.check(user, password, self.client):
            case Login.GOOD:
                self.peer = replace(self.peer, user=user.lower())
                await self._send("235 2.7.0 welcome")
            case Login.BUSY:
                self._fail("454 4.7.0 too many are logging in, try again later")
            case Login.WRONG:
                # A user that is none may be a password, typed into the wrong field: that is not for the log.
                told = user if logins.is_user(user) else "(unknown)"
                event("rejected", client=self.client, user=told, why="password")
                self._fail("535 5.7.8 user or password is wrong")

    def _fail(self, reply: str) -> None:
        self._failed += 1
        if self._failed < MAX_FAILED:
            raise Refused(reply)
        self.hang_up("421 4.7.0 too many attempts to log in")

    async def _plain(self, initial: str) -> tuple[str, str]:
        """RFC 4616. The user to act for may be named, but it is the user who logs in."""
        answer = _decoded(initial) if initial else await self._ask("")
        act_for, *rest = answer.split("\0")
        if len(rest) != 2 or not rest[0]:
            raise Refused("501 5.5.2 PLAIN is NUL user NUL password")
        if act_for and act_for.lower() != rest[0].lower():
            raise Refused("535 5.7.8 nobody acts for others here")
        return rest[0], rest[1]

    async def _login(self, initial: str) -> tuple[str, str]:
        user = _decoded(initial) if initial else await self._ask("Username:")
        return user, await self._ask("Password:")

    async def _ask(self, challenge: str) -> str:
        """The answer to a challenge. Raises ``ConnectionError`` where the client goes away instead."""
        await self._send(f"334 {base64.b64encode(challenge.encode()).decode()}")
        line = await self._next_line()
        self._reset_timeout()
        if not line:
            raise ConnectionResetError("the client went away")
        if not line.endswith(b"\r\n"):
            self.hang_up("500 5.5.2 CR and LF come in pairs only")
            raise ConnectionAbortedError("a bare newline")
        answer = line[:-2].decode("ascii", "replace")
        if answer == "*":
            raise Refused("501 5.7.0 as you wish")
        return _decoded(answer)


def _decoded(text: str) -> str:
    """``=`` alone is an empty answer (RFC 4954 §4)."""
    try:
        return "" if text == "=" else base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise Refused(_SYNTAX) from None
