"""The mails of tests/data/mails, modelled on what real programs send, through the real worker: each part's fate."""

import io
import re
import tomllib
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from fax_bridge.documents.worker import Documents
from fax_bridge.email_to_fax.document import Prepared, Unfaxable, prepare
from fax_bridge.email_to_fax.read import read_mail
from fax_bridge.fax import Fate, Paper

MAILS = Path(__file__).parents[1] / "data" / "mails"
EXPECTED: dict[str, dict[str, Any]] = tomllib.loads((MAILS / "fates.toml").read_text(encoding="utf-8"))


def told(fates: tuple[Fate, ...]) -> list[str]:
    return [" ".join(filter(None, (fate.part, fate.kind, fate.reason))) for fate in fates]


def words_of(made: Prepared) -> str:
    """All that the recipient can read, on one line."""
    with pypdfium2.PdfDocument(io.BytesIO(made.pdf)) as pdf:
        pages = [page.get_textpage().get_text_range() for page in pdf]
    cover = re.sub(r"<style>.*?</style>|<[^>]*>", " ", made.cover_body or "", flags=re.DOTALL)
    return " ".join(" ".join((*pages, cover)).split())


@pytest.mark.parametrize("name", EXPECTED)
async def test_every_part_of_a_real_mail_gets_the_right_fate(documents: Documents, name: str) -> None:
    """Faxed whole, or refused with the reason; nothing vanishes, nothing is faxed that nobody meant to send."""
    expected = EXPECTED[name]
    made = await prepare(read_mail((MAILS / f"{name}.eml").read_bytes()), documents, paper=Paper.A4)
    assert told(made.fates) == expected["fates"]
    if "refused" in expected:
        assert isinstance(made, Unfaxable)
        assert made.reason == expected["refused"]
        return
    assert isinstance(made, Prepared)
    assert (made.pages, made.cover_body is not None) == (expected["pages"], expected["cover"])
    found = words_of(made)
    assert [words for words in expected.get("says", ()) if words not in found] == []
    assert [words for words in expected.get("never_says", ()) if words in found] == []


def test_every_mail_of_the_corpus_is_expected_and_described() -> None:
    """A sample without a purpose is noise; one without expected fates tests nothing."""
    mails = {path.stem for path in MAILS.glob("*.eml")}
    assert mails == set(EXPECTED)
    readme = (MAILS / "README.md").read_text(encoding="utf-8")
    assert {name for name in mails if f"| `{name}.eml` |" not in readme} == set()


async def test_what_a_reply_quotes_of_ours_can_be_kept(documents: Documents) -> None:
    """Cutting is a setting."""
    content = (MAILS / "outlook-reply-to-fax.eml").read_bytes()
    made = await prepare(read_mail(content, cut_quoted=False), documents, paper=Paper.A4)
    assert isinstance(made, Prepared)
    assert "Kayıt numarası" in words_of(made)
    assert "the fax we delivered" in words_of(made)
