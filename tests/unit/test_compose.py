"""The mails that we write, read back with the parser that a mail reader uses."""

import re
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fax_bridge.fax import FAX_ENDS, Fate, FateKind, FaxState, Language, ResultClass
from fax_bridge.mail.compose import Alert, ReceivedFax, alert_mail, received_mail
from fax_bridge.mail.headers import line, message_ids, unstructured
from fax_bridge.mail.reports import Report, ReportFax, report_mail
from fax_bridge.mail.words import Words

WORDS = Words()
NOON = 1_795_000_000_000  # 2026-11-18 14:06:40 in Istanbul
SENDER = "Faks <faks@fax.example.com>"
ENDS: list[tuple[FaxState, ResultClass | None]] = [
    (state, None) for state in sorted(FAX_ENDS - {FaxState.FAILED, FaxState.DELIVERED})
]
ENDS += [(FaxState.DELIVERED, ResultClass.DELIVERED)]
ENDS += [(FaxState.FAILED, result) for result in ResultClass if result is not ResultClass.DELIVERED]
LANGUAGES = pytest.mark.parametrize("language", Language)
ATTACKS = (
    "x\r\nBcc: victim@example.org",
    "x\nSubject: other\n\nbody",
    "x\r\n\r\n<script>alert(1)</script>",
    "\x00\x1b[2J\x7f",
    "invoice\u202efdp.exe",
    "a\u2028Bcc: b\u2029c\u0085d",
    "=?utf-8?q?=0d=0aBcc:_victim=40example.org?=",
    'quo"te\\ <other@example.org>, third@example.org',
    "\udcff\udc0a lone",
    "{{ 7 * 7 }}{% raw %}",
    "ğ" * 5000,
)


def fax(state: FaxState = FaxState.DELIVERED, result: ResultClass | None = None, **changed: object) -> ReportFax:
    values: dict[str, object] = {
        "fax_id": "01HF7YAT31JZHSMW1DA8S1XZ7K",
        "number": "902162222525",
        "recipients": ("02162222525@fax.example.com",),
        "provider_id": "ca1d30ec-7a1c",
        "pages_sent": 3,
        "pages_total": 4,
        "attempts": 2,
        "submitted_at": NOON + 60_000,
        "ended_at": NOON + 180_000,
        "remote_station": "OZGUR INSAAT",
    }
    return ReportFax(state=state, result=result, **{**values, **changed})  # type: ignore[arg-type]  # a dict of all sorts


def report(*faxes: ReportFax, **changed: object) -> Report:
    values: dict[str, object] = {
        "message_id": "01HF7YAT31JZHSMW1DA8S1XZ7J",
        "to": ("ayse@example.com",),
        "subject": "Şişli şantiyesi",
        "accepted_at": NOON,
        "original_message_id": "<original@example.com>",
        "references": "<first@example.com> <second@example.com>",
        "document_pages": 3,
        "document_sha256": "9f86d081",
    }
    return Report(faxes=faxes, **{**values, **changed})  # type: ignore[arg-type]  # a dict of all sorts


def received(**changed: object) -> ReceivedFax:
    values: dict[str, object] = {
        "fax_id": "01HF7YAT31JZHSMW1DA8S1XZ7L",
        "received_at": NOON,
        "tiff": b"II*\x00 the original",
        "pdf": b"%PDF-1.7 the pages\xff",
        "provider_id": "fe12",
        "caller": "902162222525",
        "caller_raw": "02162222525",
        "called": "902124445566",
        "remote_station": "ACME LTD",
        "pages": 3,
    }
    return ReceivedFax(**{**values, **changed})  # type: ignore[arg-type]  # a dict of all sorts


def sent(report: Report) -> bytes:
    return report_mail(report, WORDS, sender=SENDER, message_id="<report-1@fax.example.com>", date=NOON + 300_000)


def brought(fax: ReceivedFax, to: tuple[str, ...] = ("santral@example.com",)) -> bytes:
    return received_mail(
        fax,
        WORDS,
        sender=SENDER,
        reply_domain="fax.example.com",
        to=to,
        message_id="<received-1@fax.example.com>",
        date=NOON,
    )


