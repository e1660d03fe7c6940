"""Every mail with sample data, as files that a browser and a mail program open: ``fax-bridge templates preview``."""

import asyncio
import base64
import email
import re
from email import policy
from email.message import EmailMessage
from pathlib import Path

from fax_bridge.documents.worker import Documents
from fax_bridge.fax import Language
from fax_bridge.mail.samples import Sheets, sample_mails
from fax_bridge.mail.words import Words, templates_root


def write_all(directory: Path, words: Words) -> list[str]:
    """Their names. Raises ``OSError``, and :class:`BridgeError` where the sample page cannot be made."""
    sheets = asyncio.run(sample_sheets())
    directory.mkdir(parents=True, exist_ok=True)
    names = []
    for language in Language:
        for kind, content in sample_mails(words, language, sheets).items():
            name = f"{kind}.{language}"
            mail = email.message_from_bytes(content, policy=policy.default)
            (directory / f"{name}.eml").write_bytes(content)
            (directory / f"{name}.html").write_text(html_of(mail), encoding="utf-8")
            (directory / f"{name}.txt").write_text(_text_of(mail), encoding="utf-8")
            names.append(name)
    return names


async def sample_sheets() -> Sheets:
    """The demo's page through the real worker."""
    page = (templates_root() / "demo" / "page.html").read_text(encoding="utf-8")
    async with Documents() as documents:
        pdf = await documents.html_to_pdf(page)
        (faxed,) = await documents.fax_pictures(pdf)
        return Sheets(pdf, await documents.rasterise(pdf), await documents.picture(pdf, dpi=72), faxed)


def html_of(mail: EmailMessage) -> str:
    """The HTML part with its pictures written into it, since a browser knows no ``cid:``."""
    pictures = {
        str(part["content-id"]).strip("<>"): base64.b64encode(part.get_content()).decode()
        for part in mail.walk()
        if part["content-id"] and part.get_content_maintype() == "image"
    }
    body = mail.get_body(("html",))
    html = str(body.get_content()) if body else ""
    return re.sub(r'src="cid:([^"]+)"', lambda found: f'src="data:image/png;base64,{pictures.get(found[1], "")}"', html)


def _text_of(mail: EmailMessage) -> str:
    """What a person without HTML sees: the head, then the text."""
    body = mail.get_body(("plain",))
    head = "".join(f"{name}: {mail[name]}\n" for name in ("From", "To", "Subject"))
    return f"{head}\n{body.get_content() if body else ''}".replace("\r\n", "\n")
