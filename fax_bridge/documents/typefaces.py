"""The fonts that come with the program, and the names under which documents ask for them.

A machine without fonts would print blank pages and say nothing; one with many would print each fax its own way.
So the engine sees these fonts, and every name it can be asked for leads to one of them. An administrator's, in a
directory of their own, serve only for letters that these do not have.
"""

import atexit
import os
import shutil
import tempfile
from functools import cache
from itertools import islice
from pathlib import Path
from xml.sax.saxutils import escape

DIRECTORY = Path(__file__).with_name("fonts")

ADDED = Path("/usr/local/share/fax-bridge/fonts")
"""Where an administrator puts further fonts, or links to them; a worker reads nothing outside ``/usr``."""
_SUFFIXES = frozenset({".ttf", ".otf", ".ttc", ".otc"})
_MOST_ADDED = 200
_MACHINE = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path("/usr/lib/libreoffice/share/fonts"))
_MOST_OF_MACHINE = 5000

SANS, SERIF, MONO = "DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono"

_ALIASES = {
    SERIF: (
        *("serif", "Times", "Times New Roman", "TimesNewRomanPSMT", "Tinos", "Liberation Serif", "Georgia", "Garamond"),
        *("Cambria", "Constantia", "Palatino", "Palatino Linotype", "Book Antiqua", "Bookman Old Style", "Century"),
    ),
    MONO: (
        *("monospace", "Courier", "Courier New", "Cousine", "Liberation Mono", "Consolas", "Lucida Console"),
        *("Lucida Sans Typewriter", "Menlo", "Monaco", "Andale Mono", "Cascadia Mono", "Roboto Mono"),
    ),
    SANS: (
        *("sans-serif", "system-ui", "Arial", "Arimo", "Helvetica", "Helvetica Neue", "Liberation Sans", "Calibri"),
        *("Carlito", "Aptos", "Segoe UI", "Tahoma", "Verdana", "Trebuchet MS", "Candara", "Corbel", "Roboto"),
        *("Open Sans", "Lato", "Noto Sans", "Ubuntu", "Inter", "Century Gothic", "Franklin Gothic", "Gill Sans"),
    ),
}


def files() -> list[Path]:
    return sorted(DIRECTORY.glob("*.ttf"))


def fonts_in(directory: Path, most: int = _MOST_ADDED) -> list[Path]:
    """The font files in it, also in directories below and behind links, as fontconfig finds them; the first few."""
    found = (Path(place) / name for place, _, names in os.walk(directory, followlinks=True) for name in sorted(names))
    return list(islice((path for path in found if path.suffix.lower() in _SUFFIXES), most))


@cache
def all_files(added: Path = ADDED) -> tuple[Path, ...]:
    """Ours first, beginning with the one that has the most letters."""
    ours = sorted(files(), key=lambda path: path.stem != "DejaVuSans")
    return (*ours, *fonts_in(added))


@cache
def all_with_machine() -> tuple[Path, ...]:
    """And those of the machine, which only the converters of Office files see."""
    return (*all_files(), *(font for place in _MACHINE for font in fonts_in(place, _MOST_OF_MACHINE)))


@cache
def fontconfig_directory(added: Path = ADDED) -> Path:
    """A directory with a ``fonts.conf``, below the temporary directory of this process; it lives as long as that."""
    directory = Path(tempfile.mkdtemp(prefix="fontconfig-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    (directory / "fonts.conf").write_text(_configuration(directory / "cache", added), encoding="utf-8")
    return directory


def _configuration(cache_directory: Path, added: Path) -> str:
    aliases = "".join(
        f"<match><test name='family' ignore-blanks='true'><string>{escape(alias)}</string></test>"
        f"<edit name='family' mode='assign' binding='strong'><string>{family}</string></edit></match>\n"
        for family, names in _ALIASES.items()
        for alias in names
    )
    return f"""<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
<dir>{escape(str(DIRECTORY))}</dir>
<dir>{escape(str(added))}</dir>
<cachedir>{escape(str(cache_directory))}</cachedir>
<config><rescan><int>0</int></rescan></config>
{aliases}<match><edit name='family' mode='append_last' binding='strong'><string>{SANS}</string></edit></match>
</fontconfig>
"""