def read(mail: bytes) -> EmailMessage:
    message = BytesParser(policy=policy.default).parsebytes(mail)
    assert isinstance(message, EmailMessage)
    assert not any(part.defects for part in message.walk())
    return message


def body(message: EmailMessage, kind: str = "plain") -> str:
    part = message.get_body((kind,))
    assert part is not None
    content = part.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


def shown_lines(message: EmailMessage) -> str:
    """The text with its wrapping undone."""
    return re.sub(r"\s+", " ", body(message))


# --- the report --------------------------------------------------------------------------------------


def test_a_report_is_an_automatic_reply_in_the_senders_thread() -> None:
    """Subject, thread and marks: a mail reader files it beside the sender's mail, and no robot answers it."""
    message = read(sent(report(fax())))
    assert message["subject"] == "Faks teslim edildi: +90 216 222 25 25 – Şişli şantiyesi"
    assert message["from"] == SENDER
    assert message["to"] == "ayse@example.com"
    assert message["date"] == "Wed, 18 Nov 2026 14:11:40 +0300"
    assert message["message-id"] == "<report-1@fax.example.com>"
    assert message["in-reply-to"] == "<original@example.com>"
    assert message["references"].split() == ["<first@example.com>", "<second@example.com>", "<original@example.com>"]
    assert message["auto-submitted"] == "auto-replied"
    assert message["x-auto-response-suppress"] == "All"
    assert message["x-fax-bridge-id"] == "01HF7YAT31JZHSMW1DA8S1XZ7J"
    assert "reply-to" not in message
    assert message.get_content_type() == "multipart/alternative"


def test_the_same_report_is_the_same_bytes() -> None:
    """Nothing random or of the clock is in a mail: a repeated one can be recognised."""
    assert sent(report(fax())) == sent(report(fax()))
    assert brought(received()) == brought(received())


def test_a_mail_is_seven_bit_and_its_lines_are_short() -> None:
    """Any mail server takes it as it is (RFC 5321 §4.5.3.1.6, RFC 5322 §2.1.1)."""
    for mail in (sent(report(fax(), subject="ğüşıöç " * 100)), brought(received(picture_png=b"\x89PNG"))):
        assert mail.isascii()
        assert b"\n" not in mail.replace(b"\r\n", b"")
        assert max(map(len, mail.split(b"\r\n"))) <= 78


@LANGUAGES
@pytest.mark.parametrize(("state", "result"), ENDS)
def test_every_end_says_what_happened_and_what_to_do(
    language: Language, state: FaxState, result: ResultClass | None
) -> None:
    """The first line tells the end, a next step follows, and the subject says it too."""
    message = read(sent(report(fax(state, result), language=language)))
    key = state.value if result in (None, ResultClass.DELIVERED) else f"failed.{result}"
    address = "02162222525@fax.example.com"
    said = {
        kind: WORDS.phrase(language, f"outcome.{key}.{kind}", number="+90 216 222 25 25", address=address, until="")
        for kind in ("title", "headline", "cause", "next")
    }
    assert all(said.values())
    assert body(message).splitlines()[0] == said["headline"]
    assert message["subject"].startswith(f"{said['title']}: +90 216 222 25 25")
    for kind in ("cause", "next"):
        assert said[kind] in shown_lines(message)
    html = body(message, "html").replace("&#39;", "'")
    assert all(said[kind] in html for kind in ("headline", "cause", "next"))


@LANGUAGES
def test_no_two_ends_read_alike(language: Language) -> None:
    """Whoever gets two reports can tell from any sentence of them that they ended differently."""
    told = [read(sent(report(fax(state, result), language=language))) for state, result in ENDS]
    assert len({message["subject"] for message in told}) == len(ENDS)
    assert len({body(message).splitlines()[0] for message in told}) == len(ENDS)


