"""The mail of a received fax in its other shapes: fixed sender, notice, link, formats, names; what cannot get in."""

import json
import re
from dataclasses import replace
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fax_bridge.fax import Language
from fax_bridge.mail.compose import ReceivedFax, received_mail
from fax_bridge.name_tokens import TOKENS, check_tokens, file_stem, filled
from tests.unit.test_compose import (
    LANGUAGES,
    NOON,
    RECEIVED_HEADERS,
    SENDER,
    WORDS,
    attachments,
    body,
    brought,
    read,
    received,
    shown_lines,
)

URL = "https://fax.example.com/fax/abcdefgh"


def fixed(fax: ReceivedFax, **changed: object) -> EmailMessage:
    values: dict[str, object] = {"to": ("a@example.com",), "cc": ("c@example.com",), "fixed_from": True} | changed
    return read(
        received_mail(
            fax, WORDS, sender=SENDER, reply_domain="fax.example.com", message_id="<r@b>", date=NOON,
            **values,  # type: ignore[arg-type]  # a dict of all sorts
        )
    )  # fmt: skip


def test_with_a_fixed_sender_a_reply_still_goes_to_the_caller() -> None:
    """For relays that refuse foreign From addresses: ours in From under the number's name, the digits in Reply-To."""
    message = fixed(received())
    assert message["from"].addresses[0].addr_spec == "faks@fax.example.com"
    assert message["from"].addresses[0].display_name == "+90 216 222 25 25 (ACME LTD)"
    assert message["reply-to"].addresses[0].addr_spec == "902162222525@fax.example.com"
    assert [address.addr_spec for address in message["cc"].addresses] == ["c@example.com"]


def test_without_a_caller_nobody_can_be_replied_to() -> None:
    """In either mode: our own address, no Reply-To, and the text says why."""
    for message in (fixed(received(caller="")), read(brought(received(caller="")))):
        assert message["from"] == SENDER
        assert "reply-to" not in message
        assert "faks göndermez" in shown_lines(message)


@pytest.mark.parametrize(
    ("form", "faults", "endings"),
    [
        ("pdf", (), ["pdf"]),
        ("tiff", (), ["tif"]),
        ("both", (), ["pdf", "tif"]),
        ("pdf", ("line 3",), ["pdf", "tif"]),
        ("tiff", ("line 3",), ["tif"]),
    ],
)
def test_the_fax_comes_in_the_wanted_format(form: str, faults: tuple[str, ...], endings: list[str]) -> None:
    """A damaged one with its original beside the PDF, always."""
    message = read(brought(received(format=form, faults=faults)))
    assert [name.rpartition(".")[2] for name in attachments(message)] == endings


def test_a_damaged_fax_wanted_as_pdf_does_not_say_it_has_what_was_left_out() -> None:
    """The original did not fit: the text says that it was left out, and not that it is attached."""
    told = read(brought(received(format="both", without_tiff=True, language=Language.EN)))
    assert [name.rpartition(".")[2] for name in attachments(told)] == ["pdf"]
    assert "was left out because the mail would be too large" in shown_lines(told)


@LANGUAGES
def test_a_notice_tells_all_about_the_fax_and_holds_none_of_it(language: Language) -> None:
    """No attachment, no picture, and until when it is kept."""
    message = read(brought(received(shape="notice", until=NOON, picture_png=b"\x89PNG", language=language)))
    assert [part.get_content_type() for part in message.walk() if not part.is_multipart()] == [
        "text/plain",
        "text/html",
    ]
    kept = {Language.TR: "18 Kasım 2026 14:06 tarihine kadar", Language.EN: "until 18 November 2026 14:06"}[language]
    assert kept in shown_lines(message)
    assert kept in re.sub(r"\s+", " ", body(message, "html"))
    assert "+90 216 222 25 25" in body(message)


@LANGUAGES
def test_a_link_stands_in_both_texts_and_nothing_is_fetched_by_opening_the_mail(language: Language) -> None:
    """With its end, whole on one line, so that a mail reader finds it."""
    fax = received(shape="link", links=(("faks.pdf", URL),), until=NOON, picture_png=b"\x89PNG", language=language)
    message = read(brought(fax))
    assert f"  {URL}\n" in body(message)
    html = body(message, "html")
    assert f'<a href="{URL}"' in html
    assert "<img" not in html
    assert not attachments(message)
    assert "18" in shown_lines(message)


