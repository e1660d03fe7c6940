"""The FaxMAX sandbox over real sockets: what a client sees, what a webhook is told, and each fate of a number."""

import asyncio
import base64
import contextlib
import hashlib
import io
import json
import re
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pikepdf
import pytest
from PIL import Image

from fax_bridge.documents.worker import Documents
from fax_bridge.faxmax.sandbox import FATES, Sandbox, SandboxSettings, fate_table
from fax_bridge.faxmax.sandbox_push import Pusher

TOKEN = "t0ken-that-nobody-may-see"
PASSWORD = "passw0rd-that-nobody-may-see"
NUMBER = "902162222525"
FIELDS = [
    *("type", "id", "account_id", "account_name", "cli", "cld", "status", "requested_on", "result_message"),
    *("page_count", "total_page_count", "ecm_used", "has_t38", "remote_station_id", "fax_encoding"),
    "transfer_rate",
]
OUTGOING_FIELDS = ["sent_on", "queued_on", "tried_on", "tried_count"]
Element = dict[str, Any]


def a_pdf(pages: int = 1) -> bytes:
    out = io.BytesIO()
    with pikepdf.new() as pdf:
        for _ in range(pages):
            page = pdf.add_blank_page(page_size=(595, 842))
            page.Contents = pdf.make_stream(b"0 g 100 100 200 300 re f")
        pdf.save(out)
    return out.getvalue()


def a_tiff(pages: int) -> bytes:
    first, *rest = [Image.new("1", (1728, 1100 + n), 1) for n in range(pages)]
    out = io.BytesIO()
    first.save(out, "TIFF", compression="group4", dpi=(204, 98), save_all=True, append_images=rest)
    return out.getvalue()


PDF = a_pdf()


class Hook:
    """A webhook: takes what is pushed, and answers what it is told to."""

    def __init__(self) -> None:
        self.pushes: list[list[Element]] = []
        self.answers: list[int] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._news = asyncio.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/a-secret-path"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server:
            self._server.close()
            await self._server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"POST /hook/a-secret-path HTTP/1.1\r\n")
        assert b"application/json" in head
        length = re.search(rb"(?i)content-length: (\d+)", head)
        assert length
        body = await reader.readexactly(int(length[1]))
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            async with self._news:
                self.pushes.append(json.loads(body))
                self._news.notify_all()
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    @property
    def elements(self) -> list[Element]:
        return [element for push in self.pushes for element in push]

    def statuses(self, fax_id: str) -> list[str]:
        return [element["status"] for element in self.elements if element["id"] == fax_id]

    async def until(self, enough: Callable[[], bool], seconds: float = 15) -> None:
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(enough), seconds)

    async def ended(self, *fax_ids: str) -> None:
        """Until each fax was pushed with a final status."""
        await self.until(lambda: all({"DELIVERED", "FAILED"} & {*self.statuses(one)} for one in fax_ids))


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    hook = Hook()
    await hook.open()
    yield hook
    await hook.close()


@contextlib.asynccontextmanager
async def running(hook: Hook | None = None, **settings: Any) -> AsyncIterator[Sandbox]:
    known = {"listen": "127.0.0.1:0", "token": TOKEN, "pace": 0.01, "notify_url": hook.url if hook else ""}
    async with Documents(max_concurrent=2) as documents:
        sandbox = Sandbox(SandboxSettings(**{**known, **settings}), documents)
        await sandbox.start()
        try:
            yield sandbox
        finally:
            await sandbox.stop()


@pytest.fixture
async def sandbox(hook: Hook) -> AsyncIterator[Sandbox]:
    async with running(hook, numbers=(NUMBER,), username="ayse", password=PASSWORD) as sandbox:
        yield sandbox