@pytest.mark.parametrize(
    ("ended", "handed", "confirmed"),
    [
        (fax(), "18 Kasım 2026 14:07", "18 Kasım 2026 14:09"),
        (fax(FaxState.FAILED, ResultClass.BUSY), "18 Kasım 2026 14:07", "hayır"),
        (fax(FaxState.FAILED, ResultClass.BUSY, submitted_at=None, provider_id=""), "evet", "hayır"),
        (fax(FaxState.FAILED, ResultClass.PARTIAL), "18 Kasım 2026 14:07", "yalnızca bir kısmını"),
        (fax(FaxState.FAILED, ResultClass.DOCUMENT, submitted_at=None, provider_id=""), "hayır", "hayır"),
        (fax(FaxState.FAILED, ResultClass.REFUSED, submitted_at=None, provider_id=""), "hayır", "hayır"),
        (fax(FaxState.FAILED, ResultClass.EXPIRED, submitted_at=None, provider_id=""), "hayır", "hayır"),
        (fax(FaxState.FAILED, None, submitted_at=None, provider_id=""), "belli değil", "hayır"),
        (fax(FaxState.CANCELLED, submitted_at=None, provider_id=""), "hayır", "hayır"),
        (fax(FaxState.UNCONFIRMED), "18 Kasım 2026 14:07", "bildirilmedi"),
        (fax(FaxState.UNCERTAIN, submitted_at=None, provider_id=""), "belli değil", "bildirilmedi"),
    ],
)
def test_accepted_handed_over_and_confirmed_are_three_statements(ended: ReportFax, handed: str, confirmed: str) -> None:
    """Each says what is known and no more."""
    text = body(read(sent(report(ended))))
    assert re.search(r"Biz kabul ettik: +18 Kasım 2026 14:06$", text, re.MULTILINE)
    assert re.search(rf"FaxMAX'a verildi: +{handed}$", text, re.MULTILINE)
    assert re.search(rf"Karşı cihaz onayladı: +{confirmed}$", text, re.MULTILINE)


def test_an_uncertain_fax_may_or_may_not_have_gone_and_can_be_sent_again() -> None:
    """The sender learns the truth and the address to write to, and our own words are not put into FaxMAX's mouth."""
    uncertain = fax(FaxState.UNCERTAIN, submitted_at=None, provider_id="", detail="read timeout after 300 s")
    told = shown_lines(read(sent(report(uncertain, language=Language.EN))))
    assert "may or may not have gone out" in told
    assert "send the same mail to 02162222525@fax.example.com once more" in told
    assert "Detail: read timeout after 300 s" in told
    assert "FaxMAX says" not in told


def test_an_unconfirmed_fax_names_the_time_we_waited_until() -> None:
    """A promise that was kept is told with its hour."""
    told = shown_lines(read(sent(report(fax(FaxState.UNCONFIRMED, promised_until=NOON + 14_400_000)))))
    assert "18 Kasım 2026 18:06 itibarıyla bize bildirilmedi" in told


@LANGUAGES
def test_a_correction_says_that_it_corrects_the_earlier_report(language: Language) -> None:
    """Subject, first line and a sentence; the plain report has none of them."""
    word = {Language.TR: "Düzeltme: ", Language.EN: "Correction: "}[language]
    sentence = {
        Language.TR: "Daha önce gönderdiğimiz bildirim artık geçerli değil",
        Language.EN: "Our earlier report no longer holds",
    }[language]
    corrected = read(sent(report(fax(), language=language, correction=True)))
    assert corrected["subject"].startswith(word)
    assert body(corrected).startswith(word)
    assert sentence in shown_lines(corrected)
    assert sentence in body(corrected, "html")
    plain = read(sent(report(fax(), language=language)))
    assert word not in plain["subject"] + body(plain)
    assert sentence not in shown_lines(plain)


def test_many_faxes_are_counted_and_told_one_by_one() -> None:
    """The first line has the counts; each number has its own end and statements."""
    busy = fax(FaxState.FAILED, ResultClass.BUSY, number="903122222525", detail="Karşı taraf meşgul (BUSY)")
    message = read(sent(report(fax(), fax(number="442079460000"), busy)))
    assert body(message).splitlines()[0] == "3 faks: 2 teslim edildi, 1 gönderilemedi."
    assert message["subject"] == "3 faks: 2 teslim edildi, 1 gönderilemedi – Şişli şantiyesi"
    for number in ("+90 216 222 25 25", "+44 20 7946 0000", "+90 312 222 25 25"):
        assert f"Numara:                  {number}" in body(message)
        assert number in body(message, "html")
    assert "FaxMAX'ın açıklaması:    Karşı taraf meşgul (BUSY)" in body(message)


