"""FaxMAX's answers and pushes, as the page shows them and as they may come."""

import base64
import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fax_bridge.faxmax.wire import (
    Accepted,
    AcceptedBook,
    Element,
    NotUnderstood,
    Rejected,
    RpcError,
    SendRequest,
    read_answer,
    read_book_answer,
    read_date,
    read_push,
)

ISTANBUL = ZoneInfo("Europe/Istanbul")


def answer(**data: Any) -> bytes:
    return json.dumps({"id": "x", "jsonrpc": "2.0", "result": {"message": {"data": data}}}).encode()


def read(body: bytes) -> Any:
    return read_answer(body, api_id="F1", number="902162222525")


def test_the_request_has_the_shape_of_the_page() -> None:
    """phones in the object form with our api_id, credentials among the params."""
    request = SendRequest("u-1", "F1", "902162222525", b"%PDF", "fax.pdf", "<p>ş</p>", "902160000000", "A4", "fine")
    assert json.loads(request.data({"token_": "T"})) == {
        "jsonrpc": "2.0",
        "id": "u-1",
        "method": "Fax.send_fax",
        "params": {
            "token_": "T",
            "cli": "902160000000",
            "phones": [{"phone": "902162222525", "api_id": "F1"}],
            "cover_html": "<p>ş</p>",
            "paper_size": "A4",
            "resolution": "fine",
        },
    }


@pytest.mark.parametrize(
    ("body", "meaning"),
    [
        (answer(count=1, phones=[{"api_id": "F1", "fax_id": "ab"}], rejected=[], request_id="r"), Accepted("ab", "r")),
        (answer(count=1, phones=[{"api_id": None, "fax_id": "ab"}], rejected=[], request_id=7), Accepted("ab", "7")),
        (answer(phones=[], rejected=["902162222525"]), Rejected("")),
        (answer(phones=[], rejected=[{"api_id": "F1", "reason": "yasak"}]), Rejected("yasak")),
        (answer(phones=[], rejected=[{"phone": "+902162222525"}]), Rejected("")),
        (answer(phones=[], rejected=[]), None),
        (answer(phones=[{"api_id": "other", "fax_id": "ab"}]), None),
        (answer(phones=[{"api_id": "F1"}], rejected=None), None),
        (b'{"error": {"code": -32602, "message": "bad"}}', RpcError(-32602, "bad")),
        (b'{"error": "boom"}', RpcError(None, "boom")),
    ],
)
def test_an_answer_says_what_became_of_our_fax(body: bytes, meaning: Any) -> None:
    """Accepted, rejected, refused by JSON-RPC, or named in neither list: never guessed as sent."""
    assert read(body) == meaning


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"7", b'{"result": {}}', b'{"result": "ok"}', b"\xff\xfe", b"[" * 100_000]
)
def test_an_unreadable_answer_is_never_taken_for_one(body: bytes) -> None:
    """Garbage after the request has left means unknown, which the client makes of this."""
    with pytest.raises(NotUnderstood):
        read(body)


def test_a_push_is_read_element_by_element() -> None:
    """An odd element never costs its neighbours."""
    body = json.dumps(
        [
            {"type": "OUTGOING_FAX", "id": "a", "status": "DELIVERED", "page_count": "3", "sent_on": 1700000000},
            "odd",
            {"type": "SMS", "id": "b"},
            {"type": "incoming_fax", "id": 5, "content": base64.b64encode(b"II*\0").decode(), "cli": None},
        ]
    ).encode()
    first, second, third, fourth = read_push(body, ISTANBUL)
    assert isinstance(first, Element)
    assert (first.page_count, first.sent_on) == (3, 1_700_000_000_000)
    assert isinstance(second, NotUnderstood)
    assert isinstance(third, NotUnderstood)
    assert isinstance(fourth, Element)
    assert (fourth.id, fourth.tiff(), fourth.cli) == ("5", b"II*\0", "")


