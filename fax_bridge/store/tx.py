"""One write under way, and what follows it: wake-ups, further writes, and what takes it back if it was in doubt."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

Item = TypeVar("Item")
Value = TypeVar("Value")

log = structlog.get_logger("store")


@dataclass(frozen=True, slots=True)
class Tx:
    """Given to the work of a write: its connection, and its say in what comes after the commit."""

    conn: AsyncConnection
    node: str
    """The name of this process among those that share the database."""
    woken: set[str] = field(default_factory=set)
    following: "list[Write]" = field(default_factory=list)
    undoing: "list[Write]" = field(default_factory=list)

    @property
    def shared(self) -> bool:
        """Whether other nodes see what is committed."""
        return self.conn.dialect.name == "postgresql"

    def wake(self, queue: str) -> None:
        """There is work for that queue once this is committed."""
        self.woken.add(queue)

    def follow(self, work: "EachWork[Item, Any]", item: Item) -> None:
        """Once this is known to be on disk, ``work`` is written too, without anybody waiting for it."""
        self.following.append(Write(work, item))

    def undo(self, work: "EachWork[Item, Any]", item: Item) -> None:
        """If the caller was told of a failure and this turns out to have been committed after all, ``work`` takes
        back what must not stand."""
        self.undoing.append(Write(work, item))

    def part(self) -> "Tx":
        """A write of its own inside the same transaction."""
        return Tx(self.conn, self.node)

    def add(self, part: "Tx") -> None:
        """A part is in: what is to follow it is to follow the whole."""
        self.woken.update(part.woken)
        self.following.extend(part.following)
        self.undoing.extend(part.undoing)


EachWork = Callable[[Tx, Sequence[Item]], Awaitable[Sequence[Value | Exception]]]
"""Writes many items at once; returns for each its value, or the fault for its caller."""


@dataclass(slots=True, eq=False)
class Write:
    """What a caller wants written, and what came of it."""

    work: EachWork[Any, Any]
    item: Any
    done: "asyncio.Future[Any] | None" = None
    """``None`` where nobody waits."""
    durable: bool = True
    """Whether the caller has to know it on disk."""
    value: Any = None
    fault: BaseException | None = None

    def fail(self, fault: BaseException) -> None:
        self.fault = fault

    def tell(self) -> None:
        """The caller hears of it; to be called once the outcome is certain."""
        if self.done is None:
            if self.fault is not None:
                log.warning("a write in the background failed", fault=f"{type(self.fault).__name__}: {self.fault}")
        elif self.done.cancelled():
            return
        elif self.fault is not None:
            self.done.set_exception(self.fault)
        else:
            self.done.set_result(self.value)
