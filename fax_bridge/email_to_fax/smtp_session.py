"""The commands of SMTP and LMTP: the greeting, the envelope, and the mail itself by DATA or BDAT.

aiosmtpd 1.4.6 reads mail line by line into a list; here it is read in large chunks and goes through
:class:`~fax_bridge.email_to_fax.incoming.Incoming` in constant memory. What is *decided* is the intake's
(:mod:`fax_bridge.email_to_fax.receive`).
"""

import re

from fax_bridge.email_to_fax.admit import Refusal
from fax_bridge.email_to_fax.dsn_options import BadOption
from fax_bridge.email_to_fax.incoming import NO_ROOM, TOO_LARGE, Incoming
from fax_bridge.email_to_fax.smtp_arguments import (
    BadParameters,
    BadPath,
    PathArgument,
    UnknownOption,
    read_mail_options,
    read_path,
    read_rcpt_options,
)
from fax_bridge.email_to_fax.smtp_connection import Decisions, Refused
from fax_bridge.email_to_fax.smtp_data import DotUnstuffer
from fax_bridge.email_to_fax.smtp_login import LoginSession
from fax_bridge.email_to_fax.smtp_profile import PLAIN, Profile
from fax_bridge.email_to_fax.system_mail import Letter, SystemAddress
from fax_bridge.email_to_fax.transaction import Recipient, Transaction

MAX_REFUSED = 20
"""Recipients refused for good since the last mail that was taken, after which the session is ended: whoever goes on
asking is no mail server. One who may send gets as many as a mail may have (``smtp.max_recipients``)."""

_BDAT = re.compile(r"([0-9]{1,19})( +LAST)?", re.IGNORECASE)


