"""Passwords: the same work for every guess, guesses that wait, and honest users who do not notice."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median

import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr

from fax_bridge.email_to_fax import logins
from fax_bridge.email_to_fax.logins import Login, Logins, hash_of
from fax_bridge.email_to_fax.receive import Intake
from fax_bridge.setting_sources import load
from fax_bridge.setting_types import Listen
from fax_bridge.settings import User
from fax_bridge.store.store import Store
from tests.integration.conftest import SETTINGS

PASSWORD = "correct horse"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
REAL = hash_of(PASSWORD)
OFFICE, STRANGER = "192.0.2.1", "198.51.100.9"


@pytest.fixture
async def checked() -> AsyncIterator[Logins]:
    """Two users, whose passwords cost next to nothing to check."""
    users = tuple(User(name=name, password_hash=SecretStr(CHEAP)) for name in ("ayse", "veli"))
    found = Logins(users)
    yield found
    found.close()


async def seconds_for(attempt: "asyncio.Future[Login] | asyncio.Task[Login]") -> float:
    began = time.monotonic()
    await attempt
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("user", "password", "verdict"),
    [
        ("ayse", PASSWORD, Login.GOOD),
        ("AYSE", PASSWORD, Login.GOOD),
        ("ayse", "", Login.WRONG),
        ("ayse", PASSWORD + " ", Login.WRONG),
        ("nobody", PASSWORD, Login.WRONG),
        ("", PASSWORD, Login.WRONG),
        ("ayse", "x" * 100_000, Login.WRONG),
        ("ayse", "\0", Login.WRONG),
    ],
)
async def test_only_the_right_password_of_a_user_is_good(
    checked: Logins, user: str, password: str, verdict: Login
) -> None:
    """One who is no user has no password at all, not even another's."""
    assert await checked.check(user, password, OFFICE) is verdict


