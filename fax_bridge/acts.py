"""What the audit log tells of: the words of its column ``act``."""

from typing import Literal

Act = Literal[
    "accepted", "document", "withdrawn", "held", "retry", "hold", "release", "cancel", "resend", "replay", "resume",
    "restore",
]  # fmt: skip
