"""What the mail of a received fax shows: the values of its templates, its files and their names, its headers.

The remote machine writes its name, FaxMAX the numbers; both are made harmless here or where they become headers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from fax_bridge import numbers
from fax_bridge.mail.headers import line
from fax_bridge.mail.letters import ReceivedFax
from fax_bridge.mail.outcome import reason
from fax_bridge.mail.shown import Shown, says_more, station
from fax_bridge.mail.words import Words
from fax_bridge.name_tokens import file_stem, filled

PICTURE = "page-1@fax-bridge"
"""The Content-ID of the first page's picture; it has to be unique within its mail only (RFC 2392)."""


@dataclass(frozen=True, slots=True)
class File:
    name: str
    data: bytes
    maintype: str
    subtype: str

    @property
    def is_original(self) -> bool:
        """As it came, and no PDF."""
        return self.subtype == "tiff"

    @property
    def content_type(self) -> str:
        return f"{self.maintype}/{self.subtype}"


def received_view(fax: ReceivedFax, words: Words, shown: Shown) -> dict[str, object]:
    """The values of ``received.*``, all but the names of what is attached."""
    number, raw = numbers.shown(fax.caller) if fax.caller else "", line(fax.caller_raw, 60)
    kind = "number" if number else "raw" if raw else "withheld"
    origin = words.phrase(fax.language, f"received.{kind}", number=number, raw=raw)
    short = number or words.phrase(fax.language, f"received.short_{kind}", raw=raw)
    how = "no_pdf" if fax.pdf is None else "damaged" if fax.faults else "whole"
    called = _called(fax)
    return {
        "headline": words.phrase(fax.language, f"received.{how}", origin=origin, pages=fax.pages),
        "how": how,
        "tone": "good" if how == "whole" else "bad" if how == "no_pdf" else "unsure",
        "origin": short,
        "number": number,
        "raw": raw,
        "called": called,
        "station": station(fax.remote_station),
        "pages": words.phrase(fax.language, "pages.count", n=shown.count(fax.pages)) if fax.pages > 0 else "",
        "received": shown.when(fax.received_at),
        "problem": reason(fax.problem, words, fax.language),
        "problem_detail": line(fax.problem_detail, 300),
        "faults": [line(fault, 300) for fault in fax.faults],
        "fallback": _fallback(fax, words, called),
        "picture": PICTURE if fax.picture_png is not None and fax.shape == "attachment" else "",
        "shape": fax.shape,
        "too_large": fax.too_large,
        "without_tiff": fax.without_tiff,
        "links": fax.links,
        "until": shown.when(fax.until),
        "fax_id": line(fax.fax_id),
        "provider_id": line(fax.provider_id),
        "zone": shown.zone(),
    }


def received_headers(fax: ReceivedFax) -> Iterator[tuple[str, str]]:
    """For filters of mail servers and programs: each has its value, or is not there."""
    told = {
        "Id": fax.fax_id,
        "FaxMAX-Id": fax.provider_id,
        "Caller": fax.caller or fax.caller_raw,
        "Called": fax.called,
        "CSID": fax.remote_station,
        "Pages": str(fax.pages) if fax.pages else "",
        "Date": _utc(fax),
        "Account": fax.account,
        "Route": fax.route,
        "Faults": str(len(fax.faults)) if fax.faults else "",
        "Problem": fax.problem,
        "Fallback": fax.fallback_reason,
    }
    return ((name, line(value, 100)) for name, value in told.items() if line(value, 100))


def received_facts(fax: ReceivedFax, files: Sequence[File]) -> dict[str, Any]:
    """The same for a JSON file, and what a webhook is told; keys are only ever added."""
    return {
        "id": fax.fax_id,
        "faxmax_id": fax.provider_id,
        "account": fax.account,
        "received_at": _utc(fax),
        "caller": fax.caller or None,
        "caller_as_given": fax.caller_raw,
        "called": fax.called or None,
        "csid": fax.remote_station,
        "pages": fax.pages or None,
        "faults": list(fax.faults),
        "problem": fax.problem or None,
        "route": fax.route or None,
        "files": [
            {
                "name": file.name,
                "content_type": file.content_type,
                "size": len(file.data),
                "sha256": sha256(file.data).hexdigest(),
            }
            for file in files
        ],
    }


def attached(fax: ReceivedFax, words: Words, shown: Shown) -> list[File]:
    """What the mail itself carries."""
    return files_of(fax, words, shown) if fax.shape == "attachment" else []


def files_of(fax: ReceivedFax, words: Words, shown: Shown) -> list[File]:
    """In the wanted format; the original too where the PDF is missing or not the whole truth."""
    stem = _stem(fax, words, shown)
    files = []
    if fax.pdf is not None and (fax.format != "tiff" or not fax.tiff):
        files.append(File(f"{stem}.pdf", fax.pdf, "application", "pdf"))
    wanted = fax.format != "pdf" or fax.pdf is None or fax.faults
    if fax.tiff and wanted and not fax.without_tiff:
        files.append(File(f"{stem}.tif", fax.tiff, "image", "tiff"))
    return files


def named(template: str, fax: ReceivedFax, shown: Shown, *, for_file: bool = False) -> str:
    """The template with its tokens filled: numbers as people write them, in a file's name as digits."""
    local = shown.local(fax.received_at)
    calling, called = (fax.caller or line(fax.caller_raw, 40)), line(fax.called, 40)
    if not for_file:
        calling, called = (numbers.shown(calling) if fax.caller else calling), _called(fax)
    values = {
        "calling": calling,
        "called": called,
        "csid": station(fax.remote_station),
        "pages": str(fax.pages) if fax.pages else "",
        "date": f"{local:%Y-%m-%d}",
        "time": f"{local:%H%M}" if for_file else f"{local:%H:%M}",
        "id": fax.fax_id,
        "account": fax.account,
    }
    return line(filled(template, values))


def caller_name(fax: ReceivedFax) -> str:
    """The number as people write it, and what the machine calls itself where that says more."""
    name, itself = numbers.shown(fax.caller), station(fax.remote_station)
    return f"{name} ({itself})" if says_more(itself, fax.caller) else name


def _stem(fax: ReceivedFax, words: Words, shown: Shown) -> str:
    if fax.file_name:
        return file_stem(named(fax.file_name, fax, shown, for_file=True), fax.fax_id)
    who = fax.caller or words.phrase(fax.language, "received.nobody")
    return f"{words.phrase(fax.language, 'received.file')}-{who}-{shown.local(fax.received_at):%Y%m%d-%H%M}"


def _called(fax: ReceivedFax) -> str:
    return numbers.shown(line(fax.called, 40)) if fax.called else ""


def _utc(fax: ReceivedFax) -> str:
    return f"{datetime.fromtimestamp(fax.received_at / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _fallback(fax: ReceivedFax, words: Words, called: str) -> str:
    """A reason that has no phrase yet is shown as it is, rather than not at all."""
    path = f"fallback.{fax.fallback_reason}"
    known = words.has_phrase(fax.language, path)
    return words.phrase(fax.language, path, called=called) if known else line(fax.fallback_reason)
