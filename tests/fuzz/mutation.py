"""Changes to real files that follow from a number alone, so that a finding is repeated by its number."""
# ruff: noqa: S311 — dice that are to fall the same on every run

import random
from collections.abc import Sequence


def mutated(number: int, files: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """One to eight changes of one of the files; ``tokens`` are what its format is made of."""
    dice = random.Random(number)
    data = bytearray(dice.choice(files))
    for _ in range(dice.choice((1, 1, 2, 3, 5, 8))):
        if not data:
            break
        _change(data, dice, files, tokens)
    return bytes(data)


def _change(data: bytearray, dice: random.Random, files: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    at = dice.randrange(len(data))
    match dice.randrange(9):
        case 0:
            data[at] ^= 1 << dice.randrange(8)
        case 1:
            data[at : at + dice.choice((1, 2, 4))] = dice.randbytes(dice.choice((1, 2, 4)))
        case 2:
            data[at:at] = dice.choice(tokens)
        case 3:
            token = dice.choice(tokens)
            data[at : at + len(token)] = token
        case 4:
            del data[at : at + dice.choice((1, 10, 100, 1000, 10_000))]
        case 5:
            length = dice.choice((10, 100, 1000))
            data[at:at] = bytes(data[at : at + length]) * dice.choice((1, 3, 20))
        case 6:
            other = dice.choice(files)
            data[at:] = other[dice.randrange(len(other)) :]
        case 7:
            del data[at:]
        case _:
            data[at : at + 4] = dice.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)).to_bytes(4, "little")


def composed(number: int, tokens: Sequence[str], most: int = 60) -> str:
    """A text of tokens alone."""
    dice = random.Random(number)
    return "".join(dice.choice(tokens) for _ in range(dice.randrange(1, most)))
