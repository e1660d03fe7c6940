"""What Outlook keeps as RTF: the HTML in it to the letter, or its words."""

import time

import pytest
from compressed_rtf import compress
from hypothesis import given, settings
from hypothesis import strategies as st

from fax_bridge.documents.rtf import Wording, wording_of, wording_of_packed

HEAD = rb"{\rtf1\ansi\ansicpg1254\fromhtml1 \deff0{\fonttbl{\f0\fswiss\fcharset162 Arial;}{\f1\fcharset161 Arial;}}"
PLAIN = HEAD.replace(rb"\fromhtml1 ", b"")


def html(inside: bytes) -> str:
    found = wording_of(HEAD + inside + b"}")
    assert found.content_type == "text/html"
    return found.data.decode()


def words(inside: bytes) -> str:
    found = wording_of(PLAIN + inside + b"}")
    assert found.content_type == "text/plain"
    return found.data.decode()


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (rb"{\*\htmltag64 <p class=\'22x\'22>}\htmlrtf \par\htmlrtf0 Ah{\*\htmltag72 </p>}", '<p class="x">Ah</p>'),
        (rb"{\*\htmltag84 &nbsp;}\htmlrtf \'a0\htmlrtf0 a", "&nbsp;a"),
        (rb"\f0 \'fe\'fd\'f0 \f1 \'e1\'e2", "şığ αβ"),
        (rb"\u287?\u305?stanbul \u-10179?\u-8704?", "ğıstanbul \U0001f600"),
        (rb"{\uc2\u351\'73\'3fx}\u351?y", "şxşy"),
        (rb"a\tab b\line c\lquote d\rquote", "a\tb\nc‘d’"),
        (rb"{\*\mhtmltag64 <img src=evil>}b", "b"),
        (rb"{\*\generator Riched20;}{\pict 0102}{\*\unknown x}y", "y"),
        (rb"\htmlrtf{\b\htmlrtf0 bold\htmlrtf}\htmlrtf0 !", "bold!"),
        (rb"1 < 2 & \{ \} \\", "1 &lt; 2 &amp; { } \\"),
        (b"{\\*\\htmltag0 <b>}a\r\nb{\\*\r\n\\htmltag0 </b>}", "<b>ab</b>"),
        (rb"a\bin3 }}}b", "ab"),
        (rb"{\*\htmltag0 <a title='\'fe'>}", "<a title='ş'>"),
    ],
)  # fmt: skip
def test_html_comes_out_as_it_was_put_in(inside: bytes, expected: str) -> None:
    """Each rule of [MS-OXRTFEX] §2.1, with the letters of the font's charset."""
    assert html(inside) == expected


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (rb"\pard\plain\f0 Say\'fdn {\b Ay\'fee},\par\par Te\'feekk\'fcrler.\par", "Sayın Ayşe,\n\nTeşekkürler.\n"),
        (rb"\trowd a\cell b\cell\row c\par", "a\tb\t\nc\n"),
        (rb'{\field{\*\fldinst HYPERLINK "http://x/"}{\fldrslt here}}', "here"),
        (rb"a{\v gizli}b", "ab"),
    ],
)  # fmt: skip
def test_rtf_of_its_own_gives_its_words(inside: bytes, expected: str) -> None:
    """Paragraphs as lines, cells apart; not what is hidden or only for the program."""
    assert words(inside) == expected


@pytest.mark.parametrize("inside", [rb"a{\pict\pngblip 89504e47}", rb"a{\object\objemb{\*\objdata 0105}}"])
def test_rtf_with_pictures_is_not_passed_off_as_its_words(inside: bytes) -> None:
    """What shows more than words is for a program that lays out RTF, or refuses the mail."""
    rtf = PLAIN + inside + b"}"
    assert wording_of(rtf) == Wording("text/rtf", rtf)


def test_the_packed_form_is_unpacked_also_where_its_last_nuls_are_gone() -> None:
    """tnefparse takes NULs off the end of every property; here they belong to the data."""
    packed = compress(HEAD + rb"\f0 \'fe}" + b"\0\0\0\0", compressed=False)
    assert packed.endswith(b"\0\0\0\0")
    assert wording_of_packed(packed.rstrip(b"\0")) == Wording("text/html", "ş".encode())
    assert wording_of_packed(compress(HEAD + rb"\f0 \'fe}")).data == "ş".encode()


TOKENS = [b"{", b"}", b"\\u", b"\\'", b"\\*", b"\\htmltag", b"\\uc", b"9", b"-", b"\\bin", b"\xfe"]
TOKENS += [b"\\htmlrtf0 ", b"\\f1 ", b"\\fonttbl ", b"\\deff", b"\\ansicpg", b"a ", b"\n"]


@given(st.lists(st.sampled_from(TOKENS)))
@settings(max_examples=300, deadline=None)
def test_broken_rtf_never_raises(tokens: list[bytes]) -> None:
    """Unbalanced, cut off, out of range: some text comes out, and the rest is not read."""
    for head in (HEAD, PLAIN):
        assert isinstance(wording_of(head + b"".join(tokens)).data, bytes)


@pytest.mark.parametrize(
    "bomb", [b"{" * 500_000, rb"\u351?" * 200_000, b"}" * 500_000, b"\\'fe" * 200_000, b"\\" * 500_001]
)
def test_reading_takes_time_by_the_length_only(bomb: bytes) -> None:
    """A million bytes within seconds, whatever they are."""
    began = time.process_time()
    wording_of(HEAD + bomb)
    assert time.process_time() - began < 10
