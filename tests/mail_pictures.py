"""``scripts/mail-pictures``: a picture of each mail into docs/mails, as a telephone, a desk and the dark show it."""

import sys
import tempfile
from pathlib import Path

from PIL import Image

from fax_bridge.mail.words import Words
from fax_bridge.templates_preview import write_all
from tests import browser

HERE = Path(__file__).parents[1] / "docs" / "mails"
VIEWS = {"phone": (390, False), "desk": (900, False), "dark": (390, True)}
COLOURS = 16
FLAT = 0.003
"""Share of the pixels from which on a colour is one of the design, not of a letter's edge."""
PICTURED = {
    "alert-account-paused", "alert-duplicate-held", "alert-unknown-status", "correction", "delayed", "early", "preview",
    "received", "received-damaged", "report-busy", "report-delivered", "report-many", "report-partial",
    "report-refused-document", "report-several", "report-uncertain", "report-unconfirmed",
}  # fmt: skip
"""The others look as one of these does."""
ON_A_PHONE_ONLY = {"alert-account-paused", "correction", "report-uncertain", "report-unconfirmed"}
SHOWN_IN_ENGLISH = {"report-delivered", "received"}


def few_colours(image: Image.Image) -> Image.Image:
    """With a palette of its flat colours, and of shades between them for the edges of letters."""
    pixels = image.width * image.height
    found = image.getcolors(1 << 24) or []
    counted = sorted(((count, colour) for count, colour in found if isinstance(colour, tuple)), reverse=True)
    palette: list[tuple[int, ...]] = []
    for count, colour in counted:
        apart = 4 if count > FLAT * pixels else 60
        if len(palette) < COLOURS and all(_distance(colour, other) > apart for other in palette):
            palette.append(colour)
    index = {colour: min(range(len(palette)), key=lambda at: _distance(colour, palette[at])) for _, colour in counted}
    data = image.tobytes()
    small = Image.frombytes(
        "P", image.size, bytes(index[one] for one in zip(data[::3], data[1::3], data[2::3], strict=True))
    )
    small.putpalette([value for colour in palette for value in colour])
    return small


def _distance(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    return sum(abs(a - b) for a, b in zip(first, second, strict=True))


def main() -> int:
    program = browser.find()
    if program is None:
        sys.stdout.write("skipped: there is no Chromium here. apt-get install chromium-headless-shell brings it.\n")
        return 0
    HERE.mkdir(exist_ok=True)
    for old in HERE.glob("*.png"):
        old.unlink()
    with tempfile.TemporaryDirectory() as name:
        pages = Path(name)
        for mail in write_all(pages, Words()):
            kind, _, language = mail.partition(".")
            if kind in PICTURED and (language == "tr" or kind in SHOWN_IN_ENGLISH):
                page = (pages / f"{mail}.html").read_text(encoding="utf-8")
                for view, (width, dark) in VIEWS.items():
                    if (dark and language == "en") or (view != "phone" and kind in ON_A_PHONE_ONLY):
                        continue
                    image = browser.pictured(program, page, width, dark=dark)
                    few_colours(image).save(HERE / f"{mail}.{view}.png", optimize=True)
    total = sum(file.stat().st_size for file in HERE.glob("*.png"))
    sys.stdout.write(f"{HERE}: {len(list(HERE.glob('*.png')))} pictures, {total:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
