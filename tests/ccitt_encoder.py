"""A fax encoder by the letter of ITU-T T.4 and T.6, with the habits of other programs that libtiff does not have.

Only for tests. Its code words are the decoder's own, which a test compares with libtiff's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from PIL import Image

from fax_bridge.documents.ccitt_codes import BLACK, HORIZONTAL, MODES, PASS, WHITE, Windows

EOL = "000000000001"


def _codes(table: Windows) -> dict[int, str]:
    return {meaning: window[:size] for window, (size, meaning) in table.items()}


RUNS = (_codes(WHITE), _codes(BLACK))
MODE = _codes(MODES)


def changes_of(row: bytes, width: int) -> list[int]:
    """The pixels of a packed line (black 1) at which its colour changes."""
    bits = f"{int.from_bytes(row, 'big'):0{8 * len(row)}b}"[:width]
    return [at for at in range(width) if bits[at] != (bits[at - 1] if at else "0")]


def lines_of(image: Image.Image) -> list[list[int]]:
    """The changes of each line of a page whose ink is 0, as in Pillow."""
    stride = (image.width + 7) // 8
    data = bytes(255 - value for value in image.convert("1").tobytes())
    return [changes_of(data[at : at + stride], image.width) for at in range(0, len(data), stride)]


def run(length: int, colour: int) -> str:
    code = ""
    while length > 2623:
        code += RUNS[colour][2560]
        length -= 2560
    if length > 63:
        code += RUNS[colour][length // 64 * 64]
    return code + RUNS[colour][length % 64]


def one_dimensional(changes: Sequence[int], width: int) -> str:
    edges = [0, *changes, width]
    return "".join(run(after - before, index & 1) for index, (before, after) in enumerate(pairwise(edges)))


def two_dimensional(
    changes: Sequence[int], width: int, above: Sequence[int], *, empty_runs: bool = False
) -> tuple[str, list[int]]:
    """T.4 §4.2.1.3: the code, and the changes as they were coded.

    ``empty_runs`` splits long runs of a horizontal mode by runs of no length, which then stand twice in the changes.
    """
    code, at, colour = "", -1, 0
    coded: list[int] = []
    while at < width:
        index = next((i for i, place in enumerate(above) if place > at and i & 1 == colour), len(above))
        b1, b2 = (above[i] if i < len(above) else width for i in (index, index + 1))
        a1 = next((place for i, place in enumerate(changes) if place > at and i & 1 == colour), width)
        if b2 < a1:
            code, at = code + MODE[PASS], b2
        elif abs(a1 - b1) <= 3:
            code, at, colour = code + MODE[a1 - b1], a1, 1 - colour
            coded.append(a1)
        else:
            a2 = next((place for place in changes if place > a1), width)
            start = max(at, 0)
            if empty_runs and a1 - start > 20:
                code += MODE[HORIZONTAL] + run(9, colour) + run(0, 1 - colour)
                coded += [start + 9] * 2
                start += 9
            code += MODE[HORIZONTAL] + run(a1 - start, colour) + run(a2 - a1, 1 - colour)
            coded += [a1, a2]
            at = a2
    return code, [place for place in coded if place < width]


@dataclass(frozen=True)
class Habit:
    """How a program writes G3."""

    eol_first: bool = True
    """Each line after its end of line, or before it."""
    k: int = 1
    """One line in ``k`` is one-dimensional; 1 is G3 1-D."""
    fill: int = 0
    """Zeros before each end of line."""
    aligned: bool = False
    """Each end of line ends on a byte (T4Options bit 2)."""
    rtc: bool = True
    eols: bool = True


def group3(image: Image.Image, habit: Habit) -> bytes:
    out: list[str] = []
    length = 0

    def put(code: str) -> None:
        nonlocal length
        out.append(code)
        length += len(code)

    def eol(tag: str) -> None:
        put("0" * habit.fill)
        if habit.aligned:
            put("0" * (-(length + 12) % 8))
        put(EOL + tag)

    above: Sequence[int] = []
    lines = lines_of(image)
    for number, changes in enumerate(lines):
        is_one = number % habit.k == 0
        tag = ("1" if is_one else "0") if habit.k > 1 else ""
        if habit.eols and (habit.eol_first or (number == 0 and habit.k > 1)):
            eol(tag)
        if is_one:
            put(one_dimensional(changes, image.width))
        else:
            put(two_dimensional(changes, image.width, above)[0])
        if habit.eols and not habit.eol_first and (number + 1 < len(lines) or habit.k == 1):
            following = "1" if (number + 1) % habit.k == 0 else "0"
            eol(following if habit.k > 1 else "")
        above = changes
    if habit.rtc:
        put((EOL + ("1" if habit.k > 1 else "")) * 6)
    return packed(out)


def group4(image: Image.Image, *, eofb: bool = True, empty_runs: str = "") -> bytes:
    """``empty_runs`` are ``counted`` as changes for the line below, or they are ``left out``; none are written else."""
    out = []
    above: Sequence[int] = []
    for changes in lines_of(image):
        code, coded = two_dimensional(changes, image.width, above, empty_runs=bool(empty_runs))
        out.append(code)
        above = coded if empty_runs == "counted" else changes
    return packed([*out, EOL * 2 if eofb else ""])


def packed(codes: Iterable[str]) -> bytes:
    bits = "".join(codes)
    bits += "0" * (-len(bits) % 8)
    return int(bits or "0", 2).to_bytes(len(bits) // 8, "big")
