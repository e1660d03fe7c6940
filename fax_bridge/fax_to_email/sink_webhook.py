"""A received fax as a signed POST to a server of the site's own.

The body is JSON: the facts of the fax and its files in base64. ``X-Fax-Bridge-Signature: t=SECONDS,v1=HEX`` is the
HMAC-SHA-256 of ``SECONDS.BODY`` with the shared secret; the same ``Idempotency-Key`` means the same fax once more.
"""

import hmac
import json
import time
from base64 import b64encode
from collections.abc import Sequence

import httpx

from fax_bridge.errors import Permanent, Temporary
from fax_bridge.mail.letters import ReceivedFax
from fax_bridge.mail.received_view import File, received_facts
from fax_bridge.settings.inbound import WebhookSink

_TRIED_AGAIN = {408, 409, 423, 425, 429}
"""Refusals that pass; every other 4xx would be the same again."""


def body_of(delivery_id: str, fax: ReceivedFax, files: Sequence[File]) -> bytes:
    """What is posted, and signed, is kept: the same octets at every try."""
    facts = received_facts(fax, files)
    for told, file in zip(facts["files"], files, strict=True):
        told["content"] = b64encode(file.data).decode()
    return json.dumps({"delivery": delivery_id, "fax": facts}, ensure_ascii=True).encode()


def signature(secret: str, at: int, body: bytes) -> str:
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, "sha256").hexdigest()
    return f"t={at},v1={mac}"


async def post(sink: WebhookSink, delivery_id: str, body: bytes) -> None:
    """Any 2xx is success. Redirects are not followed: the settings say where faxes go, and no answer does.

    Raises :class:`Temporary` or :class:`Permanent`.
    """
    secret = sink.secret.get_secret_value()
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": delivery_id,
        "X-Fax-Bridge-Signature": signature(secret, int(time.time()), body),
        "User-Agent": "fax-bridge",
    }
    host = httpx.URL(sink.url).host
    try:
        async with (
            httpx.AsyncClient(
                timeout=sink.timeout,
                trust_env=False,
                follow_redirects=False,
                verify=str(sink.ca_file) if sink.ca_file else True,
            ) as http,
            http.stream("POST", sink.url, content=body, headers=headers) as answer,
        ):
            status = answer.status_code  # its body is not read: nobody would
    except (httpx.HTTPError, OSError) as fault:
        raise Temporary(f"{host}: {type(fault).__name__} {fault}".strip()) from None
    if status // 100 == 2:
        return
    if status // 100 in {3, 4} and status not in _TRIED_AGAIN:
        raise Permanent(f"{host} answered {status}")
    raise Temporary(f"{host} answered {status}")
