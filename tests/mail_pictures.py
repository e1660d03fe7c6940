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
DIFFERENT = 14
"""Sum over red, green and blue by which two colours have to differ."""
LIKE_ANOTHER = {"report-dsn"}
"""Looks as another does; what differs is for machines."""
SHOWN_IN_ENGLISH = {"report-delivered", "received"}


def few_colours(image: Image.Image) -> Image.Image:
    """With a palette of the commonest colours that differ: backgrounds, bars and words stay what they are."""
    counted = sorted(image.getcolors(1 << 24) or [], reverse=True)
    chosen: list[tuple[int, ...]] = []
    for _, colour in counted:
        assert isinstance(colour, tuple)
        if all(sum(abs(a - b) for a, b in zip(colour, other, strict=True)) > DIFFERENT for other in chosen):
            chosen.append(colour)
        if len(chosen) == COLOURS:
            break
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for colour in chosen for value in colour])
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


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
            if (language == "tr" and kind not in LIKE_ANOTHER) or (language == "en" and kind in SHOWN_IN_ENGLISH):
                page = (pages / f"{mail}.html").read_text(encoding="utf-8")
                for view, (width, dark) in VIEWS.items():
                    image = browser.pictured(program, page, width, dark=dark)
                    few_colours(image).save(HERE / f"{mail}.{view}.png", optimize=True)
    total = sum(file.stat().st_size for file in HERE.glob("*.png"))
    sys.stdout.write(f"{HERE}: {len(list(HERE.glob('*.png')))} pictures, {total:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
