"""One mail transaction, MAIL to DATA, the same for SMTP (RFC 5321 §3.3) and LMTP (RFC 2033 §4).

It knows no sockets: a session carries the lines and says what the server offers.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

from fax_bridge.mail.delivery import BAD_PATH, Delivery, Outcome, Reply, is_path

NO_UTF8 = Reply(553, "5.6.7 the mail server takes no address beyond ASCII")
"""Ours (RFC 6531 §3.5): without SMTPUTF8 such an address cannot be named."""

NO_8BIT = Reply(554, "5.6.3 the mail has 8-bit bytes and the mail server takes none")
"""Ours (RFC 6152 §3): sent all the same, the bytes could be cut to seven bits on the way."""


class Session(Protocol):
    """An open connection after its greeting and EHLO, TLS and login included."""

    @property
    def extensions(self) -> Collection[str]:
        """The EHLO keywords, in lower case."""

    async def command(self, line: str) -> Reply:
        """Raises :class:`fax_bridge.errors.Temporary` when the connection is gone or the answer is 421."""

    async def data(self, content: bytes, recipients: int) -> Sequence[Reply]:
        """DATA and its end: one reply for each recipient that was accepted, in their order."""


async def converse(session: Session, mail_from: str, recipients: Sequence[str], content: bytes) -> Delivery:
    """Sends ``content`` to whom the server accepts; each refused RCPT costs only itself.

    A reply other than 2xx to MAIL or DATA holds for all who were still to be served.
    """
    wanted = list(dict.fromkeys(recipients))
    if trouble := _unsendable(session, mail_from, content):
        return _all(wanted, trouble)
    reply = await session.command(_mail_command(session, mail_from, wanted, content))
    if reply.code // 100 != 2:
        return _all(wanted, reply)
    outcome, accepted = Outcome(), []
    for recipient in wanted:
        if not is_path(recipient):
            outcome.settle(recipient, BAD_PATH)
        elif not recipient.isascii() and "smtputf8" not in session.extensions:
            outcome.settle(recipient, NO_UTF8)
        elif (reply := await session.command(f"RCPT TO:<{recipient}>")).code // 100 == 2:
            accepted.append(recipient)
        else:
            outcome.settle_rcpt(recipient, reply, len(accepted))
    if accepted:
        replies = await session.data(content, len(accepted))
        for recipient, reply in zip(accepted, replies, strict=True):
            outcome.settle(recipient, reply)
    return outcome.frozen()


def _unsendable(session: Session, mail_from: str, content: bytes) -> Reply | None:
    if mail_from and not is_path(mail_from):
        return BAD_PATH
    if not mail_from.isascii() and "smtputf8" not in session.extensions:
        return NO_UTF8
    if not content.isascii() and "8bitmime" not in session.extensions:
        return NO_8BIT
    return None


def _mail_command(session: Session, mail_from: str, recipients: Sequence[str], content: bytes) -> str:
    command = f"MAIL FROM:<{mail_from}>"
    if "size" in session.extensions:  # RFC 1870 §6: a mail that is too long is refused before it is sent
        command += f" SIZE={len(content)}"
    if not content.isascii():
        command += " BODY=8BITMIME"
    if not all(address.isascii() for address in (mail_from, *recipients)) and "smtputf8" in session.extensions:
        command += " SMTPUTF8"
    return command


def _all(recipients: Sequence[str], reply: Reply) -> Delivery:
    outcome = Outcome()
    for recipient in recipients:
        outcome.settle(recipient, reply)
    return outcome.frozen()
