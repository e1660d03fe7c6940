"""The doctor's looks at the network: names, certificate, relay, FaxMAX, and the way that a push comes.

FaxMAX is only asked for a page: nothing is sent there, and no credential.
"""

import asyncio
import calendar
import hashlib
import os
import time
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import dns.asyncresolver
import dns.exception
import dns.resolver
import httpx

from fax_bridge.errors import Temporary
from fax_bridge.faxmax.client import tls_context
from fax_bridge.mail.relay import Relay
from fax_bridge.settings import Settings
from fax_bridge.setup.finding import Finding, bad, good, warning

PATIENCE = 10.0
"""Seconds for each step; a person waits."""
PROBE = 20_000_000
"""Bytes of the test push: a received fax of a hundred pages."""
SKEW = 120.0
"""Seconds that our clock and FaxMAX's may differ, for a lost answer to be matched to its push."""
EXPIRES_SOON = 21 * 86_400.0


async def mx(settings: Settings, nameserver: str | None = None) -> AsyncIterator[Finding]:
    """Whether mail servers elsewhere find the domains; our own only need the route in their transport map."""
    resolver = dns.asyncresolver.Resolver(configure=nameserver is None)
    if nameserver is not None:
        host, _, port = nameserver.rpartition(":")
        resolver.nameservers, resolver.port = [host], int(port)
    for domain in settings.smtp.domains:
        name = f"MX of {domain}"
        try:
            found = await resolver.resolve(domain, "MX", lifetime=PATIENCE)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            yield warning(
                name, "there is none", "Right where only your own mail server sends here, by its transport map."
            )
        except (dns.exception.DNSException, OSError) as fault:
            yield bad(
                name, f"cannot be looked up: {type(fault).__name__}", "Mend the name servers in /etc/resolv.conf."
            )
        else:
            hosts = [f"{entry.exchange.to_text(omit_final_dot=True)}" for entry in found]
            yield good(name, ", ".join(hosts))


async def relay(settings: Settings) -> AsyncIterator[Finding]:
    """Connection, TLS, login and EHLO; no mail."""
    own = settings.relay
    try:
        where = Relay.from_url(
            own.url.get_secret_value(), timeout=min(PATIENCE, own.timeout), ca_file=str(own.ca_file or "")
        )
        offered = await where.extensions()
        await where.probe()
    except (Temporary, ValueError) as fault:
        yield bad("relay", str(fault), "Until that is mended reports and received faxes wait here; none is lost.")
        return
    said = (
        f"{where} takes mail"
        if offered is None
        else f"{where} answers, with {', '.join(sorted(offered)) or 'no extensions'}"
    )
    yield good("relay", said)


async def faxmax(settings: Settings) -> AsyncIterator[Finding]:
    """TCP, TLS and a GET of the address; and the clock, by the date of its answer."""
    for account in settings.faxmax.account_names:
        own = settings.faxmax.account(account)
        name = "FaxMAX" if account == "default" else f"FaxMAX ({account})"
        host = urlsplit(own.url).netloc
        try:
            async with httpx.AsyncClient(
                verify=tls_context(own.ca_file), trust_env=False, proxy=own.proxy or None, timeout=PATIENCE
            ) as http:
                answer = await http.get(own.url)
        except (httpx.HTTPError, OSError) as fault:
            mend = "Look at name servers, firewall and proxy; faxes wait and are tried again."
            if "CERTIFICATE" in str(fault).upper():
                mend = "Name the authority of its certificate in faxmax.ca_file. Never switch the check off."
            yield bad(name, f"{host} cannot be reached: {type(fault).__name__}: {fault}"[:300], mend)
            continue
        yield good(name, f"{host} answers (HTTP {answer.status_code} to a GET; no credential was sent)")
        if account == "default":
            for finding in _clock(answer):
                yield finding


def _clock(answer: httpx.Response) -> list[Finding]:
    try:
        theirs = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return []
    apart = abs(time.time() - theirs)
    if apart > SKEW:
        mend = "Switch time synchronisation on: timedatectl set-ntp true."
        return [bad("clock", f"ours and FaxMAX's are {apart:.0f} s apart", mend)]
    return [good("clock", f"within {max(apart, 1):.0f} s of FaxMAX's")]


async def webhook(settings: Settings) -> AsyncIterator[Finding]:
    """A large body by the public address, as FaxMAX would send it; the daemon has to run. And its certificate."""
    url = settings.webhook.public_url
    if not url:
        yield warning("webhook", "webhook.public_url is not set", "Set it, so that this can be tried from outside.")
        return
    if url.startswith("https://"):
        async for finding in _certificate(url):
            yield finding
    if url.startswith("http://"):
        yield warning(
            "certificate", "the public address is plain http", "Faxes come unencrypted: put a proxy with TLS in front."
        )
    body = os.urandom(PROBE)
    secret = settings.webhook.secrets[0].get_secret_value()
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=6 * PATIENCE) as http:
            answer = await http.post(f"{url}/push/{secret}/probe", content=body)
    except httpx.HTTPError as fault:
        yield bad(
            "webhook", f"{url} does not answer: {type(fault).__name__}", "Look at the DNS, the firewall and the proxy."
        )
        return
    yield _judged(answer, body)


def _judged(answer: httpx.Response, body: bytes) -> Finding:
    size = f"{PROBE // 1_000_000} MB"
    match answer.status_code:
        case 200:
            expected = {"fax_bridge": True, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
            try:
                same = answer.json() == expected
            except ValueError:
                same = False
            if same:
                return good("webhook", f"{size} came through whole")
            return bad(
                "webhook", "something else answers, or the body was changed", "Point the proxy at webhook.listen."
            )
        case 404:
            return bad(
                "webhook",
                "the path is not known there",
                "Pass /push/ on as it is, to webhook.listen; the daemon must have these settings.",
            )
        case 413:
            mend = "nginx: client_max_body_size 100m; and look at webhook.max_body_bytes."
            return bad("webhook", f"a push of {size} is too large", mend)
        case 502 | 503 | 504:
            return bad(
                "webhook", f"the proxy answers {answer.status_code}", "Start the daemon: systemctl status fax-bridge."
            )
        case status:
            return bad(
                "webhook", f"the proxy answers {status}", "It must pass POST /push/… on without a login of its own."
            )


async def _certificate(url: str) -> AsyncIterator[Finding]:
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 443, ssl=tls_context(None))
    except (OSError, TimeoutError) as fault:
        yield bad("certificate", f"no trusted TLS at {parts.netloc}: {fault}"[:300], "Renew it, with its whole chain.")
        return
    ends = dict(writer.get_extra_info("peercert") or {}).get("notAfter")
    writer.close()
    left = _seconds_left(str(ends))
    days = f"good for {left / 86_400:.0f} more days"
    if left < EXPIRES_SOON:
        yield warning("certificate", days, "See why it was not renewed; FaxMAX's pushes stop when it ends.")
    else:
        yield good("certificate", days)


def _seconds_left(ends: str) -> float:
    """``notAfter`` as OpenSSL writes it, always in GMT."""
    return calendar.timegm(time.strptime(ends, "%b %d %H:%M:%S %Y %Z")) - time.time()
