"""The faults that cross a module's border, and the one table that maps an answer to what is done next.

One bit decides whether a thing is tried again: :class:`Permanent` or :class:`Temporary`.
"""

from enum import StrEnum


class BridgeError(Exception):
    """Any fault of ours that a caller is meant to meet."""


class Temporary(BridgeError):
    """Trying the same thing again later can succeed."""

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after
        """Seconds that the other side asked us to wait, if it did."""


class Permanent(BridgeError):
    """Trying the same thing again cannot succeed."""


class DocumentRefused(Permanent):
    """A part of a mail cannot become pages of a fax.

    ``part`` is the index of the offending part among those that were given, ``reason`` a stable word
    (``pdf_password``, ``pdf_broken``, ``image_broken`` …), ``detail`` the engine's
    own words, for the operator.
    """

    def __init__(self, part: int, reason: str, detail: str = "") -> None:
        super().__init__(f"part {part}: {reason}" + (f" ({detail})" if detail else ""))
        self.part = part
        self.reason = reason
        self.detail = detail


class Verdict(StrEnum):
    """What a FaxMAX answer means for the fax (see ``docs/states.md``)."""

    RETRY = "retry"
    REFUSED = "refused"
    PAUSE = "pause"
    UNKNOWN = "unknown"


HTTP_VERDICTS: dict[int, Verdict] = {
    401: Verdict.PAUSE,
    403: Verdict.PAUSE,
    407: Verdict.PAUSE,
    408: Verdict.RETRY,
    425: Verdict.RETRY,
    429: Verdict.RETRY,
}
"""The exceptions among HTTP statuses; :func:`verdict_of_status` adds the rule for the rest."""

JSON_RPC_VERDICTS: dict[int, Verdict] = {
    -32700: Verdict.REFUSED,
    -32600: Verdict.REFUSED,
    -32601: Verdict.REFUSED,
    -32602: Verdict.REFUSED,
}
"""The errors of JSON-RPC 2.0 §5.1 that say that nothing was done; any other may come after the deed."""


def verdict_of_status(status: int, has_retry_after: bool) -> Verdict:
    """The verdict on an HTTP status other than 200, once the whole request has left.

    A clear 4xx says that nothing was sent. A 5xx may come after the fax was taken, so it is unknown,
    but for 503 with ``Retry-After``, in which a server says that it did not begin (RFC 9110 §15.6.4).
    """
    if status in HTTP_VERDICTS:
        return HTTP_VERDICTS[status]
    if 400 <= status < 500:
        return Verdict.REFUSED
    if status == 503 and has_retry_after:
        return Verdict.RETRY
    return Verdict.UNKNOWN


def smtp_is_permanent(code: int) -> bool:
    """Whether the relay's reply code ends a mail's tries (RFC 5321 §4.2.1)."""
    return 500 <= code < 600
