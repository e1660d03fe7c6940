"""FaxMAX's JSON, both ways: the request of ``Fax.send_fax``, its answer, and the push.

Strict in what we send, tolerant in what we read: the vendor's page leaves much open, and a wrong guess must
not lose a fax. Nothing here knows of sockets; sources are the sections of the vendor's API page.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fax_bridge.fax import Instant


class NotUnderstood(ValueError):
    """The text is not what FaxMAX's page lets us expect; the message says what is odd about it."""


@dataclass(frozen=True, slots=True)
class SendRequest:
    """One ``Fax.send_fax``, for one number or for what is kept at FaxMAX."""

    request_id: str
    api_id: str
    number: str
    """Empty where it goes to a phone book or a contact."""
    document: bytes
    file_name: str
    cover_html: str | None
    cli: str
    paper_size: str
    resolution: str
    phone_book: str = ""
    """Its id at FaxMAX."""
    contact: str = ""

    @property
    def is_kept_there(self) -> bool:
        """Whether FaxMAX knows the numbers and we do not."""
        return bool(self.phone_book or self.contact)

    def data(self, credentials: Mapping[str, str]) -> str:
        """The ``data`` part ("Form data alanı içeriği")."""
        phones = [] if self.is_kept_there else [{"phone": self.number, "api_id": self.api_id}]
        params: dict[str, Any] = {**credentials, "phones": phones}
        if self.phone_book:
            params["phone_books"] = [self.phone_book]
        if self.contact:
            params["contacts"] = [self.contact]
        if self.cli:
            params["cli"] = self.cli
        if self.cover_html is not None:
            params["cover_html"] = self.cover_html
        params |= {"paper_size": self.paper_size, "resolution": self.resolution}
        request = {"jsonrpc": "2.0", "id": self.request_id, "method": "Fax.send_fax", "params": params}
        return json.dumps(request, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class RpcError:
    code: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Accepted:
    fax_id: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Rejected:
    reason: str


@dataclass(frozen=True, slots=True)
class AcceptedBook:
    """What became of a phone book or contact: the faxes that FaxMAX made of it, which carry no id of ours."""

    fax_ids: tuple[str, ...]
    rejected: tuple[tuple[str, str], ...]
    """Number, or empty where none was named; and the reason."""
    unaccounted: int
    """How many more faxes FaxMAX counts than it names."""
    request_id: str


Answer = Accepted | Rejected | RpcError | None
"""``None``: the answer is readable, but names our fax in neither list."""


def read_answer(body: bytes, *, api_id: str, number: str) -> Answer:
    """What the answer says of our one fax ("Faks Gönderim Cevabı"). Raises :class:`NotUnderstood`."""
    data = _result(body)
    if isinstance(data, RpcError):
        return data
    accepted = [entry for entry in _list(data.get("phones")) if isinstance(entry, dict) and entry.get("fax_id")]
    taken = _ours_among(accepted, api_id, number)
    refused = _ours_among(_list(data.get("rejected")), api_id, number)
    if taken is not None and refused is not None:
        return None  # it cannot be both: we do not know
    if refused is not None:
        return Rejected(_reason(refused))
    if taken is None:
        return None
    return Accepted(_text(taken["fax_id"])[:128], _text(data.get("request_id"))[:128])


def read_book_answer(body: bytes) -> AcceptedBook | RpcError | None:
    """The same for a phone book or a contact. Every fax in it is one of ours. Raises :class:`NotUnderstood`."""
    data = _result(body)
    if isinstance(data, RpcError):
        return data
    entries = [entry for entry in _list(data.get("phones")) if isinstance(entry, dict)]
    fax_ids = tuple(dict.fromkeys(_text(entry["fax_id"])[:128] for entry in entries if _text(entry.get("fax_id"))))
    rejected = tuple((_number_of(entry), _reason(entry)) for entry in _list(data.get("rejected")))
    count = _whole(data.get("count"))
    if not fax_ids and not rejected and count != 0:
        return None  # it names nothing, and does not say that there is nothing
    unaccounted = max(count or 0, len(_list(data.get("phones")))) - len(fax_ids)
    return AcceptedBook(fax_ids, rejected, max(unaccounted, 0), _text(data.get("request_id"))[:128])


def _number_of(entry: Any) -> str:
    """Digits, where it is a number that could be one of the telephone network (E.164 §6)."""
    text = _text(entry.get("phone") if isinstance(entry, dict) else entry).lstrip("+0")
    return text if text.isascii() and text.isdigit() and len(text) <= 15 else ""


def _result(body: bytes) -> dict[str, Any] | RpcError:
    """``result.message.data``. Raises :class:`NotUnderstood`."""
    answer = _json(body)
    if not isinstance(answer, dict):
        raise NotUnderstood("the answer is no JSON object")
    if answer.get("error") is not None:
        return _rpc_error(answer["error"])
    data: Any = answer
    for step in ("result", "message", "data"):
        data = data.get(step) if isinstance(data, dict) else None
    if not isinstance(data, dict):
        raise NotUnderstood("the answer has no result.message.data")
    return data


def _ours_among(entries: list[Any], api_id: str, number: str) -> Any:
    """Our entry of a list. We sent one number: a lone entry is ours, unless it names another id."""
    for entry in entries:
        if _is_ours(entry, api_id, number):
            return entry
    lone = entries[0] if len(entries) == 1 else None
    return lone if lone is not None and not (isinstance(lone, dict) and _text(lone.get("api_id"))) else None


def _rpc_error(error: Any) -> RpcError:
    if not isinstance(error, dict):
        return RpcError(None, _text(error)[:300])
    return RpcError(_whole(error.get("code")), _text(error.get("message"))[:300])


def _is_ours(entry: Any, api_id: str, number: str) -> bool:
    if isinstance(entry, dict):
        if _text(entry.get("api_id")):
            return _text(entry["api_id"]) == api_id
        return _text(entry.get("phone")).lstrip("+0") == number
    return _text(entry).lstrip("+0") in (number, api_id)


def _reason(entry: Any) -> str:
    if not isinstance(entry, dict):
        return ""
    words = [_text(value) for key, value in entry.items() if key not in {"phone", "api_id", "fax_id"} and value]
    return " ".join(words)[:300]


_NO_TEXT = "\0"


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a push ("Faks PUSH Detayları"), every field as FaxMAX wrote it but typed."""

    type: str
    id: str
    account_id: str
    account_name: str
    cli: str
    cld: str
    status: str
    result_message: str
    requested_on: Instant | None
    sent_on: Instant | None
    page_count: int | None
    total_page_count: int | None
    tried_count: int | None
    remote_station_id: str
    content: str | None
    """Base64; ``None`` where the element has none, and ``""`` never: what is there but no text does not decode."""

    def tiff(self) -> bytes | None:
        """The fax, ``None`` if there is no content. Raises :class:`NotUnderstood`."""
        if self.content is None:
            return None
        if self.content == _NO_TEXT:
            raise NotUnderstood("content is there, but is no text")
        try:
            return base64.b64decode("".join(self.content.split()), validate=True)
        except (binascii.Error, ValueError) as fault:
            raise NotUnderstood(f"content is not base64 ({fault})") from None


def read_push(body: bytes, timezone: ZoneInfo) -> Sequence[Element | NotUnderstood]:
    """The elements of a push, each by itself: one that is odd never costs its neighbours.

    Raises :class:`NotUnderstood` where the body as a whole is not readable.
    """
    pushed = _json(body)
    elements = pushed if isinstance(pushed, list) else [pushed]
    if not elements:
        raise NotUnderstood("the push is empty")
    return [_element(one, timezone) for one in elements]


def _element(one: Any, timezone: ZoneInfo) -> Element | NotUnderstood:
    if not isinstance(one, dict):
        return NotUnderstood("an element is no JSON object")
    kind = _text(one.get("type")).strip().upper()
    if kind not in {"INCOMING_FAX", "OUTGOING_FAX"}:
        return NotUnderstood(f"an element has the type {kind[:40]!r}")
    if not _text(one.get("id")):
        return NotUnderstood(f"an {kind} has no id")
    content = one.get("content")
    return Element(
        type=kind,
        id=_text(one.get("id"))[:128],
        account_id=_text(one.get("account_id")),
        account_name=_text(one.get("account_name")),
        cli=_text(one.get("cli")),
        cld=_text(one.get("cld")),
        status=_text(one.get("status"))[:300],
        result_message=_text(one.get("result_message"))[:300],
        requested_on=read_date(one.get("requested_on"), timezone),
        sent_on=read_date(one.get("sent_on"), timezone),
        page_count=_whole(one.get("page_count")),
        total_page_count=_whole(one.get("total_page_count")),
        tried_count=_whole(one.get("tried_count")),
        remote_station_id=_text(one.get("remote_station_id"))[:120],
        content=(content or None) if isinstance(content, str) or content is None else _NO_TEXT,
    )


def read_date(value: Any, timezone: ZoneInfo) -> Instant | None:
    """ISO 8601, ``YYYY-MM-DD HH:MM:SS`` in FaxMAX's time zone, or epoch seconds; ``None`` if it is none of them."""
    number = _number(value)
    if number is not None:
        # Epoch seconds; what is too large for that century is milliseconds.
        return int(number if number > 1e11 else number * 1000) if 0 < number < 1e14 else None
    try:
        when = datetime.fromisoformat(_text(value).strip())
        return int((when if when.tzinfo else when.replace(tzinfo=timezone)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as fault:  # UnicodeDecodeError is a ValueError
        raise NotUnderstood(f"not JSON: {type(fault).__name__}") from None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _text(value: Any) -> str:
    """What a person would read there; numbers as written, nothing for null, printable only."""
    if value is None or isinstance(value, (dict, list)):
        return ""
    return "".join(c for c in str(value) if c.isprintable())


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number == number and abs(number) != float("inf") else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and abs(number) < 2**31 else None
