"""The spreadsheet of a mail to many: whole, readable, and harmless."""

import csv
import io

from hypothesis import given, settings
from hypothesis import strategies as st

from fax_bridge.fax import FaxState, Language, ResultClass
from fax_bridge.mail.letters import ReportFax
from fax_bridge.mail.listing import COLUMNS, SEPARATORS, listing
from fax_bridge.mail.outcome import fax_view
from fax_bridge.mail.shown import Shown
from fax_bridge.mail.words import Words

WORDS = Words()


def rows(language: Language, *faxes: ReportFax) -> list[list[str]]:
    shown = Shown(language, "Europe/Istanbul")
    content = listing([fax_view(fax, WORDS, shown) for fax in faxes], WORDS, language)
    assert content.startswith(b"\xef\xbb\xbf")
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    return list(csv.reader(text, delimiter=SEPARATORS[language]))


def fax(station: str = "ACME", detail: str = "FAILED: BUSY", provider: str = "ab") -> ReportFax:
    return ReportFax(
        "01HF7", "902162222525", ("02162222525@x",), FaxState.FAILED, ResultClass.BUSY, provider,
        remote_station=station, detail=detail,
    )  # fmt: skip


def test_a_spreadsheet_has_a_line_of_titles_and_one_for_each_fax() -> None:
    """In the reader's language, with the separator that its spreadsheet expects, and a number that stays a number."""
    title, first = rows(Language.TR, fax())
    assert title[0] == "Numara"
    assert first[0] == "90 216 222 25 25"
    assert first[2] == "Faks gönderilemedi, hat meşgul"
    assert len(title) == len(first) == len(COLUMNS)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from("=+-@\t\r\n"), st.text(max_size=20), st.sampled_from(Language))
def test_nothing_from_outside_is_a_formula(sign: str, rest: str, language: Language) -> None:
    """No cell begins with a sign that a spreadsheet calculates from, blanks before it or not."""
    hostile = f"{sign}{rest}"
    found = rows(language, fax(hostile, f" {hostile}", hostile))
    assert len(found) == 2
    for cell in found[1]:
        assert not cell.lstrip().startswith(("=", "+", "-", "@"))
        assert not cell.startswith(("\t", "\r", "\n"))
