"""``fax-bridge received``: the faxes that came in, and each as a file for as long as it is kept."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fax_bridge.documents.worker import Documents
from fax_bridge.errors import Permanent
from fax_bridge.numbers import shown
from fax_bridge.settings import Settings
from fax_bridge.store import pushes
from fax_bridge.store.store import Store


async def listed(settings: Settings, limit: int) -> list[dict[str, Any]]:
    """The newest first."""
    store = await Store.open(settings.store.url, exclusive=False)
    try:
        async with store.read() as conn:
            rows = await pushes.newest_received(conn, limit)
    finally:
        await store.close()
    zone = ZoneInfo(settings.reports.timezone)
    return [
        {
            "id": row.id,
            "state": row.state,
            "received_at": datetime.fromtimestamp(row.received_at / 1000, zone).isoformat(timespec="seconds"),
            "caller": shown(row.caller) if row.caller else row.caller_raw,
            "called": shown(row.called) if row.called else row.called_raw,
            "csid": row.remote_station,
            "account": row.account,
            "pages": row.pages,
            "problem": row.problem,
            "fallback": row.fallback_reason,
            "faxmax_id": row.provider_id,
            "kept": bool(row.size),
        }
        for row in rows
    ]


async def as_file(settings: Settings, fax_id: str, *, as_pdf: bool) -> bytes:
    """The fax as a PDF, or as it came. Raises :class:`Permanent` where there is none, and what the converter raises."""
    store = await Store.open(settings.store.url, exclusive=False)
    try:
        async with store.read() as conn:
            tiff = await pushes.tiff_or_none(conn, fax_id.upper())
    finally:
        await store.close()
    if not tiff:
        raise Permanent(
            f"There is no fax {fax_id}, or it is purged. fax-bridge received list shows those that are kept."
        )
    if not as_pdf:
        return tiff
    async with Documents() as documents:
        return (await documents.tiff_to_pdf(tiff)).pdf
