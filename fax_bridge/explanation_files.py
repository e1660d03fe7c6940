"""What ``fax-bridge explain`` shows beside its words: the document, the cover and a picture of each page, as files."""

from pathlib import Path

from fax_bridge.errors import BridgeError
from fax_bridge.explain import Explanation


def write(told: Explanation, *, pdf: Path | None, cover: Path | None, png: Path | None) -> None:
    """Write those that are asked for and that there are. Raises ``OSError``, and :class:`BridgeError` for a picture
    that cannot be drawn.

    ``png`` is a directory, made if it is not there: ``cover.png``, ``page-001.png`` and so on.
    """
    if pdf and told.pdf:
        pdf.write_bytes(told.pdf)
    if cover and told.cover:
        cover.write_bytes(_cover(told, as_pdf=cover.suffix.lower() == ".pdf"))
    if png and told.drawn:
        png.mkdir(parents=True, exist_ok=True)
        named = {f"page-{number:03}.png": page for number, page in enumerate(told.drawn.pages, 1)}
        if told.cover:
            named["cover.png"] = told.drawn.cover_picture
        for name, picture in named.items():
            if picture is None:
                raise BridgeError(f"{name} cannot be drawn within the limits; the PDF (--pdf) has the page")
            (png / name).write_bytes(picture)


def _cover(told: Explanation, *, as_pdf: bool) -> bytes:
    if not as_pdf:
        return (told.cover or "").encode()
    if told.drawn is None or told.drawn.cover is None:
        raise BridgeError("the cover cannot be laid out within the limits; a name without .pdf writes its HTML")
    return told.drawn.cover