def test_programs_read_headers_and_a_json_file() -> None:
    """The same facts for filters of a mail server and for a program that takes the mail apart."""
    message = read(brought(received(json_part=True, account="default", route="santral")))
    assert message["x-received-fax-caller"] == "902162222525"
    assert message["x-received-fax-called"] == "902124445566"
    assert message["x-received-fax-pages"] == "3"
    assert message["x-received-fax-csid"] == "ACME LTD"
    assert message["x-received-fax-date"] == "2026-11-18T11:06:40Z"
    assert message["x-received-fax-route"] == "santral"
    kind, content = attachments(message)["01HF7YAT31JZHSMW1DA8S1XZ7L.json"]
    assert kind == "application/json"
    facts = json.loads(content)
    assert (facts["id"], facts["caller"], facts["pages"]) == ("01HF7YAT31JZHSMW1DA8S1XZ7L", "902162222525", 3)
    assert facts["files"][0]["name"].endswith(".pdf")
    assert len(facts["files"][0]["sha256"]) == 64


def test_subject_and_file_name_follow_their_templates() -> None:
    """Turkish letters come back from the file's name as they went in (RFC 2231)."""
    fax = received(
        remote_station="ÖZGÜR İNŞAAT ŞTİ",
        subject="{calling} → {called}: {pages} s. {csid}",
        file_name="{csid} {date}_{time}",
    )
    mail = brought(fax)
    message = read(mail)
    assert message["subject"] == "+90 216 222 25 25 → +90 212 444 55 66: 3 s. ÖZGÜR İNŞAAT ŞTİ"
    assert list(attachments(message)) == ["ÖZGÜR İNŞAAT ŞTİ 2026-11-18_1406.pdf"]
    assert b"filename*0*=utf-8''" in mail or b"filename*=utf-8''" in mail
    assert mail.isascii()


def test_a_callers_name_that_holds_a_token_stays_a_name() -> None:
    """What is put in is not looked at again."""
    assert filled("{csid}", {"csid": "{id}"}) == "{id}"


@pytest.mark.parametrize(
    "wrong", ["{nobody}", "{}", "{calling", "}", "a\r\nBcc: x", "{calling.__class__}", "{calling!r:>9}"]
)
def test_a_template_that_cannot_be_filled_is_refused_at_start(wrong: str) -> None:
    """With the tokens that there are."""
    with pytest.raises(ValueError, match=r"token|brace|control"):
        check_tokens(wrong)


@pytest.mark.parametrize(
    ("text", "stem"),
    [
        ("../../etc/passwd", "etc-passwd"),
        ("..", "other"),
        (".hidden", "hidden"),
        ("a/b\\c:d*e?f", "a-b-c-d-e-f"),
        ("CON", "fax-CON"),
        ("lpt1.x", "fax-lpt1.x"),
        ("Şişli ğüıöç", "Şişli ğüıöç"),
        ("\x00\r\n", "other"),
        ("x" * 500, "x" * 120),
    ],
)
def test_a_file_name_is_one_plain_file_on_every_system(text: str, stem: str) -> None:
    """Paths, devices, hidden files and endless names do not come through."""
    assert file_stem(text, "other") == stem


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=400))
def test_no_text_makes_a_file_name_that_leaves_its_directory(text: str) -> None:
    """Whatever a caller calls itself."""
    stem = file_stem(text, "other")
    assert stem
    assert len(stem.encode()) <= 124
    assert not set(stem) & set('/\\:*?"<>|\0\r\n')
    assert stem not in {".", ".."}
    assert not stem.startswith((".", "-", " "))


ANY = st.text(max_size=120)


@settings(max_examples=300, deadline=None)
@given(
    ANY, ANY, ANY, ANY, st.lists(st.sampled_from(sorted(TOKENS)), min_size=1, max_size=5), st.booleans(), st.booleans()
)
def test_nothing_that_a_caller_or_faxmax_writes_becomes_a_header(
    csid: str, raw: str, called: str, provider: str, tokens: list[str], has_caller: bool, is_fixed: bool
) -> None:
    """CSID, numbers and ids through every template: the headers are ours alone, and one each."""
    template = " ".join(f"{{{token}}}" for token in tokens)
    fax = replace(
        received(json_part=True, subject=template, file_name=template, format="both"),
        remote_station=csid, caller="902162222525" if has_caller else "", caller_raw=raw, called=called,
        provider_id=provider,
    )  # fmt: skip
    message = fixed(fax, fixed_from=is_fixed)
    names = [name.lower() for name in message]
    assert set(names) <= RECEIVED_HEADERS | {"reply-to", "cc"}
    assert len(names) == len(set(names))
    assert [address.addr_spec for address in message["to"].addresses] == ["a@example.com"]
    assert len(message["from"].addresses) == 1
    for name in attachments(message):
        assert "/" not in name
        assert "\\" not in name
    assert len(attachments(message)) == 3
