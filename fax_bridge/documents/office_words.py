"""Whether the words of an Office file are in the PDF that was made of it: a converter that drops some must be caught.

Looks are its own affair. Counted are words of four letters or more, since runs, ligatures and hyphens make shorter
ones hard to tell apart.
"""

import html
import io
import re
import unicodedata
import zipfile

import pypdfium2

_PARTS = {
    "docx": re.compile(r"word/(?:document|footnotes|endnotes)\.xml"),
    "pptx": re.compile(r"ppt/slides/slide\d+\.xml"),
}
_SHOWN = {
    "docx": re.compile(r"word/(?:document|footnotes|endnotes|header\d*|footer\d*)\.xml"),
    "pptx": re.compile(r"ppt/(?:slides|slideLayouts|slideMasters|diagrams)/\w+\.xml"),
    "xlsx": re.compile(r"xl/(?:sharedStrings|worksheets/\w+)\.xml"),
}
"""Parts of the package whose texts may be on a page."""
_AGAIN = re.compile(r"<mc:Fallback\b.*?</mc:Fallback>", re.DOTALL)
"""The same drawing for older readers (ECMA-376 part 3 §7.5)."""
_HIDDEN_RUN = re.compile(r"<w:r\b(?:(?!</w:r>).)*?<w:vanish\s*/>.*?</w:r>", re.DOTALL)
_PARAGRAPH = re.compile(r"</(?:w|a):p>")
_TEXT = re.compile(r"<(?:w|a):t(?:\s[^>]*)?>([^<]*)</(?:w|a):t>")
_ANY_TEXT = re.compile(r"<(?:\w+:)?t(?:\s[^>]*)?>([^<]*)</")
_WORD = re.compile(r"[^\W\d_]{4,}")
_TOLERATED = 0.02
"""Of the words; some are drawn as pictures of letters, or counted that no reader shows."""
_LONGEST = 20_000_000


def lost_words(data: bytes, kind: str, pdf: bytes) -> list[str]:
    """The words that are not in the PDF, where they are more than a few; empty where all is well."""
    wanted = _words(data, kind)
    shown = _letters("".join(_pages(pdf)))
    missing = [word for word in dict.fromkeys(wanted) if word not in shown]
    return missing if len(missing) > max(1.0, _TOLERATED * len(set(wanted))) else []


def text_of(data: bytes, kind: str) -> str:
    """All texts of the file, in no order, for the letters in them."""
    found: list[str] = []
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        for name in package.namelist():
            if _SHOWN[kind].fullmatch(name):
                xml = package.read(name)[:_LONGEST].decode("utf-8", "replace")
                found += _ANY_TEXT.findall(_HIDDEN_RUN.sub("", xml))
    return html.unescape("".join(found))


def _words(data: bytes, kind: str) -> list[str]:
    wanted = _PARTS.get(kind)
    found: list[str] = []
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        for name in package.namelist():
            if wanted and wanted.fullmatch(name):
                xml = package.read(name)[:_LONGEST].decode("utf-8", "replace")
                if kind == "pptx" and re.search(r'<p:sld\b[^>]*\bshow="(?:0|false)"', xml):
                    continue
                for paragraph in _PARAGRAPH.split(_HIDDEN_RUN.sub("", _AGAIN.sub("", xml))):
                    text = html.unescape("".join(_TEXT.findall(paragraph)))
                    found += [_letters(word) for word in _WORD.findall(text)]
    return found


def _pages(pdf: bytes) -> list[str]:
    with pypdfium2.PdfDocument(pdf) as document:
        return [str(page.get_textpage().get_text_range()) for page in document]


def _letters(text: str) -> str:
    """Letters alone, without their marks and their case, which a style may change (and ``ı`` then is an ``I``)."""
    flat = unicodedata.normalize("NFKD", text.casefold().replace("ı", "i"))
    return "".join(letter for letter in flat if letter.isalpha())