@LANGUAGES
def test_every_part_of_the_mail_has_its_fate_in_the_report(language: Language) -> None:
    """Pages, cover, left out and why; a reason without words yet is shown as it is."""
    fates = (
        Fate("1", "", "text/html", 1812, FateKind.COVER),
        Fate("2", "sözleşme.pdf", "application/pdf", 212_345, FateKind.FAXED, 1, 3),
        Fate("3", "tek.png", "image/png", 900, FateKind.FAXED, 4, 4),
        Fate("4", "logo.png", "image/png", 4310, FateKind.LEFT_OUT, reason="inline_picture_unreferenced"),
        Fate("5", "new.bin", "application/x-new", 2_500_000, FateKind.REFUSED, reason="brand_new_reason"),
        Fate("6", "photo.jpg", "image/jpeg", 0, FateKind.INLINED),
    )
    message = read(sent(report(fax(), language=language, fates=fates)))
    expected = {
        Language.TR: (
            "1 text/html (1,8 kB) kapak sayfasına yazıldı",
            "2 sözleşme.pdf (212 kB) faks belgesinin 1–3. sayfaları oldu",
            "3 tek.png (900 B) faks belgesinin 4. sayfası oldu",
            "4 logo.png (4,3 kB) faksa girmedi: metinde yeri olmayan gömülü resim",
            "5 new.bin (2,5 MB) çevrilemedi: brand_new_reason",
            "6 photo.jpg (0 B) metnin içindeki yerine kondu",
        ),
        Language.EN: (
            "1 text/html (1.8 kB) is written on the cover page",
            "2 sözleşme.pdf (212 kB) became pages 1–3 of the fax document",
            "3 tek.png (900 B) became page 4 of the fax document",
            "4 logo.png (4.3 kB) is not in the fax: an embedded picture",
            "5 new.bin (2.5 MB) could not be converted: brand_new_reason",
            "6 photo.jpg (0 B) stands in its place in the text",
        ),
    }[language]
    told = shown_lines(message)
    for sentence in expected:
        assert sentence in told
    assert all(fate.name in body(message, "html") for fate in fates)


def test_without_a_document_no_part_is_said_to_have_been_faxed() -> None:
    """One part was refused, so nothing went out: the sound parts must not read as if they had."""
    fates = (
        Fate("1", "", "text/plain", 10, FateKind.COVER),
        Fate("2", "a.pdf", "application/pdf", 10, FateKind.FAXED),
        Fate("3", "b.pdf", "application/pdf", 10, FateKind.REFUSED, reason="pdf_password"),
    )
    refused = fax(
        FaxState.FAILED, ResultClass.DOCUMENT, provider_id="", submitted_at=None, detail="pdf_password: b.pdf"
    )
    message = read(sent(report(refused, fates=fates, document_pages=0, language=Language.EN)))
    told = shown_lines(message)
    assert "1 text/plain (10 B) was not sent, since no fax document could be made" in told
    assert "2 a.pdf (10 B) was not sent, since no fax document could be made" in told
    assert "3 b.pdf (10 B) could not be converted: the PDF is protected by a password" in told
    assert "Detail: the PDF is protected by a password; take it off and send again (b.pdf)" in told
    assert "Pages sent" not in told


def test_a_fax_that_has_not_ended_cannot_be_reported() -> None:
    """A report is about ends; anything else would be a guess."""
    for state in set(FaxState) - FAX_ENDS:
        with pytest.raises(ValueError, match="still"):
            sent(report(fax(state)))


def test_a_long_message_id_stays_whole_in_the_thread_headers() -> None:
    """Exchange writes Message-IDs longer than a line; folded into encoded words they end the thread."""
    long = f"<{'DB9PR04MB' * 9}@DB9PR04MB1234.eurprd04.prod.outlook.com>"
    mail = sent(report(fax(), original_message_id=long, references=f"{long[:-1]}2> {long[:-1]}3>"))
    assert f"In-Reply-To: {long}\r\n".encode() in mail
    assert read(mail)["references"].split() == [f"{long[:-1]}2>", f"{long[:-1]}3>", long]