def client(patience: float = 20) -> httpx.AsyncClient:
    # Nothing here speaks TLS: an empty context spares each client 20 ms of reading authorities.
    return httpx.AsyncClient(trust_env=False, timeout=patience, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def call(**params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": "a39f", "method": "Fax.send_fax", "params": {"token_": TOKEN, **params}}


async def post(sandbox: Sandbox, data: object, files: Any = None, patience: float = 20) -> httpx.Response:
    text = data if isinstance(data, str) else json.dumps(data)
    files = [("fax_file", ("belge ş.pdf", PDF))] if files is None else files
    async with client(patience) as http:
        return await http.post(sandbox.url, data={"data": text}, files=files)


async def send(sandbox: Sandbox, phones: Any, document: bytes = PDF, **params: Any) -> Any:
    """What the answer's ``data`` says."""
    response = await post(sandbox, call(phones=phones, **params), [("fax_file", ("f.pdf", document))])
    assert response.status_code == 200
    return response.json()["result"]["message"]["data"]


async def send_one(sandbox: Sandbox, phone: str, document: bytes = PDF, **params: Any) -> str:
    fax_id: str = (await send(sandbox, phone, document, **params))["phones"][0]["fax_id"]
    return fax_id


async def get(sandbox: Sandbox, path: str) -> httpx.Response:
    async with client() as http:
        return await http.get(httpx.URL(sandbox.url).join(path))


async def faxes(sandbox: Sandbox) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await get(sandbox, "/sandbox/faxes")).json()
    return found


async def receive(sandbox: Sandbox, document: bytes, **fields: str) -> str:
    """A fax to the account; its id."""
    fields = {"cli": "902125550001", "cld": NUMBER, **fields}
    async with client() as http:
        url = httpx.URL(sandbox.url).join("/sandbox/incoming")
        response = await http.post(url, data=fields, files={"file": ("fax", document)})
    answer: dict[str, str] = response.json()
    assert list(answer) == ["fax_id"]
    return answer["fax_id"]


async def tried(sandbox: Sandbox) -> bool:
    """Whether anything was pushed, taken or not."""
    return bool((await get(sandbox, "/sandbox/pushes")).json())


async def delivered(sandbox: Sandbox, fax_id: str) -> bool:
    return any((fax["fax_id"], fax["status"]) == (fax_id, "DELIVERED") for fax in await faxes(sandbox))


async def eventually(look: Callable[[], Awaitable[bool]]) -> None:
    """Look until it is so, for ten seconds at most."""
    for _ in range(500):
        if await look():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to be")


def tiff_pages(data: bytes) -> list[tuple[tuple[int, int], tuple[float, float], str]]:
    """Pixels, dots per inch and compression of each page."""
    with Image.open(io.BytesIO(data)) as image:
        pages = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            x, y = image.info["dpi"]
            pages.append((image.size, (round(x), round(y)), str(image.info["compression"])))
        return pages


async def test_a_fax_is_answered_and_pushed_as_the_api_page_shows(sandbox: Sandbox, hook: Hook) -> None:
    """The answer has exactly the page's shape, the pushes exactly its fields, and the faxes can be looked at."""
    cover = "<html><body><h1>Kapak: ğüşıöç</h1></body></html>"
    phones = [{"phone": "902125550000", "api_id": "1234"}]
    response = await post(sandbox, call(phones=phones, cover_html=cover, cli="902120000000"))
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    data = answer["result"]["message"]["data"]
    fax_id = data["phones"][0]["fax_id"]
    assert answer == {"id": "a39f", "jsonrpc": "2.0", "result": {"message": {"data": data}}}
    assert data == {
        "count": 1,
        "phones": [{"api_id": "1234", "fax_id": fax_id}],
        "rejected": [],
        "request_id": data["request_id"],
    }
    await hook.ended(fax_id)
    assert all(list(element) == FIELDS + OUTGOING_FIELDS for element in hook.elements)
    assert hook.statuses(fax_id) == ["QUEUED", "SENDING", "DELIVERED"]
    queued, sending, delivered = hook.elements
    assert [e["tried_count"] for e in hook.elements] == [0, 1, 1]
    assert (queued["sent_on"], queued["tried_on"], sending["sent_on"]) == (None, None, None)
    assert (delivered["cli"], delivered["cld"]) == ("902120000000", "902125550000")
    assert (delivered["type"], delivered["account_name"]) == ("OUTGOING_FAX", "sandbox")
    assert (delivered["page_count"], delivered["total_page_count"]) == (2, 2)
    for date in ("requested_on", "queued_on", "tried_on", "sent_on"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", delivered[date])

    [shown] = await faxes(sandbox)
    assert (shown["fax_id"], shown["api_id"], shown["phone"]) == (fax_id, "1234", "902125550000")
    assert (shown["cover_html"], shown["status"]) == (cover, "DELIVERED")
    assert shown["params"] == {"phones": phones, "cover_html": cover, "cli": "902120000000"}
    assert shown["fax_file"]["name"] == "belge ş.pdf"
    assert shown["fax_file"]["sha256"] == hashlib.sha256(PDF).hexdigest()
    assert (await get(sandbox, shown["fax_file"]["url"])).content == PDF
    assert (await get(sandbox, f"/sandbox/faxes/{fax_id}/cover.html")).text == cover
    pages = await get(sandbox, shown["pages_url"])
    assert [page[0][0] for page in tiff_pages(pages.content)] == [1728, 1728]


@pytest.mark.parametrize(
    ("paper", "resolution", "dpi", "inches"),
    [("A4", "normal", (204, 98), 11.69), ("letter", "süperfine", (204, 391), 11), ("legal", "fine", (204, 196), 14)],
)
async def test_a_fax_is_rendered_at_the_paper_and_resolution_that_were_asked_for(
    sandbox: Sandbox, paper: str, resolution: str, dpi: tuple[int, int], inches: float
) -> None:
    """1728 dots a line as on a fax machine, and the page as long as its paper."""
    fax_id = await send_one(sandbox, "902125550000", paper_size=paper, resolution=resolution)
    response = await get(sandbox, f"/sandbox/faxes/{fax_id}/pages.tif")
    [(size, found, compression)] = tiff_pages(response.content)
    assert (size[0], found, compression) == (1728, dpi, "group4")
    assert size[1] / dpi[1] == pytest.approx(inches, abs=0.1)


@pytest.mark.parametrize(("kind", "pages"), [("TIFF", 2), ("JPEG", 1), ("PNG", 1)])
async def test_the_document_is_known_by_its_content(sandbox: Sandbox, hook: Hook, kind: str, pages: int) -> None:
    """A picture is faxed like a PDF, whatever its file is called."""
    picture = io.BytesIO()
    Image.new("L", (400, 300), 0).save(picture, kind)
    fax_id = await send_one(sandbox, "902125550000", a_tiff(2) if kind == "TIFF" else picture.getvalue())
    await hook.ended(fax_id)
    assert (hook.elements[-1]["status"], hook.elements[-1]["page_count"]) == ("DELIVERED", pages)


async def test_numbers_are_taken_in_all_three_forms_of_the_page(sandbox: Sandbox) -> None:
    """A string, a list of strings, a list of objects; only the objects bring an ``api_id`` back."""
    assert (await send(sandbox, "902125550000"))["count"] == 1
    two = await send(sandbox, ["902125550000", "902125550100"])
    assert [phone["api_id"] for phone in two["phones"]] == [None, None]
    some = await send(sandbox, [{"phone": "902125550000", "api_id": "a"}, {"phone": "902125550100"}])
    assert [phone["api_id"] for phone in some["phones"]] == ["a", None]
    assert len({phone["fax_id"] for phone in two["phones"] + some["phones"]}) == 4


async def test_phone_books_and_contacts_add_faxes_without_an_api_id(sandbox: Sandbox) -> None:
    """The account's book "1" has two numbers, of which each is a contact."""
    data = await send(sandbox, [{"phone": "902125550000", "api_id": "a"}], phone_books="1", contacts=["2"])
    assert [phone["api_id"] for phone in data["phones"]] == ["a", None, None, None]
    phones = [fax["phone"] for fax in await faxes(sandbox)]
    assert phones == ["902125550000", "902162220101", "902162220102", "902162220102"]


async def test_a_number_that_is_none_is_rejected_and_costs_no_other(sandbox: Sandbox) -> None:
    """``rejected`` holds what is not 8 to 15 digits and what ends in 0005; the rest goes out."""
    wrong = ["+902125550000", "1234567", "1234567890123456", "", "902125550005"]
    phones = [{"phone": phone, "api_id": str(n)} for n, phone in enumerate([*wrong, "902125550000"])]
    data = await send(sandbox, phones)
    assert [(entry["phone"], entry["api_id"]) for entry in data["rejected"]] == [
        (phone, str(n)) for n, phone in enumerate(wrong)
    ]
    assert all(entry["reason"] for entry in data["rejected"])
    assert (data["count"], [phone["api_id"] for phone in data["phones"]]) == (1, ["5"])
    none = await send(sandbox, "12")
    assert (none["count"], none["phones"], len(none["rejected"])) == (0, [], 1)


async def test_each_way_to_prove_who_one_is_opens_the_account(sandbox: Sandbox) -> None:
    """``token_`` as in the page's example, ``token`` as in its table, or username and password."""
    ways: list[dict[str, str]] = [{"token_": TOKEN}, {"token": TOKEN}, {"username": "ayse", "password": PASSWORD}]
    for way in ways:
        response = await post(sandbox, {**call(), "params": {"phones": "902125550000", **way}})
        assert response.json()["result"]["message"]["data"]["count"] == 1
    for text in [(await get(sandbox, "/sandbox/faxes")).text, (await get(sandbox, "/sandbox/pushes")).text]:
        assert TOKEN not in text
        assert PASSWORD not in text
        assert "a-secret-path" not in text


WRONG_CREDENTIALS = [
    {"token_": "wrong"},
    {"token_": ""},
    {"token_": "ğ"},
    {"username": "ayse", "password": "wrong"},
    {"username": "", "password": ""},
    {"token": "wrong", "username": "ayse", "password": PASSWORD},
]


async def test_wrong_credentials_get_401_and_a_json_rpc_error(sandbox: Sandbox) -> None:
    """Nothing is kept, and what was given is not said back."""
    for wrong in WRONG_CREDENTIALS:
        response = await post(sandbox, {**call(), "params": {"phones": "902125550000", **wrong}})
        assert (response.status_code, response.json()["error"]["code"]) == (401, 401)
        assert response.json()["id"] == "a39f"
        assert PASSWORD not in response.text
    assert await faxes(sandbox) == []


FAX = ("fax_file", ("f.pdf", PDF))
OK = {"phones": "902125550000"}
REFUSALS: list[tuple[int, object, Any]] = [
    (-32700, "{", [FAX]),
    (-32700, '{"jsonrpc": NaN}', [FAX]),
    (-32700, '{"jsonrpc": "2.0", "id": 1e999}', [FAX]),
    (-32700, "[" * 100_000, [FAX]),
    (-32700, json.dumps(call(**OK, cover_html="\ud800")), [FAX]),
    (-32600, [call(**OK)], [FAX]),
    (-32600, {**call(**OK), "jsonrpc": "1.0"}, [FAX]),
    (-32600, {**call(**OK), "id": True}, [FAX]),
    (-32600, {**call(**OK), "method": None}, [FAX]),
    (-32600, {name: value for name, value in call(**OK).items() if name != "id"}, [FAX]),
    (-32600, call(**OK), [FAX, ("stranger", ("s.pdf", PDF))]),
    (-32601, {**call(**OK), "method": "Fax.cancel_fax"}, [FAX]),
    (-32602, {**call(**OK), "params": [TOKEN]}, [FAX]),
    (-32602, {**call(**OK), "params": OK}, [FAX]),
    (-32602, {**call(**OK), "params": {**OK, "token_": 7}}, [FAX]),
    (-32602, call(), [FAX]),
    (-32602, call(phones=[]), [FAX]),
    (-32602, call(phones=902125550000), [FAX]),
    (-32602, call(phones=["902125550000", {"phone": "902125550000"}]), [FAX]),
    (-32602, call(phones=[{"phone": "902125550000", "api_id": 7}]), [FAX]),
    (-32602, call(phones=[{"api_id": "7"}]), [FAX]),
    (-32602, call(phones=[{"phone": "902125550000", "name": "x"}]), [FAX]),
    (-32602, call(**OK, phone_books="9"), [FAX]),
    (-32602, call(**OK, contacts=1), [FAX]),
    (-32602, call(**OK, cover_html=None), [FAX]),
    (-32602, call(**OK, paper_size="a4"), [FAX]),
    (-32602, call(**OK, resolution="best"), [FAX]),
    (-32602, call(**OK, cli="+902125550000"), [FAX]),
    (-32602, call(**OK, colour="blue"), [FAX]),
    (-32602, call(**OK), [("fax_file", (None, "no file"))]),
    (-32602, call(**OK), [FAX, FAX]),
    (-32602, call(**OK), [("fax_file", ("f.pdf", b""))]),
    (-32602, call(**OK), [("fax_file", ("f.pdf", b"GIF89a and so on"))]),
    (-32602, call(phones="902125550006"), [FAX]),
]


async def test_what_the_page_does_not_allow_is_refused_in_the_words_of_json_rpc(sandbox: Sandbox) -> None:
    """HTTP 200 and the error of JSON-RPC 2.0 §5.1 that fits; nothing is kept and nothing is pushed."""
    for code, data, files in REFUSALS:
        response = await post(sandbox, data, files)
        answer = response.json()
        assert (response.status_code, answer["error"]["code"]) == (200, code), (data, answer)
        assert answer["jsonrpc"] == "2.0"
        assert TOKEN not in response.text
    assert await faxes(sandbox) == []


async def test_a_request_that_is_no_form_is_refused(sandbox: Sandbox) -> None:
    """So are a form without ``data``, one that breaks off, and a method other than POST."""
    broken = {"Content-Type": "multipart/form-data"}
    async with client() as http:
        as_json = await http.post(sandbox.url, json=call(**OK))
        no_data = await http.post(sandbox.url, files=[FAX])
        no_form = await http.post(sandbox.url, content=b"--x", headers=broken)
        got = await http.get(sandbox.url)
    assert [answer.json()["error"]["code"] for answer in (as_json, no_data, no_form)] == [-32600] * 3
    assert got.status_code == 405


async def test_a_body_above_the_limit_gets_413(hook: Hook) -> None:
    """By its announced length at once, before a byte of it is sent; without one, when it has grown too long."""

    async def endless() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="data"\r\n\r\n'
        for _ in range(200):
            yield b"x" * 1000

    form = {"Content-Type": "multipart/form-data; boundary=x"}
    async with running(hook, body_limit=100_000) as sandbox:
        reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
        head = "POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: {}\r\nContent-Length: 100001\r\n\r\n"
        writer.write(head.format(form["Content-Type"]).encode())
        assert (await asyncio.wait_for(reader.readline(), 10)).split()[1] == b"413"
        writer.close()
        await writer.wait_closed()
        async with client() as http:
            response = await http.post(sandbox.url, content=endless(), headers=form)
        assert response.status_code == 413


async def test_a_fax_that_fails_says_so_after_interim_statuses(sandbox: Sandbox, hook: Hook) -> None:
    """0001 to 0004; the two that a second call can help are tried twice, and say their result in between."""
    data = await send(sandbox, [f"90212555000{n}" for n in range(1, 5)], a_pdf(3))
    ids = [phone["fax_id"] for phone in data["phones"]]
    await hook.ended(*ids)
    twice = ["QUEUED", "SENDING", "QUEUED", "SENDING", "FAILED"]
    once = ["QUEUED", "SENDING", "FAILED"]
    assert [hook.statuses(fax_id) for fax_id in ids] == [twice, twice, once, once]
    last = [[e for e in hook.elements if e["id"] == fax_id][-1] for fax_id in ids]
    assert [e["result_message"] for e in last] == ["BUSY", "NO_ANSWER", "PARTIAL", "NOT_A_FAX"]
    assert [(e["page_count"], e["total_page_count"]) for e in last] == [(0, 3), (0, 3), (2, 3), (0, 3)]
    assert [(e["tried_count"], e["sent_on"]) for e in last] == [(2, None), (2, None), (1, None), (1, None)]
    assert {fax["status"] for fax in await faxes(sandbox)} == {"FAILED"}


async def test_a_document_that_cannot_be_rendered_fails_later(sandbox: Sandbox, hook: Hook) -> None:
    """It is taken, since it looks like a PDF; the push tells that it could not be read."""
    fax_id = await send_one(sandbox, "902125550000", b"%PDF-1.7 and then nothing")
    await hook.ended(fax_id)
    assert hook.statuses(fax_id) == ["QUEUED", "FAILED"]
    assert hook.elements[-1]["result_message"] == "Belge okunamadı (DOCUMENT)"
    assert (await get(sandbox, f"/sandbox/faxes/{fax_id}/pages.tif")).status_code == 404


async def test_an_error_before_the_fax_is_read_leaves_nothing(sandbox: Sandbox) -> None:
    """0007 and 0014 refuse the whole request, its other numbers too."""
    broken = await post(sandbox, call(phones=["902125550000", "902125550007"]))
    assert (broken.status_code, broken.headers["content-type"][:9]) == (500, "text/html")
    unauthorized = await post(sandbox, call(phones=["902125550000", "902125550014"]))
    assert (unauthorized.status_code, unauthorized.json()["error"]["code"]) == (401, 401)
    assert await faxes(sandbox) == []


async def test_an_error_after_the_fax_is_read_delivers_nothing(sandbox: Sandbox, hook: Hook) -> None:
    """0008: the sandbox has the fax and shows it; it never goes out, and no push tells of it."""
    assert (await post(sandbox, call(phones="902125550008"))).status_code == 500
    fax_id = await send_one(sandbox, "902125550000")
    await hook.ended(fax_id)
    lost, delivered = await faxes(sandbox)
    assert (lost["phone"], lost["status"], delivered["status"]) == ("902125550008", "LOST", "DELIVERED")
    assert {element["id"] for element in hook.elements} == {fax_id}
    assert (await get(sandbox, lost["pages_url"])).status_code == 404


async def test_a_stalled_request_delivers_once_its_client_has_gone(sandbox: Sandbox, hook: Hook) -> None:
    """0009: no answer, nothing pushed while the client waits, and the fax is delivered after it gave up."""
    with pytest.raises(httpx.ReadTimeout):
        await post(sandbox, call(phones="902125550009"), patience=0.3)
    [fax] = await faxes(sandbox)
    await hook.ended(fax["fax_id"])
    assert hook.statuses(fax["fax_id"]) == ["QUEUED", "SENDING", "DELIVERED"]


async def test_pushes_can_come_twice_or_in_disorder(sandbox: Sandbox, hook: Hook) -> None:
    """0010 sends each one twice; 0012 sends the final one first, and the interim ones as they were."""
    data = await send(sandbox, ["902125550010", "902125550012"])
    twice, disorder = [phone["fax_id"] for phone in data["phones"]]
    await hook.until(lambda: len(hook.pushes) == 9)
    assert hook.statuses(twice) == ["QUEUED", "QUEUED", "SENDING", "SENDING", "DELIVERED", "DELIVERED"]
    assert hook.statuses(disorder) == ["DELIVERED", "QUEUED", "SENDING"]


async def test_pushes_can_come_before_the_answer(sandbox: Sandbox, hook: Hook) -> None:
    """0011: when the client reads the fax id, the webhook has heard all of its life."""
    fax_id = await send_one(sandbox, "902125550011")
    assert hook.statuses(fax_id) == ["QUEUED", "SENDING", "DELIVERED"]


async def test_a_fax_can_be_delivered_in_silence(sandbox: Sandbox, hook: Hook) -> None:
    """0013: the fax goes out, and nothing is ever pushed; the other number of the request is not touched by it."""
    data = await send(sandbox, ["902125550013", "902125550000"])
    silent, told = [phone["fax_id"] for phone in data["phones"]]
    await hook.ended(told)
    await eventually(lambda: delivered(sandbox, silent))
    assert hook.statuses(silent) == []


async def test_an_unavailable_service_lets_in_who_comes_a_third_time(sandbox: Sandbox) -> None:
    """0015: 503 with ``Retry-After: 1`` twice for each number and ``api_id``, and nothing is kept of it."""
    first = call(phones=[{"phone": "902125550015", "api_id": "1"}])
    other = call(phones=[{"phone": "902125550015", "api_id": "2"}])
    both = call(phones=first["params"]["phones"] + other["params"]["phones"])
    requests = (first, first, other, first, other, other, first, both, both, both)
    answers = [await post(sandbox, data) for data in requests]
    assert [answer.status_code for answer in answers] == [503, 503, 503, 200, 503, 200, 503, 503, 503, 200]
    assert {a.headers["retry-after"] for a in answers if a.status_code == 503} == {"1"}
    assert [fax["api_id"] for fax in await faxes(sandbox)] == ["1", "2", "1", "2"]


async def test_a_push_that_is_not_taken_comes_again_in_order(sandbox: Sandbox, hook: Hook) -> None:
    """A hook that is away, or answers anything from 300 up, hears everything later, once and in order."""
    await hook.close()
    hook.answers = [302]
    fax_id = await send_one(sandbox, "902125550000")
    await eventually(lambda: tried(sandbox))
    await hook.open()
    await hook.ended(fax_id)
    assert hook.statuses(fax_id) == ["QUEUED", "SENDING", "DELIVERED"]
    pushes = (await get(sandbox, "/sandbox/pushes")).json()
    assert [(p["attempt"], p["answer"], p["elements"][0]["status"]) for p in pushes][:4] == [
        (1, None, "QUEUED"),
        (2, 302, "QUEUED"),
        (3, 200, "QUEUED"),
        (1, 200, "SENDING"),
    ]
    assert pushes[0]["fault"] == "ConnectError"


async def test_a_push_that_is_not_taken_holds_up_no_other_fax(sandbox: Sandbox, hook: Hook) -> None:
    """While one fax waits for its second try, the next one's push goes through."""
    hook.answers = [503]
    first = await receive(sandbox, a_tiff(1))
    await eventually(lambda: tried(sandbox))
    second = await receive(sandbox, a_tiff(1))
    await hook.until(lambda: len(hook.elements) == 2)
    assert [element["id"] for element in hook.elements] == [second, first]


async def test_what_piles_up_for_a_dead_hook_is_bounded() -> None:
    """Above two thousand waiting pushes the oldest fax's are given up, and the journal says so."""
    pusher = Pusher("http://127.0.0.1:9/")
    for number in range(2001):
        pusher.put(str(number), {"id": str(number)})
    assert [(push.fax_id, push.fault) for push in pusher.journal] == [("0", "given up: too much is waiting")]
    await pusher.stop()


async def test_nothing_is_pushed_until_there_is_a_url(hook: Hook) -> None:
    """The URL can be set after the start, when the webhook's port is known; what came before it is not pushed."""
    async with running() as sandbox:
        before = await send_one(sandbox, "902125550000")
        await eventually(lambda: delivered(sandbox, before))
        [push, *_] = (await get(sandbox, "/sandbox/pushes")).json()
        assert (push["fax_id"], push["answer"], push["fault"]) == (before, None, "no notification URL is set")
        sandbox.notify_url = hook.url
        after = await send_one(sandbox, "902125550000")
        await hook.ended(after)
        assert {element["id"] for element in hook.elements} == {after}


async def test_a_fax_to_a_number_of_the_account_comes_back_as_an_incoming_one(sandbox: Sandbox, hook: Hook) -> None:
    """Its content is the pages that were sent, its caller the number that was shown."""
    fax_id = await send_one(sandbox, NUMBER, cli="902120000000")
    await hook.until(lambda: any(e["type"] == "INCOMING_FAX" for e in hook.elements))
    [incoming] = [e for e in hook.elements if e["type"] == "INCOMING_FAX"]
    assert list(incoming) == [*FIELDS, "content"]
    assert incoming["id"] != fax_id
    assert (incoming["cli"], incoming["cld"], incoming["page_count"]) == ("902120000000", NUMBER, 1)
    pages = await get(sandbox, f"/sandbox/faxes/{fax_id}/pages.tif")
    assert base64.b64decode(incoming["content"], validate=True) == pages.content


async def test_a_fax_to_the_account_can_be_made_from_a_tiff_or_a_pdf(sandbox: Sandbox, hook: Hook) -> None:
    """A TIFF arrives byte for byte, a PDF as the fine pages that a fax machine would send."""
    tiff = a_tiff(3)
    ids = [await receive(sandbox, document, remote_station_id="AYŞE LTD") for document in (tiff, a_pdf(2))]
    await hook.until(lambda: len(hook.elements) == 2)
    received = {element["id"]: element for element in hook.elements}
    as_tiff, as_pdf = (received[fax_id] for fax_id in ids)
    assert (as_tiff["page_count"], as_pdf["page_count"], as_tiff["cli"]) == (3, 2, "902125550001")
    assert (as_tiff["type"], as_tiff["remote_station_id"]) == ("INCOMING_FAX", "AYŞE LTD")
    assert base64.b64decode(as_tiff["content"]) == tiff
    rendered = tiff_pages(base64.b64decode(as_pdf["content"]))
    assert [(size[0], dpi, how) for size, dpi, how in rendered] == [(1728, (204, 196), "group4")] * 2
    journal = (await get(sandbox, "/sandbox/pushes")).json()
    assert all(re.fullmatch(r"<\d+ characters>", push["elements"][0]["content"]) for push in journal)


async def test_an_incoming_fax_needs_a_number_and_a_document(sandbox: Sandbox, hook: Hook) -> None:
    """What cannot be a fax is refused with the reason, and nothing is pushed."""
    good = {"cli": "902125550001", "cld": NUMBER}
    cases: list[tuple[dict[str, str], Any]] = [
        (good, {"file": ("f", b"GIF89a")}),
        (good, {"file": ("f", b"%PDF-1.7 and then nothing")}),
        (good, {"file": (None, "not a file")}),
        ({"cli": "902125550001"}, {"file": ("f", a_tiff(1))}),
    ]
    async with client() as http:
        for fields, files in cases:
            response = await http.post(httpx.URL(sandbox.url).join("/sandbox/incoming"), data=fields, files=files)
            assert response.status_code == 400
            assert response.text
    assert hook.pushes == []


async def test_the_oldest_faxes_are_forgotten(hook: Hook) -> None:
    """By number and by bytes; what is forgotten has no pages any more, and what is kept lives on."""
    async with running(hook, kept_faxes=2) as sandbox:
        ids = [await send_one(sandbox, "902125550000") for _ in range(3)]
        assert [fax["fax_id"] for fax in await faxes(sandbox)] == ids[1:]
        assert (await get(sandbox, f"/sandbox/faxes/{ids[0]}/file")).status_code == 404
        await hook.ended(*ids[1:])
    async with running(kept_bytes=len(PDF)) as sandbox:
        ids = [await send_one(sandbox, "902125550000") for _ in range(3)]
        assert [fax["fax_id"] for fax in await faxes(sandbox)] == ids[2:]


async def test_it_stops_while_a_client_stalls_and_starts_again(sandbox: Sandbox) -> None:
    """A stalled client gets 503 at once; the faxes are still there after a second start."""
    stalled = asyncio.create_task(post(sandbox, call(phones="902125550009")))

    async def taken_in() -> bool:
        return bool(await faxes(sandbox))

    await eventually(taken_in)
    await asyncio.wait_for(sandbox.stop(), 5)
    assert (await stalled).status_code == 503
    await sandbox.start()
    assert [fax["phone"] for fax in await faxes(sandbox)] == ["902125550009"]


async def test_it_serves_until_cancelled_and_leaves_the_signals_alone() -> None:
    """The program has one owner of its signals, and that is not the sandbox; the port is free afterwards."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    sandbox = Sandbox(SandboxSettings(listen="127.0.0.1:0"), Documents())
    serving = asyncio.create_task(sandbox.serve())

    async def listening() -> bool:
        return sandbox.port != 0

    await eventually(listening)
    assert (await get(sandbox, "/sandbox/faxes")).json() == []
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    with socket.create_server(("127.0.0.1", sandbox.port)):
        pass


async def test_an_address_that_is_none_is_refused_with_a_sentence() -> None:
    """So is one that is taken, by the system's own error."""
    for listen in ("8090", "127.0.0.1:", ":8090", "127.0.0.1:x", "127.0.0.1:65536"):
        with pytest.raises(ValueError, match="HOST:PORT"):
            await Sandbox(SandboxSettings(listen=listen), Documents()).start()
    assert SandboxSettings(listen="[::1]:8090").address == ("::1", 8090)
    async with running() as sandbox:
        with pytest.raises(OSError, match="in use"):
            await Sandbox(SandboxSettings(listen=f"127.0.0.1:{sandbox.port}"), Documents()).start()


async def test_the_sandbox_explains_itself(sandbox: Sandbox) -> None:
    """The front page and the command line's help show the same table, with each fate in it."""
    table = fate_table()
    page = await get(sandbox, "/sandbox/")
    assert page.status_code == 200
    assert table in page.text
    assert all(fate.digits in table and fate.tells in table for fate in FATES)
    assert max(map(len, table.splitlines())) <= 90
    assert len(FATES) == 16


def test_the_settings_do_not_show_what_is_secret() -> None:
    """Neither the token nor the password nor the webhook's path can reach a log by way of ``repr``."""
    settings = SandboxSettings(token=TOKEN, password=PASSWORD, notify_url="http://h/a-secret-path")
    assert not re.search(f"{TOKEN}|{PASSWORD}|a-secret-path", repr(settings))
