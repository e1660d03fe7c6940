"""The webhook over real sockets: who gets 200, and what is on disk by then."""

import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import select

from fax_bridge.fax_to_email.webhook import webhook
from fax_bridge.http_listener import HttpListener
from fax_bridge.settings import Settings
from fax_bridge.store.schema import push
from fax_bridge.store.store import Store


@pytest.fixture
async def http(settings: Settings, store: Store) -> AsyncIterator[httpx.AsyncClient]:
    async def ready() -> bool:
        return True

    listener = HttpListener(webhook(settings, store, ready), "127.0.0.1", 0)
    await listener.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}", trust_env=False) as client:
        yield client
    await listener.stop()


@pytest.mark.parametrize("secret", ["first-long-random-string", "second-long-random-string"])
async def test_a_push_is_on_disk_before_its_200(http: httpx.AsyncClient, store: Store, secret: str) -> None:
    """Every secret works, so that one can be rotated; the raw body is kept, whatever it is."""
    answer = await http.post(f"/push/{secret}", content=b"\x00no json", headers={"Content-Type": "text/html"})
    assert (answer.status_code, answer.content) == (200, b"")
    async with store.read() as conn:
        row = (await conn.execute(select(push))).one()
    assert (row.body, row.state) == (b"\x00no json", "stored")


@pytest.mark.parametrize(
    "path", ["/push/wrong", "/push/", "/push", "/", "/push/first-long-random-strin", "/push/%C3%A7"]
)
async def test_a_wrong_secret_gets_a_plain_404(http: httpx.AsyncClient, store: Store, path: str) -> None:
    """No hint, and nothing is kept."""
    answer = await http.post(path, content=b"[]")
    assert answer.status_code == 404
    async with store.read() as conn:
        assert (await conn.execute(select(push))).all() == []


async def test_a_body_over_the_limit_is_refused_declared_or_not(http: httpx.AsyncClient) -> None:
    """With Content-Length before it is read, chunked as soon as it is too much."""
    assert (await http.post("/push/first-long-random-string", content=b"x" * 100_001)).status_code == 413

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 10_000

    assert (await http.post("/push/first-long-random-string", content=chunks())).status_code == 413


async def test_a_push_that_cannot_be_stored_gets_503_and_comes_again(http: httpx.AsyncClient, store: Store) -> None:
    """Only failing to store it is a 5xx."""

    async def breaks(tx: object) -> None:
        await tx.conn.exec_driver_sql("ALTER TABLE push RENAME TO gone")  # type: ignore[attr-defined]  # Tx

    await store.write(breaks)
    answer = await http.post("/push/first-long-random-string", content=b"[]")
    assert (answer.status_code, answer.content) == (503, b"")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_the_health_pages_say_nothing_but_their_status(http: httpx.AsyncClient, path: str) -> None:
    """200 with an empty body on the public port."""
    answer = await http.get(path)
    assert (answer.status_code, answer.content) == (200, b"")


@contextlib.asynccontextmanager
async def behind(settings: Settings, store: Store, **webhook_settings: object) -> AsyncIterator[httpx.AsyncClient]:
    """The webhook with other settings, spoken to from 127.0.0.1."""
    changed = settings.model_copy(
        update={"webhook": settings.webhook.model_validate({**settings.webhook.model_dump(), **webhook_settings})}
    )

    async def ready() -> bool:
        return True

    trusted = [str(network) for network in changed.webhook.trusted_proxies]
    listener = HttpListener(webhook(changed, store, ready), "127.0.0.1", 0, trusted_proxies=trusted)
    await listener.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}", trust_env=False) as client:
        yield client
    await listener.stop()


async def clients_of(store: Store) -> list[str]:
    async with store.read() as conn:
        return list((await conn.execute(select(push.c.client).order_by(push.c.id))).scalars())


PUSH = "/push/first-long-random-string"


async def test_pushes_from_elsewhere_get_the_404_of_a_wrong_secret(settings: Settings, store: Store) -> None:
    """``allow_from``: the right secret helps nobody from another network, and the answer is the same to the octet."""
    async with behind(settings, store, allow_from=["192.0.2.0/24"]) as http:
        right, wrong = await http.post(PUSH, content=b"[]"), await http.post("/push/wrong", content=b"[]")
    assert right.status_code == wrong.status_code == 404
    assert right.content == wrong.content
    assert sorted(right.headers) == sorted(wrong.headers)
    assert await clients_of(store) == []


@pytest.mark.parametrize(
    ("proxies", "forwarded", "client"),
    [
        (["127.0.0.0/8"], ["192.0.2.7"], "192.0.2.7"),
        (["127.0.0.0/8"], ["198.51.100.1, 192.0.2.7"], "192.0.2.7"),  # what the client wrote itself stands before
        (["127.0.0.0/8"], ["198.51.100.1", "192.0.2.7"], "192.0.2.7"),  # as a field of its own
        (
            ["127.0.0.0/8", "198.51.100.0/24"],
            ["192.0.2.7, 198.51.100.1"],
            "192.0.2.7",
        ),  # two proxies, one behind the other
        (["127.0.0.0/8"], [], "127.0.0.1"),
        (["127.0.0.0/8"], ["\x1b[31mnonsense"], "0.0.0.0"),  # noqa: S104 — is nobody's address
        ([], ["192.0.2.7"], "127.0.0.1"),  # a proxy that nobody named
        (["198.51.100.0/24"], ["192.0.2.7"], "127.0.0.1"),
    ],
)
async def test_only_named_proxies_tell_the_client(
    settings: Settings, store: Store, proxies: list[str], forwarded: list[str], client: str
) -> None:
    """X-Forwarded-For counts from its end, as far as the proxies are ours; anybody else's is air."""
    async with behind(settings, store, trusted_proxies=proxies) as http:
        headers = [("X-Forwarded-For", value) for value in forwarded]
        assert (await http.post(PUSH, content=b"[]", headers=headers)).status_code == 200
    assert await clients_of(store) == [client]


@pytest.mark.parametrize(
    ("forwarded", "code"),
    [
        ("192.0.2.7", 200), ("198.51.100.1", 404), ("192.0.2.7, 198.51.100.1", 404), ("unix", 404), ("nonsense", 404),
        ("", 404), ("192.0.2.7\u00e7", 404),
    ],
)  # fmt: skip
async def test_who_may_push_is_asked_of_the_client_behind_the_proxy(
    settings: Settings, store: Store, forwarded: str, code: int
) -> None:
    """Not of the proxy, and what is no address is nowhere."""
    async with behind(settings, store, trusted_proxies=["127.0.0.0/8"], allow_from=["192.0.2.0/24"]) as http:
        answer = await http.post(PUSH, content=b"[]", headers={b"X-Forwarded-For": forwarded.encode()})
    assert answer.status_code == code
