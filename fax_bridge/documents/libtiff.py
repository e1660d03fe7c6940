"""libtiff, through Pillow, listened to: it tells of damage on standard error only."""

import os
import struct
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

UNREADABLE = (OSError, ValueError, SyntaxError, struct.error, ArithmeticError, LookupError, TypeError, AttributeError)
"""What Pillow raises over a broken file: its own kinds of error, and those of code that trusted a value."""


@contextmanager
def listening(lines: list[str]) -> Iterator[None]:
    """What libtiff writes to standard error: it reports damage there, and returns the page as if all were well.

    Pillow's own word about large images is no damage; our limit of pixels stands before it.
    """
    with tempfile.TemporaryFile() as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            lines += file.read(4096).decode("utf-8", "replace").splitlines()
