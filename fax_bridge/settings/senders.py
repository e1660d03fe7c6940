"""``[[senders]]``: who may send, and how their faxes look."""

import re
from functools import lru_cache
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from fax_bridge.fax import CoverPolicy, Language, Paper, Resolution, SkipKind
from fax_bridge.report_wishes import Outcomes
from fax_bridge.setting_types import Address, Network
from fax_bridge.settings.cover import template_name
from fax_bridge.settings.section import Section


class Sender(Section):
    """Who may send. The conditions within an entry all have to hold; the first entry that fits is taken."""

    match: str = Field(min_length=1)
    """The envelope sender; ``*`` is any run of characters. The whole address has to fit."""
    networks: tuple[Network, ...] = ()
    account: str = "default"
    language: Language | None = None
    cover: CoverPolicy | None = None
    cover_template: str = ""
    quoted_threads: Literal["keep", "cut"] | None = None
    signatures: Literal["keep", "cut"] | None = None
    cli: str = ""
    paper_size: Paper | None = None
    resolution: Resolution | None = None
    reports: Outcomes | None = None
    """Which ends are mailed; ``[reports] outcomes`` where it is not given."""
    report_to: tuple[Address, ...] = ()
    """Who gets the reports instead of the envelope sender."""
    report_cc: tuple[Address, ...] = ()
    report_bcc: tuple[Address, ...] = ()
    """An archive, which the others do not see."""
    allowed_cli: tuple[str, ...] = ()
    """Numbers that a mail may ask to be shown as the calling one, beside ``cli``."""
    books: bool = False
    """Whether ``book-ID@`` and ``contact-ID@`` may be written: their numbers are FaxMAX's, and not known here."""
    skip: tuple[SkipKind, ...] | None = None
    """Kinds of part that a mail may go without; ``reading.skip`` where this is left out."""
    max_pages: int = Field(default=0, ge=0)
    """Pages of a document, without the cover; 0 for as many as there are."""
    max_bytes: int = Field(default=0, ge=0)
    """Bytes of a mail; 0 for ``smtp.max_message_bytes``, which holds in any case."""

    @field_validator("cover_template")
    @classmethod
    def is_a_name(cls, name: str) -> str:
        return template_name(name)

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