async def test_each_wrong_guess_lets_the_next_one_wait_longer(checked: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    """From that address, and for that user from anywhere; but no longer than the longest wait, and never for good."""
    monkeypatch.setattr(logins, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(logins, "LONGEST_WAIT", 0.2)

    async def guess(user: str, client: str, password: str = "guess") -> float:  # noqa: S107 — a guess
        return await seconds_for(asyncio.ensure_future(checked.check(user, password, client)))

    waits = [await guess("ayse", STRANGER) for _ in range(5)]
    assert waits[0] < 0.04
    assert 0.05 <= waits[1] < 0.1 <= waits[2] < 0.2 <= waits[3] < 0.3
    assert 0.2 <= await guess("veli", STRANGER) < 0.3  # the address
    assert 0.2 <= await guess("ayse", "198.51.100.77") < 0.3  # the user
    assert (
        0.2 <= await guess("ayse", "198.51.100.78", PASSWORD) < 0.3
    )  # the right one from elsewhere waits, and is good


async def test_one_who_logged_in_before_does_not_wait_for_the_guesses_of_others(checked: Logins) -> None:
    """Guessing at a user from elsewhere, or at others from the same address, costs that user there nothing."""
    assert await checked.check("ayse", PASSWORD, OFFICE) is Login.GOOD
    guesses = [
        asyncio.create_task(checked.check(user, "guess", client))
        for client in (OFFICE, STRANGER)
        for user in ("ayse", "veli", "nobody")
        if (user, client) != ("ayse", OFFICE)
        for _ in range(3)
    ]
    await asyncio.sleep(0.1)
    assert await seconds_for(asyncio.ensure_future(checked.check("ayse", PASSWORD, OFFICE))) < 0.2
    for guess in guesses:
        guess.cancel()
    await asyncio.gather(*guesses, return_exceptions=True)


async def test_the_same_password_is_not_checked_again_for_a_while_and_another_is(
    checked: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mail server that logs in for each mail costs one check; the memory of it neither lasts nor serves others."""
    assert await checked.check("ayse", PASSWORD, OFFICE) is Login.GOOD
    monkeypatch.setattr(logins, "_fits", lambda _hash, _password: False)  # from here on every check fails
    assert await checked.check("ayse", PASSWORD, OFFICE) is Login.GOOD
    assert await checked.check("veli", PASSWORD, OFFICE) is Login.WRONG
    assert await checked.check("ayse", PASSWORD, STRANGER) is Login.WRONG
    monkeypatch.setattr(logins, "KNOWN_FOR", 0.0)
    assert await checked.check("ayse", PASSWORD, OFFICE) is Login.WRONG


async def test_many_guesses_of_one_address_are_put_off_and_not_queued(checked: Logins) -> None:
    """Four may wait; the others hear 454 at once. The neighbours are not put off."""
    await checked.check("nobody", "guess", STRANGER)
    guesses = [asyncio.create_task(checked.check("nobody", "guess", STRANGER)) for _ in range(20)]
    await asyncio.sleep(0.05)
    assert sum(guess.done() and guess.result() is Login.BUSY for guess in guesses) == 20 - logins.MOST_OF_ONE
    assert await checked.check("ayse", PASSWORD, OFFICE) is Login.GOOD
    await asyncio.gather(*guesses)


async def test_what_is_remembered_of_guesses_is_bounded(checked: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million addresses and names do not fill the memory; the addresses of one /64 are one."""
    monkeypatch.setattr(logins, "REMEMBERED", 50)
    monkeypatch.setattr(logins, "LONGEST_WAIT", 0.0)
    for i in range(200):
        await checked.check(f"user{i}", "guess", f"10.0.{i}.1")
    assert len(checked._by_user._kept) == len(checked._by_address._kept) == 50  # noqa: SLF001 — what it keeps is the point
    await checked.check("first", "guess", "2001:db8::1")
    before = set(checked._by_address._kept)  # noqa: SLF001
    for i in range(2, 10):
        await checked.check(f"u{i}", "guess", f"2001:db8::{i}")
    assert set(checked._by_address._kept) == before  # noqa: SLF001


async def test_an_unknown_user_costs_the_same_time(tmp_path: Path) -> None:
    """Or the time would tell who is a user. Real hashes, so that the work is what is measured."""
    checked = Logins((User(name="ayse", password_hash=SecretStr(REAL)),))
    times: dict[str, list[float]] = {"ayse": [], "nobody": []}
    for i in range(7):
        for user, taken in times.items():
            at = f"10.0.{i}.{len(user)}"
            checked._by_user.forget(user)  # noqa: SLF001 — the wait for the guess before is not what is measured
            taken.append(await seconds_for(asyncio.ensure_future(checked.check(user, "guess", at))))
    checked.close()
    assert 0.4 < median(times["nobody"]) / median(times["ayse"]) < 2.5


ENTRY = """
[[senders]]
match = "ayse@login.example"
auth = ["ayse"]
[[users]]
name = "ayse"
password_hash = "{hash}"
"""


@pytest.mark.slow
async def test_two_hundred_guesses_do_not_keep_an_honest_user_waiting(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From one address and from many: she logs in and sends meanwhile, no guess gets in, and each is answered."""
    monkeypatch.setattr(logins, "LONGEST_WAIT", 1.0)  # or the attackers would take minutes
    path = tmp_path / "brute.toml"
    hash_ = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    path.write_text(SETTINGS.format(dir=tmp_path) + ENTRY.format(hash=hash_))
    intake = Intake(load(path), store)
    port = await intake.listen_smtp(Listen(host="127.0.0.1", port=0))
    assert await log_in(port, "127.0.0.1", PASSWORD) == "235"  # as on the days before
    answers: list[str] = []

    async def attack(client: str, guesses: int) -> None:
        answers.extend([await log_in(port, client, f"guess {i}") for i in range(guesses)])

    # 100 from one address, over ten connections; 100 from fifty addresses.
    attackers = [asyncio.create_task(attack("127.66.0.1", 10)) for _ in range(10)]
    attackers += [asyncio.create_task(attack(f"127.77.0.{i}", 2)) for i in range(1, 51)]
    waits = []
    for _ in range(8):
        await asyncio.sleep(0.2)
        began = time.monotonic()
        assert await log_in(port, "127.0.0.1", PASSWORD, send=True) == "250"
        waits.append(time.monotonic() - began)
    done, _ = await asyncio.wait(attackers, timeout=60)
    for attacker in attackers:
        attacker.cancel()
    await asyncio.gather(*attackers, return_exceptions=True)
    await intake.stop(grace=1)
    assert set(answers) <= {"535", "454", "421"}
    assert len(done) == 60
    assert len(answers) == 200
    assert median(waits) < 1.0
    assert max(waits) < 3.0


async def log_in(port: int, client: str, password: str, *, send: bool = False) -> str:
    """The code of the reply to AUTH; with ``send`` that of the whole mail."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(client, 0))

    async def say(line: str) -> str:
        writer.write(f"{line}\r\n".encode())
        return await reply()

    async def reply() -> str:
        while (line := await reader.readuntil(b"\r\n"))[3:4] == b"-":
            pass
        return line[:3].decode()

    try:
        await reply()
        await say("EHLO client.example")
        code = await say("AUTH PLAIN " + base64.b64encode(f"\0ayse\0{password}".encode()).decode())
        if code != "235" or not send:
            return code
        await say("MAIL FROM:<ayse@login.example>")
        await say("RCPT TO:<902163334455@fax.example.com>")
        await say("DATA")
        return await say(f"Subject: {time.monotonic()}\r\n\r\nMerhaba\r\n.")
    finally:
        writer.close()
