"""Is the sum right? Every promise that was given is held against what came of it; each breach is one line.

The two that matter most: what got 250 or 200 is never lost, and no fax of ours goes out twice.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row

from fax_bridge.fax import FAX_ENDS, DeliveryKind, FaxState, NoticeKind, PushState, ReceivedState, ResultClass
from tests.chaos.books import SILENT, Books
from tests.chaos.traffic import RECEPTION, Ledger, Push

ARCHIVE = "archive@example.com"
"""Gets a link only."""

NEVER_HANDED_OVER = frozenset({ResultClass.REFUSED, ResultClass.DOCUMENT, ResultClass.EXPIRED})

POSSIBLE: dict[str, frozenset[FaxState]] = {
    "DELIVERED": frozenset({FaxState.DELIVERED}),
    "FAILED": frozenset({FaxState.FAILED}),
    "LOST": frozenset({FaxState.UNCERTAIN}),
}
"""What a fax of ours may end as, by what FaxMAX says of it."""


def breaches(ledger: Ledger, books: Books) -> list[str]:
    """Empty when all is well."""
    return [
        *ledger.unheard(),
        *(f"stuck: {line}" for line in books.unsettled()),
        *_mails(ledger, books),
        *_faxes(ledger, books),
        *_reports(books),
        *_received(ledger, books),
        *_words(books),
        *_accounts(ledger, books),
    ]


def _mails(ledger: Ledger, books: Books) -> Iterator[str]:
    """Each mail is one message, however often its client handed it in; each of its numbers is one fax."""
    numbers: dict[str, list[str]] = defaultdict(list)
    for fax in books.faxes:
        numbers[fax.message_id].append(fax.number)
    messages: dict[str, list[list[str]]] = defaultdict(list)
    for row in books.messages:
        messages[row.header_message_id].append(sorted(numbers[row.id]))
    for mail in ledger.mails:
        kept = messages.pop(mail.message_id, [])
        if len(kept) > 1 and not mail.is_preview:  # one more answer costs nothing
            yield f"mail {mail.message_id} was handed in {mail.sent_whole} times and is {len(kept)} messages"
        lost = set(mail.numbers) - {number for one in kept for number in one}
        if mail.accepted and not kept:
            yield f"mail {mail.message_id} got 250 and is lost"
        if mail.accepted and lost:
            yield f"mail {mail.message_id} got 250 and has no fax to {lost}"
        if any(len(one) != len(set(one)) or not set(one) <= set(mail.numbers) for one in kept):
            yield f"mail {mail.message_id} to {mail.numbers} has the faxes {kept}"
    for stranger in messages:
        yield f"nobody sent the mail {stranger!r}"


def _faxes(ledger: Ledger, books: Books) -> Iterator[str]:
    """Each fax of ours went out at most once, and its end is what became of it at FaxMAX."""
    mails = {mail.message_id: mail for mail in ledger.mails}
    mail_of = {row.id: mails.get(row.header_message_id) for row in books.messages}
    times = Counter(fax.number for fax in books.faxes)
    at_faxmax: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in books.sandbox:
        at_faxmax[entry["api_id"]].append(entry)
    for row in books.faxes:
        entries = at_faxmax.pop(row.id, [])
        if len(entries) > 1:
            yield f"SENT TWICE: fax {row.id} +{row.number} is {len(entries)} faxes at FaxMAX"
        mail = mail_of[row.message_id]
        faxable = mail is None or mail.faxable
        if odd := _odd_end(row, entries[0] if entries else None, faxable=faxable, alone=times[row.number] == 1):
            yield f"fax {row.id} +{row.number} {row.state}/{row.result} ({row.detail}): {odd}"
    for stranger in at_faxmax:
        yield f"FaxMAX has a fax {stranger} that is none of ours"


def _odd_end(row: Row[Any], entry: dict[str, Any] | None, *, faxable: bool, alone: bool) -> str:
    """What is wrong with the end of a fax; empty when nothing is. ``entry`` is what FaxMAX has of it.

    A fax that is ``alone`` has its number for itself; of two to one number a push may fit either, and both may end
    as ``uncertain``.
    """
    if row.state not in FAX_ENDS or not (row.result and row.ended_at):
        return "no end, or none with a reason"
    if not faxable and (row.state, row.result) != (FaxState.FAILED, ResultClass.DOCUMENT):
        return "its mail holds a part that cannot be faxed"
    if entry is None:
        is_honest = row.state == FaxState.UNCERTAIN or (
            row.state == FaxState.FAILED and row.result in NEVER_HANDED_OVER
        )
        is_honest |= row.state == FaxState.CANCELLED and not alone  # held as a duplicate, and nobody released it
        return "" if is_honest else "FaxMAX never had it"
    if entry["phone"] != row.number:
        return f"FaxMAX called {entry['phone']}"
    if row.provider_id not in (None, entry["fax_id"]):
        return f"it is {entry['fax_id']} at FaxMAX, not {row.provider_id}"
    possible = POSSIBLE.get(entry["status"], FAX_ENDS)
    if row.number.endswith(SILENT):
        possible = frozenset({FaxState.UNCONFIRMED, FaxState.UNCERTAIN})
    elif not alone:
        possible |= {FaxState.UNCERTAIN}
    return "" if row.state in possible else f"FaxMAX says {entry['status']} {entry['result_message']}"


def _reports(books: Books) -> Iterator[str]:
    """One report for each message, one correction at most, and the last of them says how it ended."""
    written = {row.id: row.created_at for row in books.outbox}
    last_moves = _last_moves(books)
    expected = set()
    for row in books.messages:
        report, correction = f"report-{row.id}", f"correction-{row.id}"
        if row.preview is not None:
            report = f"preview-{row.id}"
        expected |= {report, correction}
        if report not in books.mailbox:
            yield f"message {row.id} has no report"
        elif str(books.mailbox[report]["In-Reply-To"]) != row.header_message_id:
            yield f"{report} answers {books.mailbox[report]['In-Reply-To']}"
        if correction not in written and last_moves.get(row.id, 0) > written.get(report, 0):
            yield f"message {row.id}: a fax moved after its report, and there is no correction"
    expected |= {name for row in books.received for name in (f"received-{row.id}", f"received-{row.id}-1")}
    expected |= {f"fallback-{row.about}" for row in books.bounces}
    expected |= {row.id for row in books.outbox if row.id.startswith("alert-bounce-")}
    expected |= {f"held-{row.about}" for row in books.audit if row.act == "held"}
    expected |= {row.id for row in books.notices}
    for name in books.mailbox.keys() - expected:
        yield f"nobody expected the mail {name}: {books.mailbox[name]['Subject']}"
    for name in (row.id for row in books.outbox if row.id not in books.mailbox):
        yield f"mail {name} is not in the mailbox"
    ids = Counter(str(mail["Message-ID"]) for mail in books.mailbox.values())
    for message_id in (one for one, times in ids.items() if times > 1):
        yield f"{ids[message_id]} mails are called {message_id}"


def _last_moves(books: Books) -> dict[str, int]:
    """By message: when a fax of it last came into another state."""
    message_of = {row.id: row.message_id for row in books.faxes}
    state: dict[str, str] = {}
    moved: dict[str, int] = {}
    for event in books.events:
        if state.get(event.fax_id) != event.state:
            state[event.fax_id] = event.state
            message_id = message_of[event.fax_id]
            moved[message_id] = max(moved.get(message_id, 0), event.at)
    return moved


def _received(ledger: Ledger, books: Books) -> Iterator[str]:
    """Each push that got 200 is one mail from its caller, with the fax as a PDF, or as it came and with the reason."""
    rows = {row.provider_id: row for row in books.received}
    ways = Counter(
        (str(mail["From"]), str(mail["Delivered-To"]))
        for name, mail in books.mailbox.items()
        if name.startswith("received-")
    )
    links = {row.about for row in books.deliveries if row.kind == DeliveryKind.LINK}
    for push in ledger.pushes:
        row = rows.pop(push.fax_id, None)
        if row is None or row.state != ReceivedState.MAILED:
            yield f"push {push.fax_id} got 200 and is {row and (row.id, row.state)}"
            continue
        for whom in (RECEPTION, ARCHIVE):
            mails = sum(times for (caller, to), times in ways.items() if f"<{push.caller}@" in caller and to == whom)
            if mails != 1:
                yield f"push {push.fax_id} of {push.caller} is {mails} mails to {whom}"
        if row.id not in links:
            yield f"nothing is behind the link to push {push.fax_id}"
        yield from _laid_down(row, books)
        yield from _returned(push, row, books)
        mail = books.mailbox.get(f"received-{row.id}")
        wanted = "image/tiff" if row.problem else "application/pdf"
        if mail and wanted not in [part.get_content_type() for part in mail.iter_attachments()]:
            yield f"the mail of push {push.fax_id} brings no {wanted}"
    for hidden in (name for name in books.folder if name.startswith(".")):
        yield f"left behind in the directory: {hidden}"
    for stranger in rows:
        yield f"nobody pushed the fax {stranger}"
    for row in (row for row in books.pushes if row.state == PushState.QUARANTINED):
        yield f"push {row.id} is quarantined: {row.note}"


def _laid_down(row: Row[Any], books: Books) -> Iterator[str]:
    """One whole file."""
    files = [content for name, content in books.folder.items() if row.id in name and not name.startswith(".")]
    if len(files) != 1:
        yield f"the fax {row.id} is {len(files)} files in the directory"
    begins = (b"II*\0", b"MM\0*") if row.problem else (b"%PDF-",)
    if not all(
        content.startswith(begins) and (row.problem or content.rstrip().endswith(b"%%EOF")) for content in files
    ):
        yield f"the file of the fax {row.id} is not whole"


def _returned(push: Push, row: Row[Any], books: Books) -> Iterator[str]:
    """A fax whose mail came back is one more mail, to the fallback mailbox, and one alert; any other one is neither."""
    wanted = int(push.returned)
    found = {
        "rows": sum(bounce.about == row.id for bounce in books.bounces),
        "fallback mails": int(f"fallback-{row.id}" in books.mailbox),
        "alerts": sum(name.startswith(f"alert-bounce-received-{row.id}-") for name in books.mailbox),
    }
    if set(found.values()) != {wanted}:
        yield f"the mail of push {push.fax_id} came back {wanted} times: {found}"


def _words(books: Books) -> Iterator[str]:
    """What was to be told before the report was, once; a notice without a mail had become pointless and is gone."""
    for row in books.notices:
        is_early = row.kind == NoticeKind.EARLY
        if is_early and row.id not in books.mailbox:
            yield f"the word {row.id} was never told"
    for row in books.audit:
        if row.act == "held" and f"held-{row.about}" not in books.mailbox:
            yield f"the sender of the fax {row.about} was never asked"


def _accounts(ledger: Ledger, books: Books) -> Iterator[str]:
    """The audit log and the limits say what happened, no less and no more."""
    lines = Counter((row.act, row.about) for row in books.audit)
    for row in books.messages:
        wanted = {"accepted": 1, "document": int(bool(row.sha256))}
        if row.preview is not None:  # accepted as such; there is no document that goes anywhere
            wanted = {"accepted": 1, "document": 0}
        for act, times in wanted.items():
            if lines[act, row.id] != times:
                yield f"message {row.id} has {lines[act, row.id]} lines in the audit log: {act}"
    withdrawn = sum(len(row.recipients) for row in books.audit if row.act == "withdrawn")
    shown = sum(len(mail.to) * mail.sent_whole for mail in ledger.mails if mail.is_preview)
    if not len(books.faxes) <= books.charged <= len(books.faxes) + withdrawn + shown:
        yield f"{books.charged} faxes were charged: {len(books.faxes)}, {withdrawn} withdrawn, {shown} shown"