def test_of_very_many_references_the_first_and_the_last_stay() -> None:
    """RFC 5322 §3.6.4 wants the thread; a header of hundreds of kilobytes it does not."""
    header = message_ids("References", [" ".join(f"<{n}@example.com>" for n in range(5000))])
    kept = re.findall("<([0-9]+)@", header)
    assert (kept[0], kept[-1], len(kept)) == ("0", "4999", 20)


def test_a_mail_without_a_message_id_gets_a_report_without_a_thread() -> None:
    """An empty In-Reply-To would be a broken header."""
    message = read(sent(report(fax(), original_message_id="none at all", references="")))
    assert "in-reply-to" not in message
    assert "references" not in message


# --- what comes from outside -------------------------------------------------------------------------


@LANGUAGES
@pytest.mark.parametrize("why", ["page_limit", "page_quota"])
def test_too_many_pages_are_told_alike_for_one_fax_and_for_several(language: Language, why: str) -> None:
    """What there is to do is about pages, never about a file that cannot be opened; the two limits are told apart."""
    ended = (FaxState.FAILED, ResultClass.DOCUMENT)
    one = fax(*ended, detail=f"{why}: 4 > 3")
    other = fax(*ended, number="903122222525", detail=f"{why}: 4 > 3")
    step = WORDS.phrase(language, f"outcome.failed.{why}.cause", number="", address="", until="")
    for mail in (report(one, language=language), report(one, other, language=language)):
        assert step in " ".join(body(read(sent(mail))).split())


@LANGUAGES
def test_a_list_that_another_copy_of_the_mail_serves_is_not_to_be_sent_again(language: Language) -> None:
    """The advice for a cancelled fax, to send it again, would make every fax of the list arrive twice."""
    served = fax(FaxState.CANCELLED, ResultClass.CANCELLED, number="", target="list", detail="sent_before")
    for several in ((served,), (served, fax())):
        text = " ".join(body(read(sent(report(*several, language=language)))).split())
        assert WORDS.phrase(language, "outcome.sent_before.next", number="", address="", until="") in text
        again = WORDS.phrase(language, "outcome.cancelled.next", address="02162222525@fax.example.com")
        assert again not in text


def test_a_phone_book_among_several_has_its_name_in_the_advice() -> None:
    """It has no number that could be shown."""
    book = fax(FaxState.FAILED, ResultClass.REFUSED, number="", target="book-7")
    text = body(read(sent(report(fax(), book, language=Language.EN))))
    assert "phone book 7 at FaxMAX: Fax" in " ".join(text.split())


REPORT_HEADERS = {
    *("date", "message-id", "from", "to", "subject", "in-reply-to", "references", "auto-submitted"),
    *("x-auto-response-suppress", "x-fax-bridge-id", "mime-version", "content-type"),
}


RECEIVED_HEADERS = REPORT_HEADERS | {
    f"x-received-fax-{name}"
    for name in (
        *("id", "faxmax-id", "caller", "called", "csid", "pages", "date", "account", "route"),
        *("faults", "problem", "fallback"),
    )
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_outside_value_can_write_a_header_or_a_line_of_a_report(attack: str) -> None:
    """Subject, ids, addresses, station, FaxMAX's words and file names: each stays where it belongs."""
    hostile = fax(
        FaxState.FAILED,
        ResultClass.UNKNOWN,
        recipients=(attack,),
        provider_id=attack,
        remote_station=attack,
        detail=attack,
    )
    part = Fate(attack, attack, attack, 1, FateKind.LEFT_OUT, reason=attack)
    mail = sent(
        report(hostile, subject=attack, to=(attack,), original_message_id=attack, references=attack, fates=(part,))
    )
    message = read(mail)
    assert {name.lower() for name in message} <= REPORT_HEADERS
    assert len(message.keys()) == len(set(map(str.lower, message.keys())))
    head, text = mail.split(b"\r\n\r\n", 1)[0], body(message)
    assert b"\nBcc:" not in head
    assert "\nBcc:" not in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e\u2028\u2029]", text)
    html = body(message, "html")
    assert "<script" not in html
    assert "<other@example.org>" not in html
    assert len(mail) < 60_000


