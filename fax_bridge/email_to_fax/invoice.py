"""Electronic invoices as XML (UBL, as Turkish e-Fatura and Peppol have them; UN/CEFACT): data, and no page to fax.

What a person sees of one is made by an XSLT that mostly comes inside it. That is a program of a stranger's, and is not
run here: the sender is told what to send instead.
"""

import re

_COMMENT = re.compile(r"<!--.*?-->|<\?.*?\?>", re.DOTALL)
_ROOT = re.compile(r"<(?:[\w.-]+:)?([\w.-]+)(?=[\s/>])")
_ROOTS = {
    "Invoice", "CreditNote", "DebitNote", "DespatchAdvice", "ReceiptAdvice", "ApplicationResponse",
    "CrossIndustryInvoice", "StandardBusinessDocument", "eArsivRaporu",
}  # fmt: skip
_VOCABULARIES = (
    "urn:oasis:names:specification:ubl:schema:xsd:",
    "urn:un:unece:uncefact:data:standard:crossindustryinvoice",
    "efatura.gov.tr",
)
_HEAD = 64 * 1024
"""Bytes that are looked at; the root element with its namespaces stands near the beginning."""


def is_invoice(data: bytes) -> bool:
    """By its root element and the vocabulary that it declares."""
    head = data[:_HEAD]
    utf_16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = head.decode("utf-16" if utf_16 else "utf-8", "replace").lstrip("\ufeff \t\r\n")
    if not text.startswith("<"):
        return False
    text = _COMMENT.sub("", text)
    root = _ROOT.search(text)
    return bool(root and root[1] in _ROOTS and any(word in text.lower() for word in _VOCABULARIES))
