"""``[reading]``: what of a mail is faxed."""

from typing import Literal

from pydantic import Field

from fax_bridge.fax import SkipKind
from fax_bridge.settings.section import Section


class Reading(Section):
    """What of a mail is faxed."""

    quoted_original: Literal["cut", "keep"] = "cut"
    """In a reply to a report or a received fax of ours: the quoted original, our picture and our PDF."""
    quoted_threads: Literal["keep", "cut"] = "keep"
    """In any other reply: the mails that it quotes."""
    signatures: Literal["keep", "cut"] = "keep"
    """What stands below a line ``-- `` (RFC 3676 §4.3), or is marked as a signature by the mail program."""
    zip: Literal["refuse", "unpack"] = "refuse"
    """Zip files: one level is unpacked, or a mail with one is refused."""
    skip: tuple[SkipKind, ...] = ()
    """Kinds of part that a mail may go without. Empty: a part that cannot be faxed refuses the mail."""
    most_listed: int = Field(default=100, ge=0, le=1000)
    """Numbers that an attached distribution list may have; 0: none is used as one."""
