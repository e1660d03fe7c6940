"""The client's side of LMTP (RFC 2033) on an open stream; aiosmtplib has none.

What sets it apart from SMTP: LHLO instead of EHLO, and after the final dot one reply for each accepted
recipient, so that one full mailbox does not hold up its neighbours.
"""

import asyncio
import contextlib
import re
from collections.abc import Collection, Sequence

from fax_bridge.errors import Temporary
from fax_bridge.mail.delivery import Reply

MOST_LINES = 200
"""Lines of one reply; an EHLO answer has about fifteen."""

DATA_PATIENCE = 10
"""How many times longer than for a command we wait after the final dot. To give up too soon means that the
recipient gets the mail twice, so RFC 5321 §4.5.3.2.6 asks for ten minutes.
"""

UNANSWERED = Reply(451, "4.4.2 the connection ended before the reply for this recipient")
"""Ours (RFC 3463 §3.5): the mail may be there already, and comes again."""

_REPLY_LINE = re.compile(r"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)


class LmtpSession:
    """A session for :func:`fax_bridge.mail.dialogue.converse`. Call :meth:`greet` first."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout: float) -> None:
        self._reader = reader
        self._writer = writer
        self._timeout = timeout
        self._extensions: frozenset[str] = frozenset()

    @property
    def extensions(self) -> Collection[str]:
        return self._extensions

    async def greet(self, our_name: str) -> None:
        code, lines = await self._reply(self._timeout)
        if code != 220:
            raise Temporary(f"the LMTP server does not take mail now: {_joined(code, lines)}")
        code, lines = await self._exchange(f"LHLO {our_name}")
        if code != 250:
            raise Temporary(f"the LMTP server refuses LHLO: {_joined(code, lines)}. Is it one of SMTP?")
        self._extensions = frozenset(line.split(" ")[0].lower() for line in lines[1:])

    async def command(self, line: str) -> Reply:
        return _still_there(_joined(*await self._exchange(line)))

    async def data(self, content: bytes, recipients: int) -> Sequence[Reply]:
        begin = await self.command("DATA")
        if begin.code != 354:
            return [begin] * recipients
        self._writer.write(stuffed(content))
        replies: list[Reply] = []
        for _ in range(recipients):
            try:
                replies.append(_joined(*await self._reply(self._timeout * DATA_PATIENCE)))
            except Temporary:
                if not replies:
                    raise
                break  # some have it: only the others may get it again
        return replies + [UNANSWERED] * (recipients - len(replies))

    async def quit(self) -> None:
        """Says goodbye; what the server makes of it no longer matters."""
        with contextlib.suppress(Temporary):
            await self._exchange("QUIT")

    async def _exchange(self, line: str) -> tuple[int, list[str]]:
        self._writer.write(line.encode() + b"\r\n")
        return await self._reply(self._timeout)

    async def _reply(self, patience: float) -> tuple[int, list[str]]:
        lines: list[str] = []
        try:
            async with asyncio.timeout(patience):
                await self._writer.drain()
                while len(lines) < MOST_LINES:
                    found = _REPLY_LINE.fullmatch((await self._line()).rstrip("\r\n"))
                    if not found:
                        raise Temporary("the LMTP server answers what is no reply")
                    lines.append(found[3] or "")
                    if found[2] != "-":
                        return int(found[1]), lines
        except TimeoutError:
            raise Temporary(f"the LMTP server did not answer within {patience:g} s") from None
        except OSError as fault:
            raise Temporary(f"the connection to the LMTP server broke: {fault}") from fault
        raise Temporary("the LMTP server's reply does not end")

    async def _line(self) -> str:
        try:
            line = await self._reader.readline()
        except ValueError:  # longer than the stream's limit
            raise Temporary("the LMTP server's reply line does not end") from None
        if not line.endswith(b"\n"):
            raise Temporary("the LMTP server closed the connection")
        return line.decode("utf-8", "replace")


def stuffed(content: bytes) -> bytes:
    """The content as it goes over the wire, its end included (RFC 5321 §4.5.2)."""
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", content) + b".\r\n"


def _joined(code: int, lines: Sequence[str]) -> Reply:
    return Reply.read(code, " ".join(lines))


def _still_there(reply: Reply) -> Reply:
    if reply.code == 421:  # RFC 5321 §3.8: the server shuts the channel
        raise Temporary(f"the LMTP server breaks off: {reply}")
    return reply