def test_an_object_is_taken_where_an_array_is_expected() -> None:
    """Tolerant in what we read."""
    (only,) = read_push(b'{"type": "OUTGOING_FAX", "id": "a"}', ISTANBUL)
    assert isinstance(only, Element)


def test_content_that_is_no_base64_says_so() -> None:
    """It is quarantined and told, never dropped."""
    (only,) = read_push(b'[{"type": "INCOMING_FAX", "id": "a", "content": "<html>"}]', ISTANBUL)
    assert isinstance(only, Element)
    with pytest.raises(NotUnderstood, match="base64"):
        only.tiff()


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-23 15:00:00",
        "2026-11-23T15:00:00",
        "2026-11-23T12:00:00Z",
        "2026-11-23T12:00:00+00:00",
        1795435200,
        "1795435200",
        1795435200000,
    ],
)
def test_a_date_is_read_in_every_usual_spelling(written: Any) -> None:
    """Without a zone it is FaxMAX's own: Istanbul."""
    assert read_date(written, ISTANBUL) == 1_795_435_200_000


@pytest.mark.parametrize(
    "written", [None, "", "yesterday", {}, [], True, "1e400", -5, "9999999999999999999", "0000-00-00 00:00:00"]
)
def test_what_is_no_date_is_none(written: Any) -> None:
    """A field that cannot be read is absent, not an error."""
    assert read_date(written, ISTANBUL) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
        lambda c: (
            st.lists(c)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "type",
                        "id",
                        "status",
                        "content",
                        "cli",
                        "requested_on",
                        "page_count",
                        "result",
                        "message",
                        "data",
                        "phones",
                        "rejected",
                        "error",
                        "fax_id",
                    ]
                ),
                c,
            )
        ),
        max_leaves=20,
    )
)
def test_whatever_json_comes_nothing_but_a_clear_refusal_comes_out(value: Any) -> None:
    """Both readers answer any JSON with a value or NotUnderstood."""
    body = json.dumps(value).encode()
    for reader in (lambda: read_push(body, ISTANBUL), lambda: read(body), lambda: read_book_answer(body)):
        try:
            reader()
        except NotUnderstood:
            continue


def book(**data: Any) -> Any:
    return read_book_answer(json.dumps({"result": {"message": {"data": {"request_id": "r", **data}}}}).encode())


@pytest.mark.parametrize(
    ("data", "meant"),
    [
        ({"count": 2, "phones": [{"api_id": None, "fax_id": "x"}, {"fax_id": "y"}], "rejected": []},
         AcceptedBook(("x", "y"), (), 0, "r")),
        ({"phones": [{"fax_id": "x"}, {"fax_id": "x"}]}, AcceptedBook(("x",), (), 1, "r")),
        ({"count": "3", "phones": [{"fax_id": 7}, {"fax_id": None}]}, AcceptedBook(("7",), (), 2, "r")),
        ({"count": 0, "phones": [], "rejected": ["+902163334455", {"phone": "x", "reason": "no"}]},
         AcceptedBook((), (("902163334455", ""), ("", "no")), 0, "r")),
        ({"count": 0, "phones": []}, AcceptedBook((), (), 0, "r")),
        ({"phones": []}, None),
        ({"count": 2}, None),
        ({"count": -5, "phones": {"fax_id": "x"}}, AcceptedBook(("x",), (), 0, "r")),
    ],
)  # fmt: skip
def test_the_answer_for_a_phone_book_is_the_faxes_it_names(data: dict[str, Any], meant: AcceptedBook | None) -> None:
    """What it counts and does not name is told apart; an answer that names nothing is no answer."""
    assert book(**data) == meant


def test_a_request_for_a_phone_book_has_no_number_of_ours() -> None:
    """The page calls ``phones`` required, so it is there and empty."""
    request = SendRequest("1", "F1", "", b"", "f.pdf", None, "", "A4", "fine", phone_book="7")
    params = json.loads(request.data({"token_": "t"}))["params"]
    assert (params["phones"], params["phone_books"]) == ([], ["7"])
    assert "contacts" not in params
