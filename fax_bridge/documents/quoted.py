"""The mail that a reply quotes, cut out of the reply's HTML by the marks that mail programs put around it.

Only what such a mark encloses goes. What a person wrote before, after or between quotations stays.
"""

import re
from collections.abc import Iterator

from lxml import etree, html

_QUOTES = (
    "//blockquote[@type='cite']",  # Apple Mail, Thunderbird, Proton
    # Gmail puts a container of the same class around all, answers between the quotations too: that one stays.
    "//blockquote[contains(concat(' ', @class, ' '), ' gmail_quote ')]",
    "//*[contains(concat(' ', @class, ' '), ' gmail_attr ')]",
    "//*[contains(concat(' ', @class, ' '), ' moz-cite-prefix ')]",
    "//blockquote[@id='blockquote_zmail']",  # Zoho
    "//*[contains(concat(' ', @class, ' '), ' yahoo_quoted ')]",
)
_LAST_MARKS = (
    "//*[@id='divRplyFwdMsg']",  # Outlook on the web
    "//*[@id='mail-editor-reference-message-container']",  # Outlook for phones
    "//*[@id='appendonsend']",
    # Outlook for Windows: a rule above From, Sent, To and Subject, and the original is all that follows.
    "//div[contains(translate(@style, ' ', ''), 'border-top:solid#E1E1E11.0pt')]",
    "//div[contains(translate(@style, ' ', ''), 'border-top:solid#B5C4DF1.0pt')]",
)
"""Of these everything that follows in the document belongs to the original too."""
_ATTRIBUTION = re.compile(r"[^\n]{0,200}@[^\n]{0,200}:")
"""A line that names an address and ends in a colon."""
_CID = re.compile(r"cid:(.+)", re.IGNORECASE | re.DOTALL)


def without_quoted(text: str) -> tuple[str, bool, set[str]]:
    """The document, whether anything was cut, and the Content-IDs of the pictures that went with it."""
    root = parsed(text)
    if root is None:
        return text, False, set()
    gone: set[str] = set()
    cut = False
    for quote in _found(root, _QUOTES):
        _cut_attribution(quote)
        gone |= pictures_in(quote)
        quote.drop_tree()
        cut = True
    for mark in _found(root, _LAST_MARKS):
        gone |= _cut_from(mark)
        cut = True
    if not cut:
        return text, False, set()
    return html.tostring(root, encoding="unicode"), True, gone - pictures_in(root)


def parsed(text: str) -> html.HtmlElement | None:
    """``None`` where there is nothing in it, or more than the parser takes, which then drops the rest."""
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, huge_tree=True)
    try:
        root = html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    except etree.LxmlError:
        return None
    return None if any(fault.level == etree.ErrorLevels.FATAL for fault in parser.error_log) else root


def _found(root: html.HtmlElement, paths: tuple[str, ...]) -> Iterator[html.HtmlElement]:
    for path in paths:
        for element in root.xpath(path):
            if element is not root and root in element.iterancestors():  # not cut already
                yield element


def _cut_from(mark: html.HtmlElement) -> set[str]:
    """Remove the mark and everything behind it, and return the pictures in that."""
    gone: set[str] = set()
    current = mark
    while (parent := current.getparent()) is not None and parent.tag != "html":
        for sibling in list(current.itersiblings()):
            gone |= pictures_in(sibling)
            parent.remove(sibling)  # with the text behind it
        current.tail = None
        current = parent
    gone |= pictures_in(mark)
    mark.drop_tree()
    return gone


def _cut_attribution(quote: html.HtmlElement) -> None:
    """Some programs write "On … wrote:" as a block before the quotation, without a mark of its own."""
    before = quote.getprevious()
    while before is not None and before.tag == "br" and not (before.tail or "").strip():
        before = before.getprevious()
    if before is not None and before.tag in {"div", "p"} and not (before.tail or "").strip():
        words = " ".join(before.text_content().split())
        if _ATTRIBUTION.fullmatch(words) and before.find(".//img") is None:
            before.drop_tree()


def pictures_in(element: html.HtmlElement) -> set[str]:
    """The Content-IDs that it shows."""
    return {found[1] for image in element.iter("img") if (found := _CID.fullmatch(image.get("src", "").strip()))}
