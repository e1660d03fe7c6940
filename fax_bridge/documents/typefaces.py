"""The fonts that come with the program, and the names under which documents ask for them.

A machine without fonts would print blank pages and say nothing; one with many would print each fax its own way.
So the engine sees these fonts and no others, and every name it can be asked for leads to one of them.
"""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

DIRECTORY = Path(__file__).with_name("fonts")

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


@cache
def fontconfig_directory() -> Path:
    """A directory with a ``fonts.conf``, below the temporary directory of this process; it lives as long as that."""
    directory = Path(tempfile.mkdtemp(prefix="fontconfig-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    (directory / "fonts.conf").write_text(_configuration(directory / "cache"), encoding="utf-8")
    return directory


def _configuration(cache_directory: Path) -> str:
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
<cachedir>{escape(str(cache_directory))}</cachedir>
<config><rescan><int>0</int></rescan></config>
{aliases}<match><edit name='family' mode='append_last'><string>{SANS}</string></edit></match>
</fontconfig>
"""
