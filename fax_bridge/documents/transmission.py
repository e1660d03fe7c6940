"""How long a page takes on the line: an estimate by its T.6 code, for words to a sender and for no decision.

Assumed is what most machines agree on today: error correction (ITU-T T.30 annex A) with MMR coding (T.6) at 14,400
bit/s (V.17), a good line, no block sent again. Without error correction a page is coded by T.4 and takes about twice
as long; at 9600 bit/s half as long again. Dialling and the first handshake, some 20 seconds a call, are not a page's.
"""

from math import ceil

from fax_bridge.fax import Resolution

_BITS_PER_SECOND = 14_400
_FRAME = 256
"""Octets of picture in one frame (T.30 §A.3.3; the other size, 64, is hardly used)."""
_FRAME_AND_ENVELOPE = _FRAME + 7
"""With its flag, address, control, FCD, frame number and two of check (T.30 §A.3.4, figure A.1)."""
_STUFFING = 1 + 1 / 62
"""A zero behind every five ones (HDLC), in bits that are as good as random."""
_FRAMES_OF_BLOCK = 256
"""A partial page, after which the receiver answers (T.30 §A.3.2)."""
_BLOCK_SECONDS = 3.1
"""V.17's short training 0.14 and the flags behind it 0.2; PPS at 300 bit/s with its second of preamble 1.3; MCF with
its own 1.2; four silences of 75 ms between them (T.30 §5.3.1, annex A)."""

_GROWTH = {
    Resolution.NORMAL: (1.0, 1.0),
    Resolution.FINE: (1.6, 2.0),
    Resolution.SUPERFINE: (2.5, 3.9),
}
"""T.6 octets of a page against those at normal resolution, for letters and lines, and for dithered pictures.

Measured on a letter, a table, four pages of a manual, a form, a newspaper's page and a photo: 1.4 to 1.9 and 2.1 to
2.7, against 1.9 to 2.0 and 3.7 to 4.0. T.6 codes a line by the one above it, and nearer lines differ less; dots do not.
"""


def seconds_of(octets: int) -> float:
    """Of a page with so many octets of T.6 code."""
    frames = ceil(octets / _FRAME)
    bits = 8 * frames * _FRAME_AND_ENVELOPE * _STUFFING
    return ceil(frames / _FRAMES_OF_BLOCK) * _BLOCK_SECONDS + bits / _BITS_PER_SECOND


def seconds_at(resolution: Resolution, normal_octets: int, *, dots: bool) -> float:
    """Of a page that has so many octets at normal resolution."""
    return seconds_of(round(normal_octets * _GROWTH[resolution][dots]))