def test_template_signs_in_a_value_are_only_text() -> None:
    """Values are filled in, never read as templates."""
    assert "{{ 7 * 7 }}" in read(sent(report(fax(), subject="{{ 7 * 7 }}")))["subject"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_outside_value_can_write_a_header_of_a_received_fax(attack: str) -> None:
    """A caller's station name is anybody's text, and stands in From."""
    hostile = received(caller_raw=attack, called=attack, remote_station=attack, faults=(attack,), problem_detail=attack)
    for one in (hostile, received(caller="", caller_raw=attack, remote_station=attack, fallback_reason=attack)):
        message = read(brought(one))
        assert {name.lower() for name in message} <= RECEIVED_HEADERS
        assert len(message["from"].addresses) == 1
        assert message["from"].addresses[0].addr_spec in ("902162222525@fax.example.com", "faks@fax.example.com")
        assert "@" not in message["from"].addresses[0].display_name
        assert "<script" not in body(message, "html")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300))
def test_a_subject_in_any_script_comes_back_as_it_went(subject: str) -> None:
    """Encoded words keep blanks and letters; only what cannot be printed is gone."""
    header = unstructured("Subject", subject)
    parsed = BytesParser(policy=policy.default).parsebytes(header.encode("ascii") + b"\r\n\r\n")
    assert str(parsed["subject"]) == line(subject)
    assert max(map(len, header.split("\r\n"))) <= 998
    assert list(parsed.keys()) == ["Subject"]


@settings(max_examples=150, deadline=None)
@given(st.text())
def test_a_line_is_one_line(text: str) -> None:
    """Whatever went in, it is printable, has no line end and no blank at its ends."""
    kept = line(text, 100)
    assert len(kept) <= 100
    assert kept == kept.strip()
    assert len(kept.splitlines()) <= 1
    assert kept.encode().decode() == kept


def test_an_address_that_cannot_be_written_in_a_header_is_left_to_the_envelope() -> None:
    """The mail still goes to them; To holds an empty group (RFC 5322 §3.4)."""
    for address in ("üser@example.com", "a@b, c@d", "x\r\nBcc: y@example.com", ""):
        assert b"\r\nTo: undisclosed-recipients:;\r\n" in sent(report(fax(), to=(address,)))


def test_a_mail_cannot_be_written_without_a_sender_or_an_id() -> None:
    """Both are the program's own to give; a mail without them would be refused far from here."""
    with pytest.raises(ValueError, match="no mail address"):
        report_mail(report(fax()), WORDS, sender="Faks", message_id="<a@b>", date=NOON)
    with pytest.raises(ValueError, match="Message-ID"):
        report_mail(report(fax()), WORDS, sender=SENDER, message_id="a@b", date=NOON)


def test_no_mail_fetches_anything() -> None:
    """HTML without a remote reference: opening a report tells nobody anything."""
    mails = [sent(report(fax())), brought(received(picture_png=b"\x89PNG")), alerted("account_paused")]
    for mail in mails:
        html = body(read(mail), "html")
        assert not re.search(r"https?:|//|url\(|@import|<link|<script", html.replace("<!DOCTYPE html>", ""))
        assert set(re.findall(r'src="([^"]*)"', html)) <= {"cid:page-1@fax-bridge"}
        assert '<meta name="color-scheme"' in html


# --- received faxes ----------------------------------------------------------------------------------


def attachments(message: EmailMessage) -> dict[str, tuple[str, bytes]]:
    return {
        part.get_filename() or "": (part.get_content_type(), part.get_content()) for part in message.iter_attachments()
    }


def test_a_received_fax_comes_from_the_callers_number_so_that_a_reply_is_a_fax_back() -> None:
    """From is number@domain with a readable name; the PDF is attached under a name that tells what it is."""
    message = read(brought(received(), to=("a@example.com", "b@example.com")))
    sender = message["from"].addresses[0]
    assert (sender.addr_spec, sender.display_name) == ("902162222525@fax.example.com", "+90 216 222 25 25 (ACME LTD)")
    assert [to.addr_spec for to in message["to"].addresses] == ["a@example.com", "b@example.com"]
    assert message["subject"] == "Gelen faks: +90 216 222 25 25, 3 sayfa"
    assert message["auto-submitted"] == "auto-generated"
    assert body(message).splitlines()[0] == "+90 216 222 25 25 numarasından 3 sayfalık bir faks geldi."
    assert "yanıtınız bu numaraya faks olarak gider" in body(message)
    assert attachments(message) == {
        "faks-902162222525-20261118-1406.pdf": ("application/pdf", b"%PDF-1.7 the pages\xff")
    }


