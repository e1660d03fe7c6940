"""Status words of FaxMAX: known, ambiguous, unknown."""

import tomllib

import pytest

from fax_bridge.fax import ResultClass as R
from fax_bridge.faxmax.status import Meaning, fold, line_to_add, meaning_of


@pytest.mark.parametrize(
    ("status", "message", "sent", "result", "final"),
    [
        ("DELIVERED", "", True, R.DELIVERED, True),
        ("Başarılı", "", False, R.DELIVERED, True),
        ("BAŞARISIZ", "Karşı taraf meşgul (BUSY)", False, R.BUSY, True),
        ("FAILED", "NO_ANSWER", False, R.NO_ANSWER, True),
        ("FAILED", "Cevap yok", False, R.NO_ANSWER, True),
        ("FAILED", "PARTIAL", False, R.PARTIAL, True),
        ("FAILED", "NOT_A_FAX", False, R.NOT_A_FAX, True),
        ("FAILED", "", False, R.LINE_FAULT, True),
        ("GÖNDERİLİYOR", "", False, None, False),
        ("queued", "", False, None, False),
        ("busy", "", False, R.BUSY, False),
    ],
)
def test_a_known_word_has_its_meaning(status: str, message: str, sent: bool, result: R | None, final: bool) -> None:
    """Turkish and English, in any case; a cause alone may be an attempt's and does not end the fax."""
    meaning = meaning_of(status, message, sent=sent)
    assert (meaning.result, meaning.final, meaning.known) == (result, final, True)


@pytest.mark.parametrize("word", ["sent", "Gönderildi", "OK"])
def test_an_ambiguous_word_means_delivered_only_with_a_time_of_sending(word: str) -> None:
    """Handed on is not arrived."""
    assert meaning_of(word, "", sent=True) == Meaning(R.DELIVERED, final=True)
    assert not meaning_of(word, "", sent=False).final


def test_an_unknown_word_is_never_final() -> None:
    """The sender hears nothing false; the operator is shown the word."""
    assert meaning_of("XYZZY", "", sent=True) == Meaning(None, final=False, known=False)


def test_the_settings_have_the_last_word() -> None:
    """[faxmax.status_map] wins over the table that comes with the program."""
    own = {fold("Meşgul"): Meaning(R.BUSY, final=True)}
    assert meaning_of("MEŞGUL", "", sent=False, own=own).final


@pytest.mark.parametrize("word", ["İPTAL EDİLDİ", "iptal edildi", "Iptal Edildi", "ıptal_edıldı"])
def test_the_turkish_i_is_one_letter_here(word: str) -> None:
    """İ, I, ı and i are compared as one."""
    assert fold(word) == "iptal edildi"


@pytest.mark.parametrize(
    ("status", "message", "cause"),
    [("XYZZY", "", "CLASS"), ("XYZZY", "hat meşgul", "busy"), ('a "quoted\\ word', "\x7f", "CLASS"), ("", "", "CLASS")],
)
def test_the_line_to_add_is_toml_and_never_guesses_success(status: str, message: str, cause: str) -> None:
    """It can be pasted as it is; an operator who does so unread tells nobody that a fax arrived."""
    added = tomllib.loads(f"[faxmax.status_map]\n{line_to_add(status, message)}\n")["faxmax"]["status_map"]
    assert added == {status: {"class": cause, "final": True}}
