"""What of a text no font can draw: a letter that would be a box refuses the part, a symbol that would is told.

A box in the place of a name or a figure changes what a contract says, and whoever sent it cannot see it. One in the
place of a smiley does not.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pypdfium2

from fax_bridge.documents import typefaces
from fax_bridge.documents.cmap import BrokenFont, Maps, read_cmap
from fax_bridge.documents.html import fonts as engine_fonts
from fax_bridge.documents.job import Task
from fax_bridge.errors import DocumentRefused

_SURE = 0x250
"""Below it our own fonts have every character (Basic Latin to Latin Extended-B); most mails hold no others."""
_NOT_DRAWN = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"})
"""Unicode categories (UAX #44) that have no picture: controls, joiners and marks of direction, blanks."""
_IGNORED = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10)}
    | set(range(0xE0100, 0xE01F0))
)
"""Letters and marks that are never seen either: variation selectors, fillers (``Default_Ignorable_Code_Point``)."""
_LETTERS = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd", "Nl", "No"})
"""The categories without which a text says something else: letters, their marks, numbers. Not what is drawn around
them (Me), as around the figure of a keycap.
"""
_MOST_NAMED = 5


_MARKUP = re.compile(r"<style>.*?</style>|<[^>]*>", re.DOTALL)


def work(task: Task, _arguments: dict[str, Any]) -> tuple[bytes, Any]:
    """The symbols that would be boxes in the cleaned HTML ``0``. Refused: ``letters_missing``."""
    return b"", boxes_in_html(task.blob("0").decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Missing:
    """Each character once, in the order of the text."""

    letters: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()


def missing(text: str, fonts: Sequence[Path]) -> Missing:
    """The characters of ``text`` of which none of ``fonts`` has a picture. A file that is no font has none."""
    wanted = [c for c in dict.fromkeys(text) if ord(c) >= _SURE and _is_drawn(c)]
    for font in fonts:
        if not wanted:
            break
        maps = _cmap(font)
        wanted = [c for c in wanted if not maps(ord(c))]
    letters = tuple(c for c in wanted if unicodedata.category(c) in _LETTERS)
    return Missing(letters, tuple(c for c in wanted if c not in set(letters)))


def boxes_in(text: str, fonts: Sequence[Path] | None = None) -> str:
    """The symbols that will stand as boxes, named; empty where there are none. ``fonts``: those of our own pages.

    Refused: ``letters_missing``.
    """
    found = missing(text, engine_fonts() if fonts is None else fonts)
    if found.letters:
        raise DocumentRefused(0, "letters_missing", named_letters(found.letters))
    return named_symbols(found.symbols)


def boxes_in_html(fragment: str) -> str:
    """As :func:`boxes_in`, for a cleaned fragment; the text of hidden elements counts too."""
    return boxes_in(html.unescape(_MARKUP.sub("", fragment)))


def boxes_in_pdf(pdf: bytes) -> str:
    """As :func:`boxes_in`, for a PDF that LibreOffice made with the machine's fonts and ours.

    Where it has no picture for a letter it draws a box, says nothing, and writes into the PDF what the box stands for.
    """
    with pypdfium2.PdfDocument(pdf) as document:
        text = "".join(page.get_textpage().get_text_range() for page in document)
    return boxes_in(text, typefaces.all_with_machine())


def named_letters(letters: Sequence[str]) -> str:
    """``漢字カ (CJK, Katakana)``: the first few, for a reader who looks for them, and their scripts for all others."""
    scripts = ", ".join(dict.fromkeys(map(_script, letters)))
    more = " …" if len(letters) > _MOST_NAMED else ""
    return f"{''.join(map(_alone, letters[:_MOST_NAMED]))}{more} ({scripts[:100]})"


def named_symbols(symbols: Iterable[str]) -> str:
    """``😀 grinning face, U+E123``: by name, since where it is read the symbol may be a box too."""
    named = [f"{c} {unicodedata.name(c).lower()}" if unicodedata.name(c, "") else f"U+{ord(c):04X}" for c in symbols]
    return ", ".join(named[:_MOST_NAMED]) + (" …" if len(named) > _MOST_NAMED else "")


def _is_drawn(character: str) -> bool:
    return unicodedata.category(character) not in _NOT_DRAWN and ord(character) not in _IGNORED


def _alone(character: str) -> str:
    """A mark by itself stands on a dotted circle, as in Unicode's charts."""
    return f"\u25cc{character}" if unicodedata.category(character).startswith("M") else character


def _script(character: str) -> str:
    """By the first word of its name, which is its script's but for figures and the like."""
    word = unicodedata.name(character, f"U+{ord(character):04X}").split()[0]
    return word if word == "CJK" or word.startswith("U+") else word.capitalize()


@cache
def _cmap(font: Path) -> Maps:
    try:
        return read_cmap(font)
    except (BrokenFont, OSError):
        return lambda _code: False