class SmtpSession(LoginSession):
    """The commands of SMTP."""

    def __init__(self, decisions: Decisions, profile: Profile | None = None) -> None:
        super().__init__(decisions, profile)
        self._refused_recipients = 0
        """Since the last mail that was taken."""

    async def smtp_HELO(self, hostname: str | None) -> None:  # noqa: N802 — aiosmtpd's name, as all that follow
        await self._greet(hostname, extended=False)

    async def smtp_EHLO(self, hostname: str | None) -> None:  # noqa: N802
        await self._greet(hostname, extended=True)

    async def _greet(self, hostname: str | None, *, extended: bool) -> None:
        if not hostname:
            raise Refused("501 5.5.4 who are you?")
        self._set_post_data_state()
        self._dialogue.extended_smtp = extended
        self._dialogue.host_name = hostname
        lines = [self.hostname, *(self._extensions() if extended else ())]
        await self._send("\r\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"]))

    def _extensions(self) -> list[str]:
        offered = ["PIPELINING", f"SIZE {self.data_size_limit}", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "CHUNKING"]
        return [
            *offered,
            *(["SMTPUTF8"] if self.enable_SMTPUTF8 else []),
            *(["STARTTLS"] if self.offers_starttls else []),
            *(["AUTH PLAIN LOGIN"] if self.offers_auth else []),
        ]

    async def smtp_VRFY(self, arg: str | None) -> None:  # noqa: N802
        await self.push("252 2.5.0 send it a fax and see" if arg else "501 5.5.4 whom?")

    async def smtp_HELP(self, arg: str | None) -> None:  # noqa: N802
        await self.push(f"214 2.0.0 {' '.join(sorted(self._smtp_methods))}")

    async def smtp_QUIT(self, arg: str | None) -> None:  # noqa: N802
        if arg:
            raise Refused("501 5.5.4 QUIT stands alone")
        self.hang_up("221 2.0.0 bye")

    # --- the envelope ---------------------------------------------------------------------------------

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        self._may_begin()
        if self.transaction.begun:
            raise Refused("503 5.5.1 one mail at a time")
        path = self._path("MAIL", "FROM:", arg, "5.1.7")
        try:
            options = read_mail_options(path.parameters, smtputf8=self.enable_SMTPUTF8)
        except UnknownOption:
            raise Refused("555 5.5.4 a parameter that is not on offer") from None
        except BadOption as fault:
            raise Refused(f"501 5.5.4 {fault}") from None
        _check_script(path.address, options.smtputf8, "5.6.7")
        limit = self._decisions.size_limit(path.address, self.client, self.peer)
        if options.size > limit:
            raise Refused(TOO_LARGE.format(limit=limit))
        if not self._decisions.has_room:
            raise Refused(NO_ROOM)
        transaction = self.transaction
        transaction.begun = True
        transaction.peer = self.peer
        transaction.hello = self._dialogue.host_name or ""
        transaction.mail_from = path.address
        transaction.smtp_utf8 = options.smtputf8
        transaction.dsn = options.dsn
        transaction.size_limit = limit
        await self._send("250 2.1.0 sender noted")

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        self._may_begin()
        transaction = self.transaction
        if not transaction.begun or transaction.incoming or transaction.broken:
            raise Refused("503 5.5.1 RCPT comes after MAIL and before the mail")
        path = self._path("RCPT", "TO:", arg, "5.1.3")
        if not path.address:
            raise Refused("501 5.1.3 no address")
        try:
            dsn = read_rcpt_options(path.parameters)
        except UnknownOption:
            raise Refused("555 5.5.4 a parameter that is not on offer") from None
        except BadOption as fault:
            raise Refused(f"501 5.5.4 {fault}") from None
        _check_script(path.address, transaction.smtp_utf8, "5.6.7")
        to = self._decisions.admit(transaction, self.client, path.address)
        if isinstance(to, Refusal):
            await self._refuse_recipient(to.reply)
            return
        if isinstance(to, SystemAddress):
            transaction.system.append(to)
            await self._send("250 2.1.5 taken")
            return
        if to is not None:
            recipient = Recipient(path.address, to.number, dsn, to.options, to.spelled, to.target, to.preview)
            transaction.recipients.append(recipient)
        if to is None or (transaction.sender and transaction.sender.dmarc):
            await self._send("250 2.1.5 noted; the mail has to prove whom it is from")
        else:
            await self._send(f"250 2.1.5 {'preview of a fax' if to.preview else 'fax'} to {to.told}")

    async def _refuse_recipient(self, reply: str) -> None:
        await self._send(reply)
        if not reply.startswith("5"):  # the client is to come again, with the rest of a large mail, say
            return
        self._refused_recipients += 1
        most = max(MAX_REFUSED, self._smtp.max_recipients) if self.transaction.sender else MAX_REFUSED
        if self._refused_recipients > most:
            self.hang_up("421 4.7.0 too many recipients were refused; come again for the others")

    def _may_begin(self) -> None:
        if not self._dialogue.host_name:
            raise Refused(f"503 5.5.1 send {self.hello} first")
        if self.profile.require_tls and not self._over_tls:
            raise Refused("530 5.7.0 begin with STARTTLS")

    def _path(self, command: str, keyword: str, arg: str | None, enhanced: str) -> PathArgument:
        if arg is None or not arg.upper().startswith(keyword):
            raise Refused(f"501 5.5.4 write {command} {keyword}<address>")
        try:
            path = read_path(arg[len(keyword) :])
        except BadPath:
            raise Refused(f"553 {enhanced} no mail address") from None
        except BadParameters:
            raise Refused("501 5.5.4 parameters that cannot be read") from None
        if path.parameters and not self._dialogue.extended_smtp:
            raise Refused("555 5.5.4 parameters come after EHLO only")
        return path

    # --- the mail -------------------------------------------------------------------------------------

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802
        if arg:
            raise Refused("501 5.5.4 DATA stands alone")
        if self.transaction.incoming:
            raise Refused("503 5.5.1 what BDAT began, BDAT ends")
        try:
            self._may_send_data()
        except Refused as refused:
            if self._ahead:
                # Nothing may follow DATA before its reply (RFC 2920 §3.1): this is a mail, not commands to be obeyed.
                self.hang_up(refused.reply)
                return
            raise
        mail = self._begin()
        await self._send("354 send the mail; it ends with CRLF.CRLF")
        unstuffer = DotUnstuffer()
        while not unstuffer.ended:
            await mail.add(unstuffer.feed(await self._next_chunk()))
        self._put_back(unstuffer.rest)
        await self._end_of_mail(mail)

    async def smtp_BDAT(self, arg: str | None) -> None:  # noqa: N802
        """RFC 3030. Whatever is wrong, the octets that were announced are read, or they would be taken for commands."""
        found = _BDAT.fullmatch(arg or "")
        if not found:
            return self.hang_up("501 5.5.4 write BDAT size, or BDAT size LAST")
        size, last = int(found[1]), bool(found[2])
        try:
            self._may_send_data()
        except Refused:
            await self._read_octets(size, None)
            raise
        mail = self._begin()
        await self._read_octets(size, mail)
        if last:
            await self._end_of_mail(mail)
        elif mail.refusal:
            self._drop_mail()
            self.transaction.broken = True
            raise Refused(mail.refusal)
        else:
            await self.push(f"250 2.0.0 {size} octets received")
        return None

    def _may_send_data(self) -> None:
        transaction = self.transaction
        if not transaction.begun:
            raise Refused("503 5.5.1 send MAIL first")
        if not (transaction.recipients or transaction.put_off or transaction.system):
            raise Refused("503 5.5.1 no recipient was accepted")
        if transaction.broken:
            raise Refused("503 5.5.1 the mail was refused before its end; send RSET")

    def _begin(self) -> Incoming | Letter:
        transaction = self.transaction
        if transaction.incoming is None:
            transaction.incoming = self._decisions.begin(transaction)
            transaction.pace = self._new_pace()
        return transaction.incoming

    async def _read_octets(self, size: int, mail: Incoming | Letter | None) -> None:
        while size:
            data = await self._next_chunk(size)
            size -= len(data)
            if mail:
                await mail.add(data)

    async def _end_of_mail(self, mail: Incoming | Letter) -> None:
        transaction = self.transaction
        if transaction.pace:
            self._keep_pace(transaction.pace)  # its first pieces may have been purged, if it took that long
        transaction.incoming = None  # it is not ours to drop any more
        self.accepting = True
        try:
            reply = await self._decisions.accept(transaction, self.client, mail)
        finally:
            self.accepting = False
            self._reset_timeout()
        if reply.startswith("250"):
            self._refused_recipients = 0
        self._set_post_data_state()
        await self._answer_mail(reply, transaction)

    async def _answer_mail(self, reply: str, transaction: Transaction) -> None:
        await self._send(reply)


class LmtpSession(SmtpSession):
    """The same for a mail server beside us (RFC 2033): LHLO, and one reply for each recipient after the mail."""

    greeting = "LMTP"
    hello = "LHLO"

    def __init__(self, decisions: Decisions) -> None:
        super().__init__(decisions, PLAIN)
        for command in ("HELO", "EHLO"):
            self._smtp_methods.pop(command)

    async def smtp_LHLO(self, hostname: str | None) -> None:  # noqa: N802
        await self._greet(hostname, extended=True)

    async def _answer_mail(self, reply: str, transaction: Transaction) -> None:
        for _ in (*transaction.recipients, *transaction.put_off, *transaction.system):
            await self._send(reply)


def _check_script(address: str, smtputf8: bool, enhanced: str) -> None:
    """RFC 6531 §3.4: an address beyond ASCII needs SMTPUTF8 at MAIL."""
    if not smtputf8 and not address.isascii():
        raise Refused(f"553 {enhanced} such an address needs SMTPUTF8")
