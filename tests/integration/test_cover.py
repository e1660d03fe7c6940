"""When a fax has a cover, what stands on it, and where the text goes else: it is never lost."""

from email.message import EmailMessage

import pypdfium2
import pytest

from fax_bridge.documents.worker import Documents, PartKind, SourcePart
from fax_bridge.email_to_fax.cover import Cover, with_cover_page
from fax_bridge.email_to_fax.document import CoverRule, Prepared, prepare
from fax_bridge.email_to_fax.read import read_mail
from fax_bridge.fax import CoverPolicy, Language, Paper
from fax_bridge.mail.words import Words

TEXT = "Sözleşme ektedir: ğüşıöç"
ATTACHED = "Madde 1"
POLICIES = tuple(CoverPolicy)


def mail(*, text: str = "", attached: str = "", html: str = "") -> bytes:
    made = EmailMessage()
    made["Subject"] = "Sözleşme"
    if html:
        made.set_content(html, subtype="html")
    else:
        made.set_content(text)
    if attached:
        made.add_attachment(attached.encode(), "text", "plain", filename="ek.txt")
    return made.as_bytes()


def pages(pdf: bytes) -> list[str]:
    with pypdfium2.PdfDocument(pdf) as document:
        return [page.get_textpage().get_text_range() for page in document]


async def prepared(documents: Documents, content: bytes, policy: CoverPolicy, most: int = 32_768) -> Prepared:
    made = await prepare(read_mail(content), documents, paper=Paper.A4, cover=CoverRule(policy, most))
    assert isinstance(made, Prepared)
    return made


@pytest.mark.parametrize(
    ("policy", "on_cover", "in_document"),
    [
        (CoverPolicy.NEVER, None, [TEXT, ATTACHED]),
        (CoverPolicy.WITH_TEXT, TEXT, [ATTACHED]),
        (CoverPolicy.ALWAYS, TEXT, [ATTACHED]),
        (CoverPolicy.ONLY_WITHOUT_ATTACHMENT, None, [TEXT, ATTACHED]),
    ],
)
async def test_a_text_beside_an_attachment(
    documents: Documents, policy: CoverPolicy, on_cover: str | None, in_document: list[str]
) -> None:
    """On the cover, or as pages in front of the attachment, and the fates say which."""
    made = await prepared(documents, mail(text=TEXT, attached=ATTACHED), policy)
    assert (made.cover_body is None) == (on_cover is None)
    assert (on_cover or "") in (made.cover_body or "")
    assert made.pages == len(in_document)
    assert all(words in page for words, page in zip(in_document, pages(made.pdf), strict=True))
    assert [str(fate.kind) for fate in made.fates] == ["cover" if on_cover else "faxed", "faxed"]


@pytest.mark.parametrize(
    ("policy", "cover"),
    [
        (CoverPolicy.NEVER, None),
        (CoverPolicy.WITH_TEXT, None),
        (CoverPolicy.ALWAYS, ""),
        (CoverPolicy.ONLY_WITHOUT_ATTACHMENT, ""),
    ],
)
async def test_a_text_alone_is_the_document(documents: Documents, policy: CoverPolicy, cover: str | None) -> None:
    """A cover of it, if any, has no words: they are not faxed twice."""
    made = await prepared(documents, mail(text=TEXT), policy)
    assert made.cover_body == cover
    (page,) = pages(made.pdf)
    assert TEXT in page


@pytest.mark.parametrize(
    ("policy", "cover"),
    [
        (CoverPolicy.NEVER, None),
        (CoverPolicy.WITH_TEXT, None),
        (CoverPolicy.ALWAYS, ""),
        (CoverPolicy.ONLY_WITHOUT_ATTACHMENT, None),
    ],
)
async def test_an_attachment_without_a_text(documents: Documents, policy: CoverPolicy, cover: str | None) -> None:
    """What a scanner sends."""
    made = await prepared(documents, mail(attached=ATTACHED), policy)
    assert made.cover_body == cover
    assert made.pages == 1


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_text_too_long_for_a_cover_becomes_pages(documents: Documents, policy: CoverPolicy) -> None:
    """With every word of it."""
    made = await prepared(documents, mail(text=f"{'uzun ' * 400}SON", attached=ATTACHED), policy, most=1024)
    assert not made.cover_body
    assert "SON" in "".join(pages(made.pdf))
    assert [str(fate.kind) for fate in made.fates] == ["faxed", "faxed"]


