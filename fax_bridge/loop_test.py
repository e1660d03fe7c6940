"""The test fax that a bridge sends to its own number: what it looks like, and how it is known when it comes back.

By a number of 64 bits that is drawn on the page, and by nothing less: somebody's fax that came from the same number at
the same time must never be taken for it. A test fax that cannot be read is delivered like any other.
"""

import hashlib
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP

from fax_bridge.documents.marks import html_of
from fax_bridge.documents.worker import Documents
from fax_bridge.fax import Instant

PAGE = """<html><body style="font-family: Arial; font-size: 14pt">{marks}
<h1>fax-bridge</h1>
<p>{at:%Y-%m-%d %H:%M} UTC. The bridge sends this page to itself to see whether faxes go and come. Nobody has to do
anything.</p>
<p>Köprü, faksların gidip geldiğini görmek için bu sayfayı kendisine gönderir. Bir şey yapmanız gerekmez.</p>
</body></html>"""


def number_of(fax_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"loop test {fax_id}".encode()).digest()[:8])


async def mail_of(fax_id: str, documents: Documents, *, sender: str, to: str, at: Instant) -> bytes:
    """The mail that becomes it. Raises what :class:`Documents` does."""
    when = datetime.fromtimestamp(at / 1000, UTC)
    page = await documents.html_to_pdf(PAGE.format(marks=html_of(number_of(fax_id)), at=when))
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = sender, to, f"fax-bridge loop test {fax_id}"
    mail.add_attachment(page, maintype="application", subtype="pdf", filename="loop-test.pdf")
    return mail.as_bytes()
