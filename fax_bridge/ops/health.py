"""Two questions with their reasons. *Healthy*: do our own parts live? *Ready*: would a mail that came now go its way?

Only the first is worth a restart. What the second finds (database, disk, FaxMAX, relay) is a person's to mend.
"""

from dataclasses import asdict, dataclass
from typing import Any

from fax_bridge.fax import now
from fax_bridge.ops.observer import Facts

MAIL_WAITS = 15 * 60_000
"""Milliseconds after which a waiting mail speaks of the relay rather than of greylisting."""


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    ok: bool
    reason: str = ""
    """What is wrong, for people; empty where nothing is."""


def healthy(dead: list[str]) -> list[Check]:
    return [Check("process", not dead, f"ended by itself: {', '.join(dead)}" if dead else "")]


def ready(facts: Facts, *, min_free_bytes: int) -> list[Check]:
    checks = [*healthy(list(facts.dead)), Check("database", facts.depths is not None, facts.database_fault)]
    if facts.disk_free_bytes is not None:
        room = facts.disk_free_bytes >= min_free_bytes
        words = f"{facts.disk_free_bytes} bytes are free, smtp.min_free_bytes is {min_free_bytes}: mail is put off"
        checks.append(Check("disk", room, "" if room else words))
    paused = (
        {name: f"account {name} is paused: {reason}" for name, reason in facts.depths.paused} if facts.depths else {}
    )
    out = {name: f"FaxMAX is out of reach for account {name}" for name, down in facts.outages.items() if down}
    checks.append(Check("faxmax", not (paused or out), "; ".join((out | paused).values())))
    checks.append(_relay(facts))
    return checks


def _relay(facts: Facts) -> Check:
    found = facts.depths
    if found is None or found.oldest_mail_at is None or not found.oldest_mail_error:
        return Check("relay", ok=True)
    waited = now() - found.oldest_mail_at
    fine = waited < MAIL_WAITS
    words = f"the oldest mail waits since {waited // 60_000} minutes: {found.oldest_mail_error[:300]}"
    return Check("relay", fine, "" if fine else words)


def as_json(checks: list[Check]) -> dict[str, Any]:
    return {"ok": all(check.ok for check in checks), "checks": [asdict(check) for check in checks]}
