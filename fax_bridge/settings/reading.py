"""``[reading]``: what of a mail is faxed."""

from typing import Literal

from fax_bridge.settings.section import Section


class Reading(Section):
    """What of a mail is faxed."""

    quoted_original: Literal["cut", "keep"] = "cut"
    """In a reply to a report or a received fax of ours: the quoted original, our picture and our PDF."""
    zip: Literal["refuse", "unpack"] = "refuse"
    """Zip files: one level is unpacked, or a mail with one is refused."""