def test_an_english_received_fax_has_english_names() -> None:
    """The language of words and of file names is the reader's."""
    message = read(brought(received(language=Language.EN, pages=1, timezone="Europe/London")))
    assert message["subject"] == "Fax received: +90 216 222 25 25, 1 page"
    assert body(message).splitlines()[0] == "A 1-page fax came from +90 216 222 25 25."
    assert list(attachments(message)) == ["fax-902162222525-20261118-1106.pdf"]


@pytest.mark.parametrize(
    ("station", "shown"),
    [
        ("ACME LTD", "+90 216 222 25 25 (ACME LTD)"),
        ("ÖZGÜR A.Ş.", "+90 216 222 25 25 (ÖZGÜR A.Ş.)"),
        ("+90 216 2222525", "+90 216 222 25 25"),
        ("0216 222 25 25", "+90 216 222 25 25"),
        ("", "+90 216 222 25 25"),
        ("Bank <bank@example.org>", "+90 216 222 25 25 (Bank bank example.org)"),
    ],
)
def test_a_station_name_is_shown_where_it_says_more_than_the_number(station: str, shown: str) -> None:
    """T.30 stations mostly repeat the number; and none can look like an address."""
    assert read(brought(received(remote_station=station)))["from"].addresses[0].display_name == shown


@LANGUAGES
@pytest.mark.parametrize(("raw", "why"), [("", "withheld"), ("Santral 12", "raw")])
def test_a_fax_without_a_callers_number_comes_from_us_and_says_why(language: Language, raw: str, why: str) -> None:
    """A reply would go nowhere, and the mail says so rather than pretend."""
    message = read(brought(received(caller="", caller_raw=raw, language=language)))
    assert message["from"] == SENDER
    assert WORDS.phrase(language, f"received.{why}", raw=raw) in body(message).splitlines()[0]
    no_fax = {Language.TR: "yanıt vermek faks göndermez", Language.EN: "a reply to this mail sends no fax"}[language]
    assert no_fax in shown_lines(message)
    assert no_fax in body(message, "html")
    (name,) = attachments(message)
    assert name == {Language.TR: "faks-bilinmeyen", Language.EN: "fax-unknown"}[language] + "-20261118-1406.pdf"


def test_the_first_pages_picture_stands_in_the_mail() -> None:
    """An inline part that the HTML names, and no attachment of its own in the reader's list."""
    message = read(brought(received(picture_png=b"\x89PNG\r\n\x1a\n picture")))
    (picture,) = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert picture["content-id"] == "<page-1@fax-bridge>"
    assert picture["content-disposition"].content_disposition == "inline"
    assert picture.get_content() == b"\x89PNG\r\n\x1a\n picture"
    assert 'src="cid:page-1@fax-bridge"' in body(message, "html")
    assert list(attachments(message)) == ["faks-902162222525-20261118-1406.pdf"]


@LANGUAGES
def test_a_fax_that_cannot_be_a_pdf_brings_the_original_and_says_so_first(language: Language) -> None:
    """No mail about a fax without the fax."""
    broken = received(pdf=None, pages=0, problem="tiff_broken", problem_detail="no IFD", language=language)
    message = read(brought(broken))
    first = body(message).splitlines()[0]
    assert {Language.TR: "PDF'e çevrilemedi", Language.EN: "could not be turned into a PDF"}[language] in first
    assert WORDS.phrase(language, "reason.tiff_broken") in shown_lines(message)
    assert "no IFD" in shown_lines(message)
    ((name, attached),) = attachments(message).items()
    assert name.endswith("902162222525-20261118-1406.tif")
    assert attached == ("image/tiff", b"II*\x00 the original")


