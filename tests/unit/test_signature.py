"""Where a plain text ends and its signature begins."""

import pytest

from fax_bridge.email_to_fax.signature import without_signature

QUOTED = "On 24 Nov, X <x@y> wrote:\n> soru\n> -- \n> X"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Evet.\n-- \nAyşe\n", "Evet."),
        ("Evet.\n--\nAyşe\n", "Evet."),
        ("Evet.\n--\u00a0\nAyşe", "Evet."),
        ("bir\n--\niki\n-- \nAyşe", "bir\n--\niki"),
        ("bir\n--\n" + "iki\n" * 20, "bir\n--\n" + "iki\n" * 20),
        (f"Evet.\n-- \nAyşe\n\n{QUOTED}", f"Evet.\n{QUOTED}"),
        ("> soru\n> -- \n> X\n\ncevap", "> soru\n> -- \n> X\n\ncevap"),
        ("--a\n---\n -- \n", "--a\n---\n -- \n"),
        ("", ""),
    ],
)
def test_a_signature_is_what_stands_below_its_mark(text: str, left: str) -> None:
    """A mark in a quotation is the other's; two bare hyphens may part paragraphs."""
    found, cut = without_signature(text)
    assert found == left
    assert cut == (left != text)
