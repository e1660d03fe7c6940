"""The mail that most faxes are made of: an HTML text with a plain one beside it, a PDF of three pages, a photo."""

import io
import random
from email.message import EmailMessage

from PIL import Image, ImageFilter

from fax_bridge.documents.worker import Documents

WORDS = "Sayın yetkili, sözleşmenin imzalı üç sayfası ve şantiyenin fotoğrafı ektedir; görüşünüzü bekliyoruz. "
PHOTO = (4000, 3000)
HTML = f"""<html><head><style>p {{ margin: 0 0 8pt 0 }} .imza {{ color: #1f497d }}</style></head><body>
<p>Merhaba,</p><p>{WORDS * 3}</p><table border=1 cellpadding=4><tr><th>Kalem</th><th>Adet</th><th>Tutar</th></tr>
{"".join(f"<tr><td>Kalem {n}</td><td>{n}</td><td>{n * 125},00 TL</td></tr>" for n in range(1, 9))}</table>
<p class="imza">Ayşe Yıldız<br>Özgür İnşaat</p></body></html>"""


def photo() -> bytes:
    """Twelve megapixels, as a telephone takes them: soft shapes with some noise, 1 MB of JPEG."""
    dice = random.Random(4)
    small = Image.frombytes("RGB", (80, 60), dice.randbytes(80 * 60 * 3)).filter(ImageFilter.GaussianBlur(2))
    large = small.resize(PHOTO, Image.Resampling.BICUBIC)
    noise = Image.effect_noise(PHOTO, 12).convert("RGB")
    out = io.BytesIO()
    Image.blend(large, noise, 0.2).save(out, "JPEG", quality=85)
    return out.getvalue()


async def contract(documents: Documents) -> bytes:
    """Three full pages of text."""
    leaves = "".join(f"<h2>Madde {n}</h2><p>{WORDS * 8}</p>" for n in range(1, 11))
    return await documents.html_to_pdf(f"<html><body>{leaves}</body></html>")


async def mail(documents: Documents) -> bytes:
    message = EmailMessage()
    message["From"] = "Ayse Yildiz <ayse@example.com>"
    message["To"] = "02163334455@fax.example.com"
    message["Subject"] = "Sozlesme"
    message.set_content(WORDS * 3)
    message.add_alternative(HTML, subtype="html")
    message.add_attachment(await contract(documents), "application", "pdf", filename="sozlesme.pdf")
    message.add_attachment(photo(), "image", "jpeg", filename="santiye.jpg")
    return message.as_bytes()