def test_a_damaged_fax_brings_both_files_and_names_the_faults() -> None:
    """The PDF is readable, the original is the proof."""
    message = read(brought(received(faults=("Page 2: 14 lines could not be decoded.",))))
    assert "dosyasında kusur var" in body(message).splitlines()[0]
    assert "Page 2: 14 lines could not be decoded." in body(message)
    assert "Page 2: 14 lines could not be decoded." in body(message, "html")
    assert [name.rpartition(".")[2] for name in attachments(message)] == ["pdf", "tif"]


@LANGUAGES
@pytest.mark.parametrize("reason", ["no_route", "relay_refused", "bounced", "not_handed_over"])
def test_the_fallback_mailbox_learns_why_the_fax_is_there(language: Language, reason: str) -> None:
    """A reason we have no words for is shown as it is."""
    said = WORDS.phrase(language, f"fallback.{reason}", called="+90 212 444 55 66")
    assert said in shown_lines(read(brought(received(fallback_reason=reason, language=language))))
    assert said not in shown_lines(read(brought(received(language=language))))
    assert "another_reason" in body(read(brought(received(fallback_reason="another_reason"))))


# --- alerts ------------------------------------------------------------------------------------------

ALERTS = {
    "account_paused": {"account": "default", "detail": "HTTP 401\ntoken refused"},
    "push_quarantined": {"push": "01HF7", "detail": "element 1: no id"},
    "received_bounced": {"fax": "01HF7", "recipient": "a@example.com", "detail": "5.2.2 full"},
    "received_bounced_kept": {"fax": "01HF7", "recipient": "", "detail": "5.2.2 full"},
    "received_not_handed_over": {"fax": "01HF7", "target": "/srv/fax", "detail": "No space left on device"},
    "received_too_large": {"fax": "01HF7", "size": "31 MB", "until": "2 Aralık 2026"},
    "received_undeliverable": {"fax": "01HF7", "detail": "a@example.com: 550 no such user"},
    "received_without_content": {"fax": "01HF7", "caller": "902125550000", "called": "", "detail": "FaxMAX x"},
    "report_undeliverable": {"message": "01HF7", "detail": "a@example.com: 550 no such user"},
    "unknown_status": {"status": "TAMAMLANDI", "detail": "bitti", "line": '"tamamlandi" = {…}', "push": "01HF7"},
}


def alerted(subject: str, language: Language = Language.TR) -> bytes:
    alert = Alert(subject=subject, to="op@example.com", values=ALERTS[subject], language=language)
    return alert_mail(alert, WORDS, sender=SENDER, message_id="<alert-1@fax.example.com>", date=NOON)


@LANGUAGES
@pytest.mark.parametrize("subject", ALERTS)
def test_an_alert_tells_the_operator_what_stands_still_and_how_to_mend_it(subject: str, language: Language) -> None:
    """Headline, cause, next step and every value, line by line."""
    message = read(alerted(subject, language))
    assert message["subject"].startswith("[fax-bridge] ")
    assert message["to"] == "op@example.com"
    assert message["auto-submitted"] == "auto-generated"
    step = {Language.TR: "Şimdi ne yapmalı: ", Language.EN: "What to do now: "}[language]
    assert step in body(message)
    for value in ALERTS[subject].values():
        for each in value.splitlines():
            assert each in body(message)


def test_the_values_of_an_alert_have_names_in_the_readers_language() -> None:
    """A sender reads them too."""
    assert "Bildirim: 01HF7" in body(read(alerted("unknown_status", Language.TR)))
    assert "Push: 01HF7" in body(read(alerted("unknown_status", Language.EN)))


def test_an_alert_has_its_own_words_in_each_language() -> None:
    """Four subjects, two languages, eight different subjects."""
    assert len({read(alerted(subject, language))["subject"] for subject in ALERTS for language in Language}) == 2 * len(
        ALERTS
    )


def test_an_alert_that_lacks_a_value_is_a_fault_of_ours_and_loud() -> None:
    """StrictUndefined: no mail with a hole in it."""
    alert = Alert(subject="account_paused", to="op@example.com", values={})
    with pytest.raises(jinja2.UndefinedError):
        alert_mail(alert, WORDS, sender=SENDER, message_id="<a@b>", date=NOON)
