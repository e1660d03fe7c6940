"""What FaxMAX's status words mean. The page documents none of them, so this is a table that settings extend.

The literal decides, never the page counts. What no table knows is *not final*: the sender hears nothing
false, and the operator is shown the literal once.
"""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from fax_bridge.fax import ResultClass as R


@dataclass(frozen=True, slots=True)
class Meaning:
    result: R | None
    final: bool
    known: bool = True


INTERIM = Meaning(None, final=False)
DEFAULT: dict[str, Meaning] = {}


def _words(meaning: Meaning, *words: str) -> None:
    DEFAULT.update({fold(word): meaning for word in words})


def fold(literal: str) -> str:
    """One spelling for all: lower case, no accents, the Turkish İ I ı i alike, ``_`` and ``-`` as blanks."""
    text = unicodedata.normalize("NFKD", literal.replace("ı", "i").replace("İ", "i").casefold())
    kept = "".join(" " if c in "_-" else c for c in text if not unicodedata.combining(c))
    return " ".join(kept.split())


_words(INTERIM, "queued", "pending", "waiting", "new", "created", "scheduled", "sending", "in progress", "processing",
       "converting", "dialing", "calling", "trying", "retrying", "started", "kuyrukta", "kuyruğa alındı", "bekliyor",
       "beklemede", "işleniyor", "hazırlanıyor", "gönderiliyor", "aranıyor", "tekrar denenecek",
       "deneniyor")  # fmt: skip
_words(Meaning(R.DELIVERED, final=True), "delivered", "success", "successful", "succeeded", "completed", "complete",
       "teslim edildi", "başarılı", "iletildi", "ulaştı", "tamamlandı")  # fmt: skip
# FaxMAX tries again by itself (tried_count), so a cause alone may be an attempt's; "failed" is the fax's end.
_words(Meaning(R.BUSY, final=False), "busy", "user busy", "line busy", "meşgul", "hat meşgul")
_words(
    Meaning(R.NO_ANSWER, final=False), "no answer", "noanswer", "cevap yok", "cevapsız", "cevap vermedi", "yanıt yok"
)
_words(Meaning(R.LINE_FAULT, final=True), "failed", "failure", "fail", "error", "başarısız", "hata", "gönderilemedi",
       "iletilemedi", "teslim edilemedi", "undelivered", "not delivered")  # fmt: skip
_words(Meaning(R.PARTIAL, final=True), "partial", "partially sent", "incomplete", "kısmi", "eksik", "kısmen gönderildi")
_words(Meaning(R.CANCELLED, final=True), "cancelled", "canceled", "aborted", "iptal", "iptal edildi")
_words(Meaning(R.REFUSED, final=True), "rejected", "refused", "reddedildi")
_words(Meaning(R.BAD_NUMBER, final=True), "invalid number", "bad number", "geçersiz numara", "hatalı numara")
_words(Meaning(R.NOT_A_FAX, final=True), "not a fax", "no fax", "faks değil", "faks cihazı değil")

AMBIGUOUS = frozenset(fold(word) for word in ("sent", "gönderildi", "ok"))
"""Handed on, or arrived? Delivered only together with ``sent_on``."""

CAUSES: tuple[tuple[R, tuple[str, ...]], ...] = (
    (R.BUSY, ("busy", "mesgul")),
    (R.NO_ANSWER, ("no answer", "noanswer", "cevap", "yanit")),
    (R.PARTIAL, ("partial", "kismi", "kismen", "eksik", "incomplete")),
    (R.NOT_A_FAX, ("not a fax", "no fax", "no carrier", "voice", "faks degil", "faks sinyali", "faks cihazi", "human")),
    (R.BAD_NUMBER, ("unallocated", "invalid number", "bad number", "gecersiz numara", "hatali numara", "no route")),
    (R.REFUSED, ("document", "belge", "rejected", "refused", "reddedildi", "credit", "kontor", "bakiye")),
)
"""Folded words that name the cause inside ``result_message`` of a failure, the first that is found."""


def meaning_of(status: str, message: str, *, sent: bool, own: Mapping[str, Meaning] = {}) -> Meaning:
    """What a status says. ``own`` is the settings' table with folded keys, and wins; ``sent``: ``sent_on`` is there."""
    word = fold(status)
    if word in own:
        return own[word]
    if word in AMBIGUOUS:
        return Meaning(R.DELIVERED, final=True) if sent else INTERIM
    meaning = DEFAULT.get(word)
    if meaning is None:
        return Meaning(None, final=False, known=False)
    if meaning.result == R.LINE_FAULT:
        return Meaning(_cause(message, own), final=True)
    return meaning


def _cause(message: str, own: Mapping[str, Meaning]) -> R:
    text = fold(message)
    if text in own and (result := own[text].result):
        return result
    return next((result for result, words in CAUSES if any(word in text for word in words)), R.LINE_FAULT)


CLASS = "CLASS"
"""Stands in the line to add where nothing tells which class the operator will choose."""


def line_to_add(status: str, message: str) -> str:
    """The line for ``[faxmax.status_map]`` that would make a word known. Never a guess at ``delivered``: whoever copies
    it unread must not tell senders that their faxes arrived."""
    text = fold(f"{status} {message}")
    cause = next((str(result) for result, words in CAUSES if any(word in text for word in words)), CLASS)
    # A basic string of TOML is one of JSON, but for DEL.
    word = json.dumps(status, ensure_ascii=False).replace("\x7f", "\\u007f")
    return f'{word} = {{ class = "{cause}", final = true }}'
