"""``[[senders]]``: who may send, and how their faxes look."""

import re
from functools import lru_cache
from typing import Self

from pydantic import Field, model_validator

from fax_bridge.fax import Language, Paper, Resolution
from fax_bridge.setting_types import Network, NumberRange
from fax_bridge.settings.section import Section


class Sender(Section):
    """Who may send. The conditions within an entry all have to hold; the first entry that fits is taken."""

    match: str = Field(min_length=1)
    """The envelope sender; ``*`` is any run of characters. The whole address has to fit."""
    networks: tuple[Network, ...] = ()
    account: str = "default"
    language: Language | None = None
    cli: str = ""
    paper_size: Paper | None = None
    resolution: Resolution | None = None
    allow: tuple[NumberRange, ...] = ()
    """Where this sender's faxes may go, within ``numbers.allow``; empty: wherever that allows."""
    deny: tuple[NumberRange, ...] = ()
    max_recipients: int = Field(default=0, ge=0)
    """Of one mail, however many transactions its client makes of it; 0: no limit."""
    robot: bool = False
    """A program: it is never asked whether it means a fax that looks like the one before."""

    @model_validator(mode="after")
    def has_a_condition(self) -> Self:
        if not self.networks:
            raise ValueError(
                f'"{self.match}" has no condition beside match, and an envelope sender proves nothing. '
                'Add networks, e.g. networks = ["192.168.1.0/24"].'
            )
        return self

    def fits(self, mail_from: str) -> bool:
        return bool(_pattern(self.match).fullmatch(mail_from.lower()))


@lru_cache(maxsize=4096)
def _pattern(match: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(piece) for piece in match.lower().split("*")), re.DOTALL)
