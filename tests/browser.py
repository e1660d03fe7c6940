"""A mail's HTML in a real browser: headless Chromium from Debian, which opens no network and keeps no profile.

The page stands in a frame of the wanted width, as a mail reader shows it; Chromium's own windows cannot be as narrow as
a telephone.
"""

import html
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser")
BELOW = (255, 0, 255)
"""The colour around the frame, which no mail of ours has."""
LONGEST = 6000
"""Pixels; a mail that is longer is cut in its picture."""
PATIENCE = 60

_FRAME = """<!DOCTYPE html>
<html style="background:#ff00ff"><body style="margin:0">
<iframe id="mail" width="{width}" height="600" style="border:0;display:block;color-scheme:{scheme}"
 srcdoc="{page}"></iframe>
<p id="told"></p>
<script>
const frame = document.getElementById("mail");
frame.onload = () => {{
  const root = frame.contentDocument.documentElement;
  frame.height = 10;
  frame.height = root.scrollHeight;
  document.getElementById("told").textContent =
    ["told", root.scrollWidth, root.clientWidth, root.scrollHeight,
     matchMedia.call(frame.contentWindow, "(prefers-color-scheme: dark)").matches].join(" ");
  document.getElementById("told").hidden = true;
}};
</script></body></html>
"""


def find() -> str | None:
    """The program; ``None`` where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def _run(program: str, page: str, width: int, *, dark: bool, arguments: list[str], directory: Path) -> str:
    file = directory / "frame.html"
    scheme = "dark" if dark else "light"
    file.write_text(_FRAME.format(width=width, scheme=scheme, page=html.escape(page)), encoding="utf-8")
    command = [
        program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
        "--disable-background-networking", f"--user-data-dir={directory}/profile", "--virtual-time-budget=2000",
        f"--window-size={max(width, 500)},{LONGEST}", *arguments, file.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return done.stdout


def measured(program: str, page: str, width: int, *, dark: bool = False) -> tuple[int, int, int, bool]:
    """Width of the content, of the frame, height of the content, and whether the page was shown dark."""
    with tempfile.TemporaryDirectory() as name:
        dom = _run(program, page, width, dark=dark, arguments=["--dump-dom"], directory=Path(name))
    found = re.search(r"told (\d+) (\d+) (\d+) (true|false)<", dom)
    if not found:
        raise AssertionError(f"the page did not load: {dom[-500:]}")
    return int(found[1]), int(found[2]), int(found[3]), found[4] == "true"


def pictured(program: str, page: str, width: int, *, dark: bool = False) -> Image.Image:
    """The page as it is shown, all of its height."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "page.png"
        arguments = [f"--screenshot={file}"]
        _run(program, page, width, dark=dark, arguments=arguments, directory=Path(name))
        with Image.open(file) as image:
            shown = image.convert("RGB").crop((0, 0, width, image.height))
    column = shown.crop((width // 2, 0, width // 2 + 1, shown.height)).tobytes()
    pixels = [tuple(column[at : at + 3]) for at in range(0, len(column), 3)]
    return shown.crop((0, 0, width, pixels.index(BELOW) if BELOW in pixels else shown.height))
