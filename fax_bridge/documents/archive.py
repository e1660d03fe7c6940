"""A zip file, where it is to be opened: its files as attachments, one level deep, each under its own name.

Sizes are known before anything is unpacked, and are held to while it is.
"""

import io
import stat
import zipfile
import zlib

from fax_bridge.documents.entity import Attached, entity
from fax_bridge.errors import DocumentRefused

_MOST_FILES = 100
_SIDE_DATA = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


def unpack(data: bytes, *, most: int) -> bytes:
    """Refused: ``zip_password``, ``zip_too_large``, ``packed_broken``."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _refuse_too_much(entries, most)
            return entity([], [_attached(archive, entry) for entry in entries], {})
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise DocumentRefused(0, "packed_broken", str(error)) from error


def _refuse_too_much(entries: list[zipfile.ZipInfo], most: int) -> None:
    if any(entry.flag_bits & 1 for entry in entries):
        raise DocumentRefused(0, "zip_password")
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > _MOST_FILES or unpacked > most // 2:  # base64 makes four bytes of three
        raise DocumentRefused(0, "zip_too_large", f"{len(entries)} files, {unpacked} bytes")
    if not entries:
        raise DocumentRefused(0, "packed_broken", "there is nothing in it")


def _attached(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Attached:
    name = entry.filename
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise DocumentRefused(0, "packed_broken", f"{name} is a link")
    with archive.open(entry) as file:
        content = file.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise DocumentRefused(0, "packed_broken", f"{name} is not as long as it says")
    if name.startswith(_SIDE_DATA[0]) or name.rpartition("/")[2] in _SIDE_DATA[1:]:
        return Attached(name, content, "application/applefile")
    return Attached(name, content)
