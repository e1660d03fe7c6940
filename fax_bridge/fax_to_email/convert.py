"""A received fax is turned into a PDF and its mail put into the outbox.

What cannot be converted is not dropped: the mail then carries the original and says why.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from fax_bridge.documents.fault import Fault
from fax_bridge.documents.worker import Documents
from fax_bridge.errors import DocumentRefused
from fax_bridge.eventlog import event
from fax_bridge.fax import now
from fax_bridge.fax_to_email.deliver import Composer, Sent
from fax_bridge.fax_to_email.route import Facts, decide
from fax_bridge.loop_test import number_of
from fax_bridge.numbers import digits_or_none, shown
from fax_bridge.settings import Settings
from fax_bridge.store import loop_tests, pushes
from fax_bridge.store.lease import Lease
from fax_bridge.store.loop_tests import LoopTest
from fax_bridge.store.store import Store
from fax_bridge.store.worker import Work

MOST_TRIES = 5
"""After as many claims that came to nothing, be it by a bug of ours, the fax is mailed as it came."""


MOST_REMARK = 1000
"""Characters; a fax of 500 broken pages is no reason for a history that cannot be read."""


@dataclass(frozen=True, slots=True)
class Converted:
    pdf: bytes | None
    pages: int
    faults: tuple[Fault, ...]
    picture: bytes | None
    problem: str
    """Why there is no PDF, a word of the tables in ``templates/email``; empty where there is one."""
    detail: str = ""

    @property
    def remark(self) -> str:
        """What the history keeps: the reason word, or what is wrong with the pages, in English; empty if none."""
        return self.problem or " ".join(map(str, self.faults))[:MOST_REMARK]


async def convert(tiff: bytes, documents: Documents, info: dict[str, str]) -> Converted:
    """Never raises for a bad fax: a mail without a PDF is still a mail with the fax."""
    try:
        made = await documents.tiff_to_pdf(tiff, info=info)
    except DocumentRefused as refusal:
        return Converted(None, 0, (), None, refusal.reason, refusal.detail)
    try:
        picture = await documents.picture(made.pdf)
    except DocumentRefused:
        picture = None  # a mail without a picture says the same
    return Converted(made.pdf, len(made.pages), made.faults, picture, "")


def information(row: Work) -> dict[str, str]:
    """The PDF's own metadata, so that a file on its own tells which fax it is (ISO 32000-1 §14.3.3)."""
    caller = shown(row.caller) if row.caller else row.caller_raw
    called = shown(row.called) if row.called else row.called_raw
    received = datetime.fromtimestamp(row.received_at / 1000, UTC)
    words = {
        "calling": row.caller or row.caller_raw,
        "called": row.called or row.called_raw,
        "CSID": row.remote_station,
        "received": f"{received:%Y-%m-%dT%H:%M:%SZ}",
        "fax": row.id,
        "FaxMAX": row.provider_id,
    }
    return {
        "Title": f"Fax {caller} > {called}",
        "Author": row.remote_station or caller,
        "Subject": f"fax-bridge {row.id}, FaxMAX {row.provider_id}",
        "Keywords": "; ".join(f"{name}={value}" for name, value in words.items() if value),
        "CreationDate": f"D:{received:%Y%m%d%H%M%SZ}",
    }


class Converter:
    """Handles the queue :data:`pushes.CONVERT`."""

    def __init__(self, settings: Settings, store: Store, documents: Documents, composer: Composer) -> None:
        self._settings = settings
        self._store = store
        self._documents = documents
        self._composer = composer

    async def handle(self, lease: Lease, row: Work) -> None:
        async with self._store.read() as conn:
            tiff = await pushes.tiff(conn, lease.id)
        if lease.claims > MOST_TRIES:
            made = Converted(None, 0, (), None, "worker_crashed", "the conversion failed again and again")
        else:
            made = await convert(tiff, self._documents, information(row))
        if (test := await self._loop_test(row, made)) is not None:
            await self._store.write(partial(loop_tests.came_home, lease=lease, test=test, at=now(), pages=made.pages))
            event("loop_test", test.fax_id, outcome="home", received=row.id)
            return
        sent = self._sent(row, made, tiff)
        await self._store.write(
            partial(
                pushes.converted,
                lease=lease,
                pages=made.pages,
                problem=made.remark,
                mails=sent.mails,
                others=sent.others,
            )
        )
        to = [address for mail in sent.mails for address in mail.recipients]
        event("converted", row.id, pages=made.pages, problem=made.remark, to=to, others=len(sent.others))

    async def _loop_test(self, row: Work, made: Converted) -> LoopTest | None:
        """The test of ours that this fax is, if it is one. Only a fax to the own number is looked at."""
        if made.pdf is None or row.called != digits_or_none(self._settings.faxmax.cli, self._settings.numbers.region):
            return None
        async with self._store.read() as conn:
            tests = {number_of(test.fax_id): test for test in await loop_tests.missing(conn)}
        if not tests:
            return None
        try:
            number = await self._documents.marks(made.pdf)
        except DocumentRefused:
            return None
        return None if number is None else tests.get(number)

    def _sent(self, row: Work, made: Converted, tiff: bytes) -> Sent:
        if row.fallback_reason:  # it has gone to its routes already, and one of them did not get it
            return self._composer.fallback(row, made, tiff, row.fallback_reason)
        facts = Facts(
            called=row.called,
            caller=row.caller,
            remote_station=row.remote_station,
            account=row.account,
            pages=made.pages,
            at=row.received_at,
        )
        decision = decide(self._settings, facts)
        if decision.is_fallback:
            return self._composer.fallback(row, made, tiff, "no_route")
        return self._composer.routed(row, made, tiff, decision)
