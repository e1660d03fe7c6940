"""The text of a mail that Outlook kept as RTF: the HTML that is encapsulated in it, or its words.

Outlook wraps a mail's HTML into RTF so that it can be had again to the letter ([MS-OXRTFEX]), and packs that
([MS-OXRTFCP]; compressed-rtf unpacks it). RTFDE, which does the first, brings oletools and all that hangs on it, so it
is done here. What was written as RTF has its words taken out; with pictures or objects in it, they would not be all.
"""

import codecs
import html
import re
from dataclasses import dataclass, replace

from compressed_rtf import decompress

_TOKEN = re.compile(
    rb"\\([A-Za-z]{1,32})(-?[0-9]{1,10})? ?|\\'([0-9A-Fa-f]{2})|\\(.)|([{}])|([^\\{}\r\n]+)|[\r\n]+|\\", re.DOTALL
)
_FROM = re.compile(rb"\\from(html|text)")
_HEADER = 1000
"""Bytes: ``\\fromhtml1`` stands among the first words ([MS-OXRTFEX] §2.1.3.1)."""

_STRIPPED = 64
"""NULs at the end of the property; tnefparse takes them away, as if it were a text."""

_SILENT = frozenset(
    """fonttbl colortbl stylesheet info generator listtable listoverridetable revtbl rsidtbl filetbl xmlnstbl themedata
    colorschememapping latentstyles datastore pict object objdata mhtmltag fldinst header headerl headerr headerf
    footer footerl footerr footerf bkmkstart bkmkend""".split()  # noqa: SIM905 — a list of forty words in quotes is longer
)
"""Destinations that hold nothing to read."""
_RICH = frozenset({"pict", "object"})
_WORDS = {"tab": "\t", "cell": "\t", "nestcell": "\t", "par": "\n", "line": "\n", "row": "\n", "nestrow": "\n"} | {
    "sect": "\n", "page": "\n", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "bullet": "•",
    "endash": "–", "emdash": "—", "emspace": "\u2003", "enspace": "\u2002",
}  # fmt: skip
_SIGNS = {b"~": "\u00a0", b"_": "\u2011", b"\n": "\n", b"\r": "\n", b"\\": "\\", b"{": "{", b"}": "}"}
_CHARSETS = {
    0: "cp1252", 128: "cp932", 129: "cp949", 134: "gb18030", 136: "cp950", 161: "cp1253", 162: "cp1254",
    163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
}  # fmt: skip
"""What ``\\fcharset`` numbers ([MS-WMF] §2.1.1.5) that are not the document's own."""


@dataclass(frozen=True, slots=True)
class Wording:
    content_type: str
    """``text/html``, ``text/plain``, or ``text/rtf`` where only a program that lays out RTF can show it whole."""
    data: bytes
    """UTF-8, or the RTF itself."""


@dataclass(frozen=True, slots=True)
class _Group:
    """What holds until its brace closes."""

    silent: bool = False
    tag: bool = False
    """Inside ``\\*\\htmltag``: markup, in the document's own charset."""
    rtf_only: bool = False
    """Between ``\\htmlrtf`` and ``\\htmlrtf0``: for readers of RTF, and not in the HTML."""
    hidden: bool = False
    fallback: int = 1
    """Characters behind a ``\\u`` that say it again for readers without Unicode."""
    charset: str = ""


def wording_of_packed(data: bytes) -> Wording:
    """From the property that a mail has it in. Raises what the unpacker raises for broken data."""
    missing = int.from_bytes(data[:4], "little") + 4 - len(data)  # COMPSIZE counts what is behind itself (§2.1.3.1.1)
    rtf: bytes = decompress(data + b"\0" * missing if 0 < missing <= _STRIPPED else data)
    return wording_of(rtf)


def wording_of(rtf: bytes) -> Wording:
    """``rtf`` begins with ``{\\rtf``. Raises ``ValueError`` if it does not."""
    if not rtf.startswith(b"{\\rtf"):
        raise ValueError("this is no RTF")
    origin = _FROM.search(rtf[:_HEADER])
    reader = _Reader(encapsulates_html=bool(origin and origin[1] == b"html"))
    text = reader.read(rtf)
    if reader.encapsulates_html:
        return Wording("text/html", text.encode("utf-8", "replace"))
    if reader.rich:
        return Wording("text/rtf", rtf)
    return Wording("text/plain", text.encode("utf-8", "replace"))