def cover(body: str, template: str = "") -> Cover:
    of_mail = {"body": body, "subject": "Konu", "from_name": "Ayşe", "from_address": "a@example.com"}
    return Cover(
        of_mail | {"template": template}, "+90 216 333 44 55", 1_795_000_000_000, Language.TR, "Europe/Istanbul"
    )


@pytest.mark.parametrize(("paragraphs", "covers"), [(1, 1), (36, 2)])
async def test_a_rendered_cover_counts_its_own_pages(documents: Documents, paragraphs: int, covers: int) -> None:
    """It says how many pages the fax has, and says the truth also where it takes two itself."""
    (first,) = (await documents.build([part("Madde 1")])).pages
    document = (await documents.build([part("Madde 1")])).pdf
    whole = await with_cover_page(
        cover("<p>Satır</p>" * paragraphs),
        document,
        pages=first,
        words=Words(),
        documents=documents,
        paper=Paper.A4,
    )
    found = pages(whole)
    assert len(found) == covers + 1
    assert f"Sayfa {covers + 1}" in found[0]
    assert "+90 216 333 44 55" in found[0]
    assert "Madde 1" in found[-1]


def part(text: str) -> SourcePart:
    return SourcePart(PartKind.TEXT, "ek.txt", text.encode())


async def test_a_template_that_is_gone_gives_way_to_the_default() -> None:
    """A mail that came when it was there still goes out."""
    assert "FAKS" in cover("<p>x</p>", template="gone").html(Words(), 2)


QUOTING = "Evet, tamam.\n\n-- \nAyşe Yıldız\nSatış\n\nOn 24 Nov, X <x@example.org> wrote:\n> soru\n"
QUOTING_HTML = (
    "<div>Evet, tamam.</div><div class='gmail_signature'>Ayşe Yıldız<img src='cid:logo@x'></div>"
    "<div class='gmail_quote'><div class='gmail_attr'>On X wrote:</div>"
    "<blockquote class='gmail_quote'>soru <div class='gmail_signature'>X</div></blockquote></div>"
)


def answer(text: str, subtype: str, subject: str = "Re: Soru") -> bytes:
    made = EmailMessage()
    made["Subject"] = subject
    made["In-Reply-To"] = "<1@example.org>"
    made.set_content(text, subtype=subtype)
    return made.as_bytes()


@pytest.mark.parametrize("kind", ["plain", "html"])
@pytest.mark.parametrize(
    ("threads", "signature", "kept", "reason"),
    [
        (False, False, {"tamam", "Yıldız", "soru"}, ""),
        (True, False, {"tamam", "Yıldız"}, "without_quoted_thread"),
        (False, True, {"tamam", "soru"}, "without_signature"),
        (True, True, {"tamam"}, "without_quoted_and_signature"),
    ],
)
async def test_quoted_mails_and_signatures_are_cut_where_that_is_set(
    documents: Documents, kind: str, threads: bool, signature: bool, kept: set[str], reason: str
) -> None:
    """Each by itself, in plain text and in HTML, and the fate says what was cut."""
    content = answer(QUOTING if kind == "plain" else QUOTING_HTML, kind)
    mail = read_mail(content, cut_threads=threads, cut_signature=signature)
    made = await prepare(mail, documents, paper=Paper.A4)
    assert isinstance(made, Prepared)
    text = "".join(pages(made.pdf))
    assert {word for word in ("tamam", "Yıldız", "soru") if word in text} == kept
    assert [fate.reason for fate in made.fates] == [reason]


async def test_what_is_passed_on_or_no_answer_is_never_cut(documents: Documents) -> None:
    """There the quotation is the point of it."""
    made = await prepare(
        read_mail(answer(QUOTING, "plain", subject="Fwd: Soru"), cut_threads=True), documents, paper=Paper.A4
    )
    assert isinstance(made, Prepared)
    assert "soru" in "".join(pages(made.pdf))


async def test_a_mail_of_nothing_but_what_is_cut_is_refused_with_a_word(documents: Documents) -> None:
    """Not sent as a blank page."""
    made = await prepare(read_mail(answer("-- \nAyşe\n", "plain"), cut_signature=True), documents, paper=Paper.A4)
    assert not isinstance(made, Prepared)
    assert made.reason == "empty_mail"
    assert [fate.reason for fate in made.fates] == ["signature"]
