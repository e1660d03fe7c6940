"""The pure parts of the SMTP intake: dots, bare newlines, paths, DSN parameters, limits."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fax_bridge.email_to_fax.dsn_options import BadOption, read_mail_dsn, read_rcpt_dsn, xtext_decoded
from fax_bridge.email_to_fax.smtp_arguments import BadParameters, BadPath, read_path
from fax_bridge.email_to_fax.smtp_data import BareNewlines, DotUnstuffer
from fax_bridge.email_to_fax.smtp_limits import Pace, Sessions

# Mostly what matters to the end of a mail, so that every beginning of one is met at every cut.
STREAMS = st.lists(st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"\r\n.\r\n", b"a", b"\x00\xff"])).map(
    b"".join
)


def reference(stream: bytes) -> tuple[bytes, bytes | None]:
    """Line by line, as RFC 5321 §4.5.2 tells it: the mail so far, and what comes after its end if it has one."""
    lines = stream.split(b"\r\n")
    mail: list[bytes] = []
    for number, line in enumerate(lines[:-1]):
        if line == b".":
            return b"".join(mail), b"\r\n".join(lines[number + 1 :])
        mail.append(line.removeprefix(b".") + b"\r\n")
    return b"".join([*mail, lines[-1].removeprefix(b".")]), None


def cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(place % (len(stream) + 1) for place in cuts), len(stream)]
    return [stream[a:b] for a, b in pairwise(places)]


def unstuffed(pieces: list[bytes]) -> tuple[bytes, bytes | None]:
    unstuffer = DotUnstuffer()
    mail = b""
    for number, piece in enumerate(pieces):
        mail += unstuffer.feed(piece)
        if unstuffer.ended:
            return mail, bytes(unstuffer.rest) + b"".join(pieces[number + 1 :])
    return mail, None


@given(STREAMS, st.lists(st.integers(min_value=0), max_size=8))
def test_unstuffing_in_pieces_equals_the_reference_for_any_split(stream: bytes, cuts: list[int]) -> None:
    """The same mail, the same end and the same rest, wherever the network cut the stream."""
    ended = stream + b"\r\n.\r\nREST"
    assert unstuffed(cut(ended, cuts)) == reference(ended)


@given(STREAMS, st.lists(st.integers(min_value=0), max_size=8))
def test_a_mail_that_has_not_ended_only_holds_back_the_beginning_of_an_end(stream: bytes, cuts: list[int]) -> None:
    """Nothing comes out that the reference would not have, and at most five octets are held."""
    mail, rest = unstuffed(cut(stream, cuts))
    expected, expected_rest = reference(stream)
    assert rest == expected_rest
    assert expected.startswith(mail)
    assert len(expected) - len(mail) <= 5


@given(STREAMS, st.lists(st.integers(min_value=0), max_size=8))
def test_bare_newlines_are_seen_in_any_split(stream: bytes, cuts: list[int]) -> None:
    """A CR and its LF may come in two pieces and are a pair all the same."""
    watch = BareNewlines()
    for piece in cut(stream, cuts):
        watch.feed(piece)
    bare = stream.replace(b"\r\n", b"")
    assert watch.found == (b"\r" in bare or b"\n" in bare)


@pytest.mark.parametrize(
    ("argument", "address", "parameters"),
    [
        ("<a@b.c>", "a@b.c", {}),
        (" a@b.c size=5", "a@b.c", {"SIZE": "5"}),
        ("<>", "", {}),
        ('<"a b\\" >"@[127.0.0.1]> X', '"a b\\" >"@[127.0.0.1]', {"X": ""}),
        ("<@x,@y:a@b.c>  ENVID=aBc", "a@b.c", {"ENVID": "aBc"}),
        ("<postmaster>", "postmaster", {}),
    ],
)
def test_a_path_is_read_with_its_parameters(argument: str, address: str, parameters: dict[str, str]) -> None:
    """Quoted local parts, source routes, missing brackets; the case of values is kept."""
    path = read_path(argument)
    assert (path.address, path.parameters) == (address, parameters)


@pytest.mark.parametrize(
    "argument", ["", "<a@b", "<a@b>c", "<a@b@c>", "<a\x01@b>", "<a@>", f"<{'a' * 320}@b>", "<a@b\x00>"]
)
def test_what_is_no_path_is_refused(argument: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(BadPath):
        read_path(argument)


@pytest.mark.parametrize("parameters", ["b@c", "X=", "X=a=b", "=a", "X X", "x=1 X=2", "é=1"])
def test_parameters_that_cannot_be_read_are_refused(parameters: str) -> None:
    """None twice, none without a name, none with an empty value."""
    with pytest.raises(BadParameters):
        read_path(f"<a@b.c> {parameters}")


def test_xtext_is_kept_and_can_be_decoded() -> None:
    """A report repeats it to the letter; people read what it means."""
    assert read_mail_dsn("full", "a+2Bb").envid == "a+2Bb"
    assert xtext_decoded("a+2Bb+C3+BC+FF") == "a+bü\ufffd"


@pytest.mark.parametrize(("notify", "orcpt"), [("", "rfc822;"), ("", ";a"), ("", "rfc822;a+2b"), ("NEVER,NEVER", "")])
def test_bad_recipient_options_are_refused(notify: str, orcpt: str) -> None:
    """RFC 3461 §4.1, §4.2."""
    with pytest.raises(BadOption):
        read_rcpt_dsn(notify, orcpt)


def test_sessions_are_counted_in_all_and_for_each_client() -> None:
    """Who leaves makes room; an exempt client is only held by the limit in all."""
    sessions = Sessions(most=3, most_per_client=2)
    assert [sessions.enter("a"), sessions.enter("a"), sessions.enter("a")] == [True, True, False]
    sessions.leave("a")
    assert [sessions.enter("a"), sessions.enter("b"), sessions.enter("c")] == [True, True, False]
    sessions.leave("a")
    assert sessions.enter("b")
    sessions.leave("a")
    assert sessions.enter("b", exempt=True)


def test_a_slow_client_is_told_from_a_slow_line() -> None:
    """Within the grace anything goes; after it the average counts, and only the time that we waited for the client."""
    pace = Pace(min_rate=50, grace=60, longest=1000)
    pace.heard(10, 59)
    assert not pace.too_slow
    pace.heard(10, 2)
    assert pace.too_slow
    pace.heard(5000, 1)
    assert not pace.too_slow
    assert Pace(min_rate=0, grace=60, longest=-1).too_slow
