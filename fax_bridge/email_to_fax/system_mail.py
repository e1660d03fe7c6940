"""Mail that is no fax: bounces of received faxes' mails, and what is sent to postmaster@ and abuse@ our domains.

A bounce has the null sender and an address that only its mail's envelope told (:mod:`fax_bridge.signed_tokens`): that
token is the right to be heard, wherever the bounce comes from. Postmaster has to be taken from anybody (RFC 5321
§4.5.1), so its mail is bounded in size and number, and passed on. Both are committed before their 250.
"""

import time
from collections import deque
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from hashlib import sha256

import structlog
from ulid import ULID

from fax_bridge.email_to_fax.admit import Refusal
from fax_bridge.email_to_fax.incoming import LOCAL_ERROR, TOO_LARGE, reason_of
from fax_bridge.eventlog import event
from fax_bridge.fax import now
from fax_bridge.mail.alerts import Alerts
from fax_bridge.mail.bounce import read_bounce
from fax_bridge.mail.headers import line
from fax_bridge.settings import Settings
from fax_bridge.signed_tokens import Claim, SignedTokens
from fax_bridge.store import bounces, outbox
from fax_bridge.store.bounces import CameBack
from fax_bridge.store.store import Store

log = structlog.get_logger("smtp")

BOUNCE = "bounce+"
ROLES = frozenset({"postmaster", "abuse"})
UNKNOWN = Refusal("550 5.1.1 there is no such address here")
BY_ITSELF = Refusal("452 4.5.3 a mail to such an address and a fax do not go together; send the rest in another mail")
TOO_MANY = Refusal("450 4.2.1 too much mail to this address within the hour, try again later")
LOOP = "554 5.4.6 this mail has been here before"
PASSED_ON = b"x-fax-bridge-passed-on:"
MOST_HOPS = 50
"""Received lines; RFC 5321 §6.3 asks for a limit of at least 100 in a server that relays, and this one has one way."""
BOUNCE_HEAD = 262_144
"""Bytes of a bounce that are kept: its report stands before the mail that it gives back."""


@dataclass(frozen=True, slots=True)
class SystemAddress:
    """A recipient that is no fax number. ``bounce`` is empty for a role."""

    address: str
    bounce: Claim | None = None


class Letter:
    """Such a mail while it comes in: in memory, for it is small; of a bounce the head is kept."""

    def __init__(self, keep: int, most: int) -> None:
        """``keep`` bytes are kept, up to ``most`` may come."""
        self.size = 0
        self.refusal = ""
        self._keep = keep
        self._most = most
        self._held = bytearray()

    async def add(self, data: bytes | bytearray) -> None:
        self.size += len(data)
        if self.size > self._most:
            self.refusal = TOO_LARGE.format(limit=self._most)
            self._held.clear()
        elif room := self._keep - len(self._held):
            self._held += data[:room]

    async def finish(self) -> bytes:
        return bytes(self._held)

    async def abandon(self) -> None:
        self._held.clear()


