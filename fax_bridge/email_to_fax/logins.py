"""Is this the user's password? Asked off the event loop, a few at a time, and so that guessing neither pays nor hurts.

Nobody is ever locked out: a lock would be a gift to whoever wants to keep others from sending. Instead guesses wait.
Each failure lets the next attempt from that address, and the next one for that user, wait longer, up to
``LONGEST_WAIT``; who has logged in from an address before does not wait there, is checked before all strangers, and
with the same password is known for a while without a check. Where more strangers wait than there is room for, further
ones hear 454 and may come again.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from fax_bridge.networks import NOWHERE
from fax_bridge.settings import User

AT_ONCE = 2
"""Passwords that are checked at the same time; each takes a core for some 50 ms, and 64 MiB."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0
"""Seconds before an attempt after one failure, doubled with each further one."""
FORGOTTEN_AFTER = 900.0
"""Seconds after which a failure counts no more."""
MOST_STRANGERS = 64
"""Attempts that may wait in all, and"""
MOST_OF_ONE = 4
"""of one address at the same time."""
KNOWN_FOR = 3600.0
"""Seconds after a check in which the same password from the same address is not checked again."""
REMEMBERED = 10_000
"""Addresses, and users, that are kept count of; the longest unheard of go first."""


class Login(Enum):
    GOOD = "good"
    WRONG = "wrong"
    BUSY = "busy"


@dataclass(slots=True)
class _Failures:
    count: int
    at: float


@dataclass(frozen=True, slots=True)
class _Seen:
    digest: bytes
    at: float


class _Count:
    """Failures by key, in bounded memory."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Failures] = OrderedDict()

    def wait(self, key: str) -> float:
        """Seconds that the next attempt has to wait."""
        found = self._kept.get(key)
        if found is None or time.monotonic() - found.at > FORGOTTEN_AFTER:
            return 0.0
        return float(min(FIRST_WAIT * 2 ** min(found.count - 1, 10), LONGEST_WAIT))

    def failed(self, key: str) -> None:
        before = self._kept.pop(key, None)
        recent = before.count if before and time.monotonic() - before.at <= FORGOTTEN_AFTER else 0
        self._kept[key] = _Failures(recent + 1, time.monotonic())
        if len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)

    def forget(self, key: str) -> None:
        self._kept.pop(key, None)


class Logins:
    """All users of one daemon."""

    def __init__(self, users: tuple[User, ...]) -> None:
        self._hashes = {user.name.lower(): user.password_hash.get_secret_value() for user in users}
        # For a user that is none the same work is done, so that the time does not tell who is one.
        self._any_hash = next(iter(self._hashes.values()))
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="password")
        self._strangers_slots = asyncio.Semaphore(AT_ONCE - 1)  # one is always left for those who are known
        self._by_address, self._by_user = _Count(), _Count()
        self._known: OrderedDict[tuple[str, str], _Seen] = OrderedDict()
        """Who has logged in from where."""
        self._key = secrets.token_bytes(32)
        """Of this run: what is kept of passwords is of no use without it."""
        self._waiting: dict[str, int] = {}

    async def check(self, user: str, password: str, client: str) -> Login:
        """``client`` is the address that is kept count of. Returns after its wait, if it has one."""
        name, address = user.lower(), _place(client)
        if seen := self._known.get((name, address)):
            fresh = time.monotonic() - seen.at < KNOWN_FOR
            if fresh and hmac.compare_digest(seen.digest, self._digest(name, password)):
                return Login.GOOD
            return await self._verdict(name, password, address)
        if self._waiting.get(address, 0) >= MOST_OF_ONE or sum(self._waiting.values()) >= MOST_STRANGERS:
            return Login.BUSY
        self._waiting[address] = self._waiting.get(address, 0) + 1
        try:
            await asyncio.sleep(max(self._by_address.wait(address), self._by_user.wait(name)))
            async with self._strangers_slots:
                return await self._verdict(name, password, address)
        finally:
            self._waiting[address] -= 1
            if not self._waiting[address]:
                del self._waiting[address]

    async def _verdict(self, name: str, password: str, address: str) -> Login:
        expected = self._hashes.get(name)
        work = asyncio.get_running_loop().run_in_executor(self._threads, _fits, expected or self._any_hash, password)
        good = await work and expected is not None
        if good:
            self._by_address.forget(address)
            self._known[name, address] = _Seen(self._digest(name, password), time.monotonic())
            self._known.move_to_end((name, address))
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
            return Login.GOOD
        self._by_address.failed(address)
        self._by_user.failed(name)
        # It may be somebody else behind the same address, who from here on waits as a stranger does.
        self._known.pop((name, address), None)
        return Login.WRONG

    def _digest(self, name: str, password: str) -> bytes:
        return hashlib.blake2b(f"{name}\0{password}".encode(), key=self._key, digest_size=32).digest()

    def is_user(self, name: str) -> bool:
        return name.lower() in self._hashes

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def hash_of(password: str) -> str:
    """What ``[[users]] password_hash`` takes (Argon2id, RFC 9106)."""
    return PasswordHasher().hash(password)


def _fits(expected: str, password: str) -> bool:
    try:
        return PasswordHasher().verify(expected, password)
    except (VerificationError, InvalidHashError):
        return False


def _place(client: str) -> str:
    """Whom a failure is counted for: an address, or its /64, of which one client has 2⁶⁴."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return NOWHERE
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
