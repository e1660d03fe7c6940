"""Reading a ``Fax.send_fax`` call as strictly as the API page is written, so that a mistake of ours shows here.

The page is silent on errors; these follow JSON-RPC 2.0 §5.1, and 401 for credentials that are not the account's.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hmac import compare_digest
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from fax_bridge.fax import Paper, Resolution
from fax_bridge.faxmax.sandbox_settings import SandboxSettings

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
UNAUTHORIZED = 401

_MESSAGES = {
    PARSE_ERROR: "Parse error",
    INVALID_REQUEST: "Invalid Request",
    METHOD_NOT_FOUND: "Method not found",
    INVALID_PARAMS: "Invalid params",
    UNAUTHORIZED: "Unauthorized",
}
_NUMBER = re.compile(r"[0-9]{8,15}")
_SECRETS = ("token_", "token", "password")
_MOST_PHONES = 1000

RpcId = str | int | float | None


class RpcError(Exception):
    """A refusal in the words of JSON-RPC; ``detail`` becomes its ``data`` and never holds what was sent."""

    def __init__(self, code: int, detail: str, *, rpc_id: RpcId = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.rpc_id = rpc_id

    @property
    def status(self) -> int:
        """The HTTP status: JSON-RPC errors travel with 200."""
        return 401 if self.code == UNAUTHORIZED else 200

    def body(self) -> dict[str, Any]:
        error = {"code": self.code, "message": _MESSAGES[self.code], "data": self.detail}
        return {"id": self.rpc_id, "jsonrpc": "2.0", "error": error}


@dataclass(frozen=True, slots=True)
class Recipient:
    phone: str
    api_id: str | None = None

    @property
    def is_number(self) -> bool:
        """International digits without the plus, of a length that E.164 §6 allows."""
        return _NUMBER.fullmatch(self.phone) is not None


@dataclass(frozen=True, slots=True)
class SendFax:
    """One call that is well-formed and whose sender may send; nothing is said yet of its numbers."""

    rpc_id: RpcId
    recipients: tuple[Recipient, ...]
    cli: str
    cover_html: str
    paper: Paper
    resolution: Resolution
    params: dict[str, Any]
    """The parameters as they came, but for the secrets."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class _Call(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    jsonrpc: Literal["2.0"]
    id: RpcId
    method: str
    params: Any = None


class _Credentials(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    token_: str = ""
    token: str = ""
    username: str = ""
    password: str = ""


class _Phone(_Strict):
    phone: str
    api_id: str | None = None


_Ids = str | list[str]


class _Params(_Strict):
    token_: str = ""
    token: str = ""
    username: str = ""
    password: str = ""
    cli: Annotated[str, StringConstraints(pattern=r"^[0-9]{3,15}$")] = ""
    phones: str | Annotated[list[str] | list[_Phone], Field(max_length=_MOST_PHONES)]
    phone_books: _Ids = []
    contacts: _Ids = []
    cover_html: str = ""
    paper_size: Literal["A4", "letter", "legal"] = "A4"
    resolution: Literal["normal", "fine", "superfine", "süperfine"] = "fine"


def read_call(data: str, settings: SandboxSettings) -> SendFax:
    """The call in the form's ``data`` part. Raises :class:`RpcError`."""
    call = _read_envelope(data)
    try:
        if call.method != "Fax.send_fax":
            raise RpcError(METHOD_NOT_FOUND, "this sandbox knows Fax.send_fax only")
        _check_credentials(call.params, settings)
        return _read_params(call, settings)
    except RpcError as error:
        error.rpc_id = call.id
        raise


def _read_envelope(data: str) -> _Call:
    try:
        value = json.loads(data, parse_constant=_no_constant)
        # A lone surrogate and 1e999 are legal JSON that no answer could repeat (RFC 8259 §6, §8.2).
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise RpcError(PARSE_ERROR, "the part data is not JSON") from error
    try:
        return _Call.model_validate(value)
    except ValidationError as error:
        rpc_id = value.get("id") if isinstance(value, dict) else None
        known = rpc_id if isinstance(rpc_id, str | int | float) else None
        raise RpcError(INVALID_REQUEST, _told(error), rpc_id=known) from error


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")  # RFC 8259 §6; Python's reader would take NaN and Infinity


def _check_credentials(params: object, settings: SandboxSettings) -> None:
    """The token under either of the names that the page gives it, or else username and password."""
    try:
        given = _Credentials.model_validate(params)
    except ValidationError as error:
        raise RpcError(INVALID_PARAMS, _told(error)) from error
    names = given.model_fields_set
    if names & {"token_", "token"}:
        right = _same(given.token_ or given.token, settings.token)
    elif names >= {"username", "password"}:
        right = _same(given.username, settings.username) & _same(given.password, settings.password)
    else:
        raise RpcError(INVALID_PARAMS, "token_ is missing, and so are username and password")
    if not right:
        raise RpcError(UNAUTHORIZED, "the credentials are not those of the account")


def _same(given: str, expected: str) -> bool:
    """Compared in constant time; what is not set opens nothing."""
    return bool(expected) & compare_digest(given.encode(), expected.encode())


def _read_params(call: _Call, settings: SandboxSettings) -> SendFax:
    try:
        params = _Params.model_validate(call.params)
    except ValidationError as error:
        raise RpcError(INVALID_PARAMS, _told(error)) from error
    recipients = (
        *_recipients(params.phones),
        *_from_book("phone_books", params.phone_books, settings.phone_books),
        *_from_book("contacts", params.contacts, settings.contacts),
    )
    if not recipients:
        raise RpcError(INVALID_PARAMS, "phones: there is no number to send to")
    return SendFax(
        rpc_id=call.id,
        recipients=recipients,
        cli=params.cli or (settings.numbers[0] if settings.numbers else ""),
        cover_html=params.cover_html,
        paper=Paper(params.paper_size),
        resolution=Resolution(params.resolution.replace("ü", "u")),
        params={name: value for name, value in call.params.items() if name not in _SECRETS},
    )


def _recipients(phones: str | Sequence[str] | Sequence[_Phone]) -> tuple[Recipient, ...]:
    if isinstance(phones, str):
        return (Recipient(phones),)
    return tuple(Recipient(p) if isinstance(p, str) else Recipient(p.phone, p.api_id) for p in phones)


def _from_book(name: str, ids: _Ids, book: Mapping[str, tuple[str, ...]]) -> tuple[Recipient, ...]:
    wanted = [ids] if isinstance(ids, str) else ids
    if any(one not in book for one in wanted):
        raise RpcError(INVALID_PARAMS, f"{name}: this account has {', '.join(book) or 'none'} only")
    return tuple(Recipient(number) for one in wanted for number in book[one])


def _told(error: ValidationError) -> str:
    """The first fault of each parameter, by name and without its value."""
    faults: dict[str, str] = {}
    for fault in error.errors(include_input=False, include_url=False, include_context=False):
        name = str(fault["loc"][0]) if fault["loc"] else "data"
        faults.setdefault(name[:40], fault["msg"])
    return "; ".join(f"{name}: {text}" for name, text in list(faults.items())[:5])