class SystemMail:
    """Asked first for every recipient."""

    def __init__(self, settings: Settings, store: Store, tokens: SignedTokens, alerts: Alerts) -> None:
        self._settings = settings
        self._store = store
        self._tokens = tokens
        self._alerts = alerts
        self._passed: deque[float] = deque(maxlen=settings.inbound.max_passed_on_per_hour)

    def recipient(self, mail_from: str, address: str) -> SystemAddress | Refusal | None:
        """``None`` for an address that is to be a fax number."""
        local, _, domain = address.rpartition("@")
        if not local:  # <postmaster> needs no domain (RFC 5321 §4.5.1)
            local, domain = domain, self._settings.smtp.domains[0]
        local, domain = local.lower(), domain.lower().rstrip(".")
        if domain not in self._settings.smtp.domains:
            return None
        if local in ROLES:
            return self._role(address)
        if not local.startswith("bounce"):
            return None
        claim = self._tokens.read("bounce", local.removeprefix(BOUNCE), now()) if local.startswith(BOUNCE) else None
        return UNKNOWN if mail_from or claim is None else SystemAddress(address, claim)

    def _role(self, address: str) -> SystemAddress | Refusal:
        """As many an hour as the settings say, counted when they are passed on."""
        oldest = self._passed[0] if len(self._passed) == self._passed.maxlen else None
        if oldest is not None and time.monotonic() - oldest < 3600:
            event("rejected", to=address, why="too much mail to be passed on")
            return TOO_MANY
        return SystemAddress(address)

    def begin(self, recipients: list[SystemAddress]) -> Letter:
        if all(one.bounce for one in recipients):
            return Letter(BOUNCE_HEAD, self._settings.smtp.max_message_bytes)
        return Letter(self._settings.inbound.max_passed_on_bytes, self._settings.inbound.max_passed_on_bytes)

    async def accept(self, recipients: list[SystemAddress], mail_from: str, client: str, mail: Letter) -> str:
        """Commit what it is about; the reply to its client."""
        if mail.refusal:
            return mail.refusal
        content = await mail.finish()
        roles = [one.address for one in recipients if not one.bounce]
        if roles and _has_been_here(content):
            return LOOP
        try:
            for one in recipients:
                if one.bounce:
                    await self._take_bounce(one.bounce, content)
            if roles:
                await self._pass_on(roles, mail_from, client, content)
        except Exception as error:  # the listener's edge, as in Intake.accept: the client keeps it and comes again
            bug = None if hasattr(error, "orig") else error
            log.error("a mail to ourselves could not be committed", why=reason_of(error), exc_info=bug)
            return LOCAL_ERROR
        return "250 2.0.0 noted"

    # --- bounces --------------------------------------------------------------------------------------

    async def _take_bounce(self, claim: Claim, content: bytes) -> None:
        failures = [CameBack(one.recipient, one.detail) for one in read_bounce(content)]
        if not failures:
            event("bounce", claim.received_id, failed=0)
            return
        outbox_id = outbox.id_of_fax_mail(claim.received_id, claim.index)
        taken = await self._store.write(
            partial(
                bounces.take,
                outbox_id=outbox_id,
                about=claim.received_id,
                failures=failures,
                fallback=self._settings.inbound.fallback,
                alert=partial(self._alert, outbox_id),
            )
        )
        event(
            "bounce", claim.received_id, failed=len(taken.recipients), to=list(taken.recipients), rescued=taken.rescued
        )

    def _alert(self, outbox_id: str, about: str, recipient: str, detail: str, rescued: bool) -> outbox.NewMail:
        whom = sha256(recipient.lower().encode()).hexdigest()[:8]
        return self._alerts.mail(
            f"alert-bounce-{outbox_id}-{whom}",
            "received_bounced" if rescued else "received_bounced_kept",
            about=about,
            fax=about,
            recipient=recipient,
            detail=detail,
        )

    # --- postmaster and abuse -------------------------------------------------------------------------

    async def _pass_on(self, roles: list[str], mail_from: str, client: str, content: bytes) -> None:
        """As it is, below two headers; the same mail sent again because its 250 was lost is passed on once."""
        seed = sha256("\0".join([mail_from, *sorted(map(str.lower, roles))]).encode() + b"\0" + content)
        for_whom = ", ".join(line(role, 100).encode("ascii", "replace").decode() for role in roles)
        received = f"Received: from [{client}] by {self._settings.smtp.domains[0]} (fax-bridge) id {ULID()};"
        head = f"{received}\r\n {formatdate(usegmt=True)}\r\nX-Fax-Bridge-Passed-On: {for_whom}\r\n"
        mail = outbox.NewMail(
            id=f"passed-{seed.hexdigest()[:40]}",
            kind="passed_on",
            about="",
            mail_from="",
            recipients=(self._settings.inbound.fallback,),
            content=head.encode() + content,
            give_up_at=now() + int(self._settings.relay.queue_lifetime * 1000),
        )
        await self._store.write(partial(outbox.put, mail=mail))
        self._passed.append(time.monotonic())
        event("passed_on", mail.id, mail_from=mail_from, client=client, to=roles, size=len(content))


def without_token(address: str) -> str:
    """For the log: who reads it shall not be able to write bounces."""
    local, at, domain = address.rpartition("@")
    return f"{BOUNCE}(token){at}{domain}" if local.lower().startswith(BOUNCE) else address


def _has_been_here(content: bytes) -> bool:
    head = content.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    return (
        any(one.startswith(PASSED_ON) for one in head) or sum(one.startswith(b"received:") for one in head) > MOST_HOPS
    )
