"""The key that an installation makes for itself at its first start, and shares with all its nodes."""

import secrets
from functools import partial

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from fax_bridge.store.schema import site_key
from fax_bridge.store.store import Store, Tx

TOKENS = "tokens"
"""Signs bounce addresses and links (:mod:`fax_bridge.signed_tokens`)."""


async def key_of(store: Store, name: str = TOKENS) -> bytes:
    """32 random octets, the same at every call; made at the first one."""
    async with store.read() as conn:
        known = await _read(conn, name)
    if known is not None:
        return known
    try:
        return await store.write(partial(_make, name=name))
    except IntegrityError:  # another node was first
        async with store.read() as conn:
            known = await _read(conn, name)
        if known is None:
            raise
        return known


async def _read(conn: AsyncConnection, name: str) -> bytes | None:
    found: bytes | None = (await conn.execute(select(site_key.c.value).where(site_key.c.name == name))).scalar()
    return found


async def _make(tx: Tx, *, name: str) -> bytes:
    known = await _read(tx.conn, name)
    if known is not None:
        return known
    value = secrets.token_bytes(32)
    await tx.conn.execute(insert(site_key).values(name=name, value=value))
    return value
