"""What a person does by a command: a line of the audit log in the transaction of the act, and one for the journal."""

import getpass
import os
import syslog
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from fax_bridge.acts import Act
from fax_bridge.numbers import shown
from fax_bridge.settings import Settings
from fax_bridge.store import audit
from fax_bridge.store.store import Store, Tx

T = TypeVar("T")


def person() -> str:
    """The account at the command; behind ``sudo`` both."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = f"uid {os.getuid()}"
    behind = os.environ.get("SUDO_USER", "")
    return f"{behind} as {user}" if behind and behind != user else user


def line_of(settings: Settings, word: Act, about: str, *, detail: str = "") -> audit.Line:
    right = f"a command on this machine, uid {os.getuid()}"
    return audit.Line(word, person(), right, about, int(settings.retention.audit * 1000), detail=detail)


async def act_with(
    store: Store,
    settings: Settings,
    word: Act,
    about: str,
    work: Callable[[Tx], Awaitable[T]],
    *,
    detail: str = "",
) -> T:
    """Do it and write its line, both or neither. The journal hears of it once it is committed."""
    line = line_of(settings, word, about, detail=detail)

    async def both(tx: Tx) -> T:
        value = await work(tx)
        await audit.record(tx, await audit.with_fax(tx, line))
        return value

    value = await store.write(both)
    told = _printable(f"audit {word} {about} by {line.who} {detail}".rstrip())
    syslog.openlog("fax-bridge", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    syslog.syslog(syslog.LOG_NOTICE, told)
    return value


async def audit_list(settings: Settings, wanted: audit.Wanted) -> list[dict[str, Any]]:
    """The newest lines first."""
    store = await Store.open(settings.store.url, exclusive=False)
    try:
        async with store.read() as conn:
            rows = await audit.listed(conn, wanted)
    finally:
        await store.close()
    zone = ZoneInfo(settings.reports.timezone)
    return [
        {
            "id": row.id, "at": datetime.fromtimestamp(row.at / 1000, zone).isoformat(timespec="milliseconds"),
            "act": row.act, "who": row.who, "by_right": row.by_right, "about": row.about, "to": row.recipients,
            "shown": [shown(number) for number in row.recipients], "sha256": row.sha256, "detail": row.detail,
        }
        for row in rows
    ]  # fmt: skip


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