class _Reader:
    """One pass over the tokens; the time it takes is that of the length."""

    def __init__(self, *, encapsulates_html: bool) -> None:
        self.encapsulates_html = encapsulates_html
        self.rich = False
        self._out: list[str] = []
        self._bytes = bytearray()
        """Characters that are still in their charset; those of two bytes come in two tokens."""
        self._units: list[int] = []
        """UTF-16 units of ``\\u``; those beyond the first plane come in two."""
        self._own = "cp1252"
        self._fonts: dict[int, str] = {}
        self._font = self._default_font = 0
        self._in_fonts = 0
        """The depth at which the font table began; 0: outside of it."""
        self._skip = 0

    def read(self, rtf: bytes) -> str:
        stack: list[_Group] = []
        group = _Group()
        starred, position = False, 0
        while found := _TOKEN.match(rtf, position):
            position = found.end()
            word, number, octet, sign, brace, text = found.groups()
            if brace == b"{":
                self._flush(group)
                stack.append(group)
                self._skip = 0
            elif brace == b"}":
                self._flush(group)
                if len(stack) <= self._in_fonts:
                    self._in_fonts = 0
                group = stack.pop() if stack else group
                self._skip = 0
                if not stack:  # what is behind the last brace is none of the document
                    break
            elif sign == b"*":
                starred = True
                continue
            elif not any(found.groups()):  # the end of a line of the file, which is none of the text
                continue
            elif word is not None:
                name, value = word.decode().lower(), int(number) if number else None
                if name == "bin":
                    position += max(value or 0, 0)
                group = self._control(name, value, group, starred=starred, depth=len(stack))
            elif octet is not None:
                self._octets(bytes([int(octet, 16)]), group)
            elif sign is not None:
                self._text(_SIGNS.get(sign, ""), group)
            elif text is not None:
                self._octets(text, group)
            starred = False
        self._flush(group)
        return "".join(self._out)

    def _control(self, name: str, value: int | None, group: _Group, *, starred: bool, depth: int) -> _Group:
        if name == "u":
            if self._shows(group):
                self._decode(group)
                self._units.append((value or 0) & 0xFFFF)
            self._skip = group.fallback
            return group
        self._skip = 0
        if starred and name == "htmltag":
            self._flush(group)
            return replace(group, tag=True, silent=group.silent or not self.encapsulates_html)
        if starred or name in _SILENT:
            self.rich = self.rich or name in _RICH
            self._in_fonts = depth if name == "fonttbl" else self._in_fonts
            return replace(group, silent=True)
        match name:
            case "ansicpg":
                self._own = _known(f"cp{value}", self._own)
            case "f" | "deff":
                self._flush(group)
                self._font = value or 0
                if name == "deff":
                    self._default_font = self._font
                charset = group.charset if self._in_fonts else self._fonts.get(self._font, "")
                return replace(group, charset=charset)
            case "fcharset" if self._in_fonts:
                self._fonts[self._font] = _CHARSETS.get(value or 0, "")
            case "uc":
                return replace(group, fallback=min(max(value or 0, 0), 16))
            case "htmlrtf":
                self._flush(group)
                return replace(group, rtf_only=value != 0)
            case "v" | "deleted":
                self._flush(group)
                return replace(group, hidden=value != 0)
            case "plain":
                self._flush(group)
                return replace(group, hidden=False, charset=self._fonts.get(self._default_font, ""))
            case _:
                self._text(_WORDS.get(name, ""), group)
        return group

    def _shows(self, group: _Group) -> bool:
        if group.silent or (group.hidden and not group.tag):
            return False
        return not (self.encapsulates_html and group.rtf_only)

    def _octets(self, data: bytes, group: _Group) -> None:
        data, self._skip = data[self._skip :], max(self._skip - len(data), 0)
        if data and self._shows(group):
            self._pair_up(group)
            self._bytes += data

    def _text(self, text: str, group: _Group) -> None:
        if not text or not self._shows(group):
            return
        self._flush(group)
        self._say(text, group)

    def _say(self, text: str, group: _Group) -> None:
        self._out.append(text if group.tag or not self.encapsulates_html else html.escape(text, quote=False))

    def _decode(self, group: _Group) -> None:
        if self._bytes:
            charset = self._own if group.tag else group.charset or self._own
            text = self._bytes.decode(charset, "replace")
            self._bytes.clear()
            self._say(text, group)

    def _pair_up(self, group: _Group) -> None:
        if self._units:
            written = b"".join(unit.to_bytes(2, "little") for unit in self._units)
            self._units.clear()
            self._say(written.decode("utf-16-le", "replace"), group)

    def _flush(self, group: _Group) -> None:
        self._pair_up(group)
        self._decode(group)


def _known(charset: str, otherwise: str) -> str:
    try:
        codecs.lookup(charset)
    except LookupError:
        return otherwise
    return charset
