"""TIFFs made by hand, so that nothing of the program under test has a part in them but libtiff's encoder."""

import io
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from PIL import Image, ImageChops, ImageDraw

FINE = (204.0, 196.0)
REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


@dataclass(frozen=True)
class Sheet:
    """One page: its fields (tag → type, values) and its strips."""

    fields: Mapping[int, tuple[int, Sequence[int]]]
    strips: Sequence[bytes]


def tiff_of(*sheets: Sheet, order: str = "<", front: bool = True, loop_to: int | None = None) -> bytes:
    """A classic TIFF. ``front`` puts the directories before the strips; ``loop_to`` closes the list to a ring."""
    codes = {1: "B", 3: "H", 4: "I", 5: "I"}

    def lay(places: Sequence[Sequence[int]], starts: Sequence[int], begin: int) -> tuple[bytes, list[int]]:
        out, at = bytearray(), []
        for index, sheet in enumerate(sheets):
            at.append(begin + len(out))
            fields = dict(sheet.fields)
            fields.setdefault(273, (4, places[index]))
            fields.setdefault(279, (4, [len(strip) for strip in sheet.strips]))
            fields = {tag: field for tag, field in sorted(fields.items()) if field[1]}
            tail_at = begin + len(out) + 2 + 12 * len(fields) + 4
            body, tail = bytearray(struct.pack(order + "H", len(fields))), bytearray()
            for tag, (kind, values) in fields.items():
                packed = struct.pack(f"{order}{len(values)}{codes[kind]}", *values)
                count = len(values) // (2 if kind == 5 else 1)
                inline = packed.ljust(4, b"\0")
                if len(packed) > 4:
                    inline = struct.pack(order + "I", tail_at + len(tail))
                    tail += packed
                body += struct.pack(order + "HHI", tag, kind, count) + inline
            last = starts[loop_to] if loop_to is not None and starts else 0
            following = starts[index + 1] if index + 1 < len(sheets) and starts else last
            out += body + struct.pack(order + "I", following) + tail
        return bytes(out), at

    flat = [[0] * len(sheet.strips) for sheet in sheets]
    blank, _ = lay(flat, [], 8)
    data = b"".join(strip for sheet in sheets for strip in sheet.strips)
    position = 8 + len(blank) if front else 8
    begin = 8 if front else 8 + len(data)
    places = []
    for sheet in sheets:
        row = []
        for strip in sheet.strips:
            row.append(position)
            position += len(strip)
        places.append(row)
    _, starts = lay(places, [], begin)
    directories, _ = lay(places, starts, begin)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", starts[0])
    return head + (directories + data if front else data + directories)


def drawing(width: int = 1728, height: int = 300, seed: int = 0) -> Image.Image:
    """Lines, boxes and arcs whose runs have every length."""
    image = Image.new("1", (width, height), 255)
    pen = ImageDraw.Draw(image)
    for index in range(60):
        x, y = (index * 137 + seed * 31) % width, (index * 29 + seed * 7) % height
        pen.line((x, 0, (x * 3) % width, height), fill=0, width=1 + index % 4)
        pen.ellipse((x, y, x + 5 + index * 3, y + 30), outline=0)
    pen.rectangle((0, 0, width - 1, height - 1), outline=0)
    return image


def strip_of(image: Image.Image, compression: str = "group4", options: int = 0) -> bytes:
    """The coded pixels in fax polarity (ink is 1), by libtiff."""
    out = io.BytesIO()
    extra = {292: options} if compression == "group3" else {}
    ImageChops.invert(image).save(out, "TIFF", compression=compression, strip_size=1 << 30, tiffinfo=extra)
    with Image.open(io.BytesIO(out.getvalue())) as written:
        tags = written.tag_v2  # type: ignore[attr-defined]  # TiffImageFile has it
        (offset,), (count,) = tags[273], tags[279]
    return out.getvalue()[offset : offset + count]


CODES = {"raw": 1, "tiff_ccitt": 2, "group3": 3, "group4": 4}


def sheet(
    image: Image.Image,
    *,
    compression: str = "group4",
    options: int = 0,
    dpi: tuple[float, float] | None = FINE,
    strip: bytes | None = None,
    fields: Mapping[int, tuple[int, Sequence[int]] | None] = MappingProxyType({}),
) -> Sheet:
    """A page as fax software writes it; ``fields`` replace some, or take them away."""
    full: dict[int, tuple[int, Sequence[int]]] = {
        256: (4, [image.width]),
        257: (4, [image.height]),
        258: (3, [1]),
        259: (3, [CODES[compression]]),
        262: (3, [0]),
        277: (3, [1]),
        278: (4, [image.height]),
    }
    if compression == "group3":
        full[292] = (4, [options])
    if dpi:
        full |= {282: (5, [round(dpi[0] * 100), 100]), 283: (5, [round(dpi[1] * 100), 100]), 296: (3, [2])}
    for tag, field in fields.items():
        full.pop(tag, None)
        if field is not None:
            full[tag] = field
    if strip is None:
        raw = ImageChops.invert(image).tobytes()
        strip = raw if compression == "raw" else strip_of(image, compression, options)
    return Sheet(full, [strip])
