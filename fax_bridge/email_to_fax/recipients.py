"""Whom a mail goes to beside its RCPT addresses: the numbers of the lists that are attached to it."""

from collections.abc import Mapping, Sequence
from typing import Any

from ulid import ULID

from fax_bridge.email_to_fax.admit import Refusal, destination_of
from fax_bridge.email_to_fax.distribution_list import ListFault, read_lists
from fax_bridge.email_to_fax.local_part import LocalPart
from fax_bridge.email_to_fax.mail_part import MailPart
from fax_bridge.email_to_fax.policy import destination_refusal
from fax_bridge.email_to_fax.repeats import MailDigest
from fax_bridge.fax import TargetKind
from fax_bridge.settings import Settings
from fax_bridge.store.distribution import Listed


def listed_of(
    lists: Sequence[MailPart], rows: Sequence[Any], content: bytes, mail: Any, settings: Settings
) -> tuple[Listed, ...]:
    """A fax to be made for each number of the lists; none where there is no list.

    ``rows`` are the mail's faxes, ``mail`` its row. Raises :class:`ListFault`.
    """
    asking = next((row for row in rows if row.target == TargetKind.LIST), None)
    if not lists:
        if asking is not None:
            raise ListFault("list_missing", "")
        return ()
    spelled = LocalPart.read(asking.recipients[0].rpartition("@")[0]).spelled if asking is not None else ""
    digest = MailDigest()
    digest.update(content)

    def key(number: str) -> str:
        return digest.key(mail_from=mail.mail_from, number=number + spelled, client=mail.client)

    numbers = read_lists(lists, lambda text: number_of(text, settings, mail.options), settings.reading.most_listed)
    most = int(mail.options.get("max_recipients", 0))
    addressed = {row.number for row in rows if row.number}
    if most and len(addressed | set(numbers)) > most:
        raise ListFault("recipient_limit", f"{len(addressed | set(numbers))} > {most}")
    return tuple(Listed(str(ULID()), number, key(number)) for number in numbers)


def number_of(text: str, settings: Settings, options: Mapping[str, Any]) -> str:
    """The number that a line of a list means, decided as for a RCPT. Raises ``ValueError`` with what is wrong.

    ``options`` are the message's, where the sender's own rules are kept.
    """
    to = destination_of(settings, f"{text}@{settings.smtp.domains[0]}")
    if isinstance(to, Refusal):
        raise ValueError(to.reply.split(" ", 2)[2])  # without the codes of SMTP
    if to.target or to.spelled or to.preview:
        raise ValueError("a list holds numbers only, without options")
    allow, deny = options.get("allow", ()), options.get("deny", ())
    if why := destination_refusal(settings, to.number, allow=allow, deny=deny):
        raise ValueError(why)
    return to.number
