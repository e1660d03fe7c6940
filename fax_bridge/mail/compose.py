"""The mails that we write: received faxes, alerts to the operator; reports are in :mod:`fax_bridge.mail.reports`.

Pure functions to bytes. Message-ID and Date are handed in, so that the same values give the same bytes. What is said
comes from :mod:`fax_bridge.mail.words`; what stands in the values comes from outside and is made harmless here.
"""

import json
from collections.abc import Sequence

from fax_bridge.fax import Instant, Language
from fax_bridge.mail.frame import alternatives, automatic, framed, parsed
from fax_bridge.mail.headers import line, mailboxes, unstructured
from fax_bridge.mail.letters import Alert, ReceivedFax
from fax_bridge.mail.received_view import (
    PICTURE,
    attached,
    caller_name,
    named,
    received_facts,
    received_headers,
    received_view,
)
from fax_bridge.mail.shown import Shown
from fax_bridge.mail.words import Words

__all__ = ["Alert", "ReceivedFax", "alert_mail", "received_mail"]


def received_mail(
    fax: ReceivedFax,
    words: Words,
    *,
    sender: str,
    reply_domain: str,
    to: Sequence[str],
    cc: Sequence[str] = (),
    fixed_from: bool = False,
    message_id: str,
    date: Instant,
) -> bytes:
    """A received fax as a mail from ``<caller>@<reply_domain>``, so that an answer is a fax back; with ``fixed_from``
    from ``sender`` under the caller's name, and only answers go there.

    Without a caller's number it comes from ``sender`` and says why. Raises :class:`ValueError` as above.
    """
    shown = Shown(fax.language, fax.timezone)
    caller = f"{fax.caller}@{reply_domain}" if fax.caller else ""
    files = attached(fax, words, shown)
    rendered = words.render(
        "received",
        fax.language,
        **received_view(fax, words, shown),
        reply_to=caller,
        files=[file.name for file in files],
        original=next((file.name for file in files if file.is_original), ""),
    )
    body = alternatives(rendered)
    if fax.picture_png is not None and fax.shape == "attachment":
        _, html = body.iter_parts()
        html.add_related(fax.picture_png, "image", "png", cid=f"<{PICTURE}>", filename="1.png", disposition="inline")
    for file in files:
        body.add_attachment(file.data, file.maintype, file.subtype, filename=file.name)
    if fax.json_part:
        facts = json.dumps(received_facts(fax, files), ensure_ascii=True, indent=1).encode()
        body.add_attachment(facts, "application", "json", filename=f"{line(fax.fax_id, 26)}.json")
    name, address = parsed(sender)
    itself = (caller_name(fax), address if fixed_from else caller) if caller else (name, address)
    headers = [
        mailboxes("From", [itself]),
        mailboxes("Reply-To", [(caller_name(fax), caller)]) if caller and fixed_from else "",
        mailboxes("To", [("", address) for address in to]),
        mailboxes("Cc", [("", address) for address in cc]) if cc else "",
        unstructured("Subject", named(fax.subject, fax, shown) if fax.subject else rendered.subject),
        *automatic("auto-generated", fax.fax_id),
        *(unstructured(f"X-Received-Fax-{name}", value) for name, value in received_headers(fax)),
    ]
    return framed(headers, body, shown, message_id, date)


def alert_mail(alert: Alert, words: Words, *, sender: str, message_id: str, date: Instant) -> bytes:
    """A mail to the operator. Raises ``KeyError`` for a subject without phrases, ``jinja2.UndefinedError`` for
    a missing value.
    """
    shown = Shown(alert.language, alert.timezone)
    values = {name: line(value, 500) for name, value in alert.values.items() if name != "detail"}
    details = [line(each, 500) for each in alert.values.get("detail", "").splitlines()[:MOST_DETAILS]]
    said = {
        kind: words.phrase(alert.language, f"alert.{alert.subject}.{kind}", **values)
        for kind in ("subject", "headline", "cause", "next")
    }
    rendered = words.render(
        "alert",
        alert.language,
        **said,
        about=line(alert.subject),
        values={_called(name, words, alert.language): v for name, v in values.items() if name != "line"},
        details=details,
        when=shown.when(date),
        zone=shown.zone(),
    )
    headers = [
        mailboxes("From", [parsed(sender)]),
        mailboxes("To", [("", alert.to)]),
        unstructured("Subject", rendered.subject),
        *automatic("auto-generated", alert.subject),
    ]
    return framed(headers, alternatives(rendered), shown, message_id, date)


MOST_DETAILS = 40
"""Lines of what the other side said in an alert."""


def _called(name: str, words: Words, language: Language) -> str:
    """One that nobody has named is shown by its key: an alert must not fail for a label."""
    path = f"alert_value.{name}"
    return words.phrase(language, path) if words.has_phrase(language, path) else name
