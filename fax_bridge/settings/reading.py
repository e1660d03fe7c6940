"""``[reading]``: what of a mail is faxed."""

from typing import Literal

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
