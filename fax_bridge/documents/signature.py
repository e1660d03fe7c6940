"""The signature of a mail, cut out of its HTML by the marks that mail programs put around it.

One that stands in a quotation belongs to what is quoted, and stays with it.
"""

from lxml import html

from fax_bridge.documents.quoted import parsed, pictures_in

_MARKS = (
    "//*[contains(concat(' ', @class, ' '), ' gmail_signature ')]",
    "//*[contains(concat(' ', @class, ' '), ' gmail_signature_prefix ')]",  # its "-- "
    "//*[contains(concat(' ', @class, ' '), ' moz-signature ')]",  # Thunderbird
    "//*[contains(concat(' ', @class, ' '), ' protonmail_signature_block ')]",
    "//*[@id='Signature']",  # Outlook on the web
    "//*[@id='ms-outlook-mobile-signature']",
    "//*[@id='AppleMailSignature']",
)


def without_signature(text: str) -> tuple[str, bool, set[str]]:
    """The document, whether anything was cut, and the Content-IDs of the pictures that went with it."""
    root = parsed(text)
    if root is None:
        return text, False, set()
    gone: set[str] = set()
    cut = False
    for path in _MARKS:
        for mark in root.xpath(f"{path}[not(ancestor::blockquote)]"):
            if mark is not root and root in mark.iterancestors():  # not cut already
                gone |= pictures_in(mark)
                mark.drop_tree()
                cut = True
    if not cut:
        return text, False, set()
    return html.tostring(root, encoding="unicode"), True, gone - pictures_in(root)
