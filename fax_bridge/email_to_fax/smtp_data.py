"""The bytes between DATA and its end: the dots taken off, the one true end found, whatever the pieces they come in.

Pure functions of bytes; everything is done in bulk by ``find`` and ``replace``, so a megabyte costs a millisecond.
Only CRLF.CRLF is an end. A server that also took LF.LF for one would let a sender smuggle a second mail past the
checks of a server before us, which did not (CVE-2023-51764).
"""

from dataclasses import dataclass, field

_END = b"\r\n.\r\n"
_BEGINNINGS = tuple(_END[:length] for length in (4, 3, 2, 1))
"""What a piece may close with that the next one may make an end, or a dot to take off."""


@dataclass(slots=True)
class DotUnstuffer:
    """Fed with what the client sends after the 354, in any pieces (RFC 5321 §4.5.2)."""

    ended: bool = False
    rest: bytes | bytearray = b""
    """What came after the end: the client's next commands, where it sent them along."""
    _held: bytes = field(default=b"\r\n", init=False)
    """The beginning of an end, maybe. At first the CRLF of the DATA command itself: a mail may be empty."""
    _virtual: int = field(default=2, init=False)
    """How many of the next bytes out are that CRLF, and not the mail's."""

    def feed(self, chunk: bytes | bytearray) -> bytes | bytearray:
        """The bytes of the mail that are certain now. After the end is found, nothing may be fed any more."""
        data = self._held + chunk if self._held else chunk
        self._held = b""
        # One search for what an end and a stuffed dot have in common: most pieces have neither.
        dotted = b"\r\n." in data
        end = data.find(_END) if dotted else -1
        if end >= 0:
            self.ended = True
            self.rest = data[end + len(_END) :]
            data = data[: end + 2]  # the CRLF before the dot ends the mail's last line (RFC 5321 §4.1.1.4)
        else:
            data = self._hold_back(data)
        if dotted:
            data = data.replace(b"\r\n.", b"\r\n")
        if self._virtual and data:
            data, self._virtual = data[self._virtual :], 0
        return data

    def _hold_back(self, data: bytes | bytearray) -> bytes | bytearray:
        for beginning in _BEGINNINGS:
            if data.endswith(beginning):
                self._held = beginning
                return data[: -len(beginning)]
        return data


@dataclass(slots=True)
class BareNewlines:
    """Watches for a CR without LF, or an LF without CR, in a mail that comes in pieces (RFC 5321 §2.3.8)."""

    _found: bool = field(default=False, init=False)
    _ends_in_cr: bool = field(default=False, init=False)

    def feed(self, data: bytes | bytearray) -> None:
        if self._found or not data:
            return
        pairs = data.count(b"\r\n")
        crs, lfs = data.count(b"\r"), data.count(b"\n")
        if self._ends_in_cr:
            if data.startswith(b"\n"):
                lfs -= 1
            else:
                self._found = True
        self._ends_in_cr = data.endswith(b"\r")
        if crs - self._ends_in_cr != pairs or lfs != pairs:
            self._found = True

    @property
    def found(self) -> bool:
        """To be asked when all has been fed."""
        return self._found or self._ends_in_cr
