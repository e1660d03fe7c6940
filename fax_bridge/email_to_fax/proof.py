"""Does the mail prove that it is from its sender? Asked at its end, for entries with ``dmarc`` only.

Checked here, off the event loop; or, for mail that a named server of the site hands over, taken from the field in
which that server wrote down its own checks (Authentication-Results, RFC 8601).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import authres

from fax_bridge.email_to_fax.admit import Refusal
from fax_bridge.email_to_fax.dmarc import Head, Proof, domain_of, prove, same_organization
from fax_bridge.email_to_fax.dns_answers import Answers, resolver_of
from fax_bridge.networks import is_in
from fax_bridge.settings import Sender, Smtp
from fax_bridge.settings.senders import any_fits

AT_ONCE = 4
"""Mails that are checked at the same time, each whole in memory."""
SPARE = 30.0
"""Seconds beyond ``smtp.dns_timeout`` for the wait for a turn, and for the arithmetic."""

LATER = Refusal("451 4.7.0 the DNS did not answer, so nobody knows whom the mail is from; try again later")


class Prover:
    """For all sessions of one daemon."""

    def __init__(self, settings: Smtp) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="dmarc")
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def refusal(
        self,
        sender: Sender,
        mail: Callable[[], Awaitable[bytes]],
        *,
        client: str,
        hello: str,
        mail_from: str,
        recipients: Sequence[str],
    ) -> Refusal | None:
        """``None`` where it does. ``mail`` fetches its bytes, and raises what it likes."""
        try:
            async with asyncio.timeout(self._settings.dns_timeout + SPARE), self._turns:
                content = await mail()
                proof = await asyncio.get_running_loop().run_in_executor(
                    self._threads, lambda: self._look(sender, content, client, hello, mail_from, recipients)
                )
        except TimeoutError:
            return LATER
        match proof:
            case Proof.GOOD:
                return None
            case Proof.LATER:
                return LATER
            case _:
                return Refusal(f"550 5.7.26 the mail does not prove that it is from its sender: {proof.value}")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _look(
        self, sender: Sender, mail: bytes, client: str, hello: str, mail_from: str, recipients: Sequence[str]
    ) -> Proof:
        head = Head(mail)
        author = head.author
        if not author:
            return Proof.NO_AUTHOR
        if head.has_twins:
            return Proof.TWICE
        # What is proven is From. Both it and the envelope sender, who gets the report, have to be what the entry names.
        if not any_fits(sender.match, author) or not same_organization(domain_of(mail_from), domain_of(author)):
            return Proof.OTHER_AUTHOR
        settings = self._settings
        if settings.trusted_authserv_id and is_in(client, settings.trusted_authserv_from):
            return told_by(settings.trusted_authserv_id, head, mail_from=mail_from, recipients=recipients)
        answers = Answers(resolver_of(settings.dns_servers), settings.dns_timeout)
        return prove(mail, head, answers, client=client, hello=hello, mail_from=mail_from, recipients=recipients)


def told_by(authserv_id: str, head: Head, *, mail_from: str, recipients: Sequence[str]) -> Proof:
    """What the topmost field of that server with a DMARC result says. The server takes off those that others wrote in
    its name (RFC 8601 §5); were it to forget, its own stand above them."""
    domain = domain_of(head.author)
    by_spf = False
    for value in head.values("Authentication-Results"):
        try:
            told = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {value}")
        except authres.AuthResError:
            continue
        if str(told.authserv_id).lower() != authserv_id.lower():
            continue
        by_spf = by_spf or any(
            one.method == "spf" and one.result == "pass" and _domain(one, "mailfrom") == domain_of(mail_from)
            for one in told.results
        )
        for one in told.results:
            if one.method == "dmarc":
                if one.result == "temperror":
                    return Proof.LATER
                if one.result != "pass" or _domain(one, "from") != domain:
                    return Proof.NOT_ALIGNED
                # It does not tell which signature was good, nor what that covers.
                named = {address.lower() for address in recipients} <= head.named(head.signed_by_all(domain))
                return Proof.GOOD if by_spf or named else Proof.NOT_NAMED
    return Proof.NOT_ALIGNED


def _domain(result: object, name: str) -> str:
    """Of a property that is an address or a domain."""
    values = [str(one.value) for one in getattr(result, "properties", ()) if one.name == name]
    return domain_of(f"@{values[0]}") if values else ""
