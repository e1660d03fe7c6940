"""The file that names the numbers: how it is read, and what is said of one that is wrong."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fax_bridge.documents.worker import PartKind
from fax_bridge.email_to_fax.distribution_list import ListFault, divided, is_list, lines_of, read_lists
from fax_bridge.email_to_fax.mail_part import MailPart, Plan
from fax_bridge.email_to_fax.read import read_mail
from fax_bridge.numbers import read_number


def part(data: bytes, name: str = "distribution-list.csv") -> MailPart:
    return MailPart("2", name, "text/csv", Plan.SOURCE, data, kind=PartKind.CSV)


def numbers(*lists: bytes, most: int = 10) -> Sequence[str]:
    return read_lists([part(data) for data in lists], lambda text: read_number(text, "TR"), most)


A, B = "902163334455", "902163334466"
AT, NO_NUMBER = "distribution-list.csv", "is not a telephone number"


@pytest.mark.parametrize(
    "data",
    [
        b"0216 333 44 55\n+902163334466\n",
        b"02163334455\r\n\r\n# our branch\r\n90.216.333-44.66",
        b"\xef\xbb\xbfFax\n02163334455\n02163334466\n02163334455\n",
        "Ad;Faks No;Şehir\nAyşe;02163334455;İzmir\nAli;02163334466;Van\n".encode(),
        b'name,number\n"Y, A",02163334455\n"Z","0216 333 44 66"\n',
        b"02163334455\tAyse\n02163334466\tAli\n",
        b"02163334455;Ayse 1 2 3\n02163334466;\n",
    ],
)
def test_a_list_can_be_written_in_these_ways(data: bytes) -> None:
    """One number on a line, or a table with the column that its heading names, or the first one."""
    assert numbers(data) == [A, B]


def test_several_lists_are_one_and_each_number_is_there_once() -> None:
    """In the order in which they come."""
    assert numbers(b"02163334466", f"{A}\n{B}".encode()) == [B, A]


@pytest.mark.parametrize(
    ("data", "reason", "said"),
    [
        (b"02163334455\n12\nhello\n", "list_wrong", f'{AT} 2: "12" {NO_NUMBER}; {AT} 3: "hello" {NO_NUMBER}'),
        (
            b"Ad;Faks\nAli;9,02163E+11\nVeli;\n",
            "list_wrong",
            f'{AT} 2: "9,02163E+11" {NO_NUMBER}; {AT} 3: no number before the @',
        ),
        (b"x\n" * 9, "list_wrong", None),
        (b"", "list_empty", ""),
        (b"Fax\n#none\n", "list_empty", ""),
        (b"\n".join(b"0216333%04d" % n for n in range(11)), "list_too_long", "10"),
        (b"1" * 1_000_001, "list_too_long", "1000001 bytes"),
    ],
)
def test_a_list_that_is_not_right_as_a_whole_is_refused_with_its_lines(
    data: bytes, reason: str, said: str | None
) -> None:
    """All numbers or none: what was half understood would be a fax that somebody misses."""
    with pytest.raises(ListFault) as fault:
        numbers(data)
    assert fault.value.reason == reason
    assert str(fault.value).endswith("; + 4") if said is None else str(fault.value) == said


def test_only_the_mails_own_file_of_that_name_is_a_list() -> None:
    """In any case of letters; a forwarded mail's list is that mail's, and a picture is a picture."""
    assert is_list(part(b"", "Distribution-List.TXT"))
    assert not is_list(part(b"", "my-distribution-list.txt"))
    mail = read_mail(
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        b'--b\r\nContent-Type: text/plain; name="distribution-list.txt"\r\nContent-Disposition: attachment\r\n\r\n1\r\n'
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
        b'--c\r\nContent-Type: text/plain; name="distribution-list.txt"\r\n\r\n2\r\n--c--\r\n--b--\r\n'
    )
    mail, lists = divided(mail)
    assert [one.section for one in lists] == ["1"]
    assert [(one.section, one.plan) for one in mail.parts] == [("1", Plan.LIST), ("2.1", Plan.SOURCE)]


@given(st.binary(max_size=200))
def test_no_file_is_more_than_refused(data: bytes) -> None:
    """Whatever bears the name."""
    assert all(line.number >= 1 for line in lines_of(data))
    try:
        found = numbers(data)
    except ListFault:
        return
    assert all(number.isdigit() for number in found)
