"""What may be left out of a fax: by which setting each reason to refuse a part can be let pass.

By default nothing may: one part that cannot be faxed refuses the mail. The mail's own text never is left out, nor what
cannot even be told apart as a part (``bad_mime``).
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from fax_bridge.email_to_fax.mail_part import MailPart, Plan, ReadMail
from fax_bridge.fax import SkipKind

_REASONS: Mapping[SkipKind, tuple[str, ...]] = {
    SkipKind.ARCHIVE: ("zip_not_opened", "zip_too_large"),
    SkipKind.OFFICE: ("office_broken", "office_incomplete", "office_too_large"),
    SkipKind.PASSWORD: ("pdf_password", "office_password", "zip_password"),
    SkipKind.ENCRYPTED: ("mail_encrypted",),
    SkipKind.BROKEN: (
        "pdf_broken", "image_broken", "tiff_broken", "packed_broken", "text_undecodable", "worker_crashed",
    ),
    SkipKind.EMPTY: ("pdf_empty", "text_empty", "html_empty"),
    SkipKind.TOO_LARGE: ("image_too_large", "html_too_large", "worker_limit", "worker_timeout"),
    SkipKind.UNKNOWN: ("unsupported_type", "pdf_dynamic_form", "pdf_portfolio"),
}  # fmt: skip
KIND_OF: Mapping[str, SkipKind] = {reason: kind for kind, reasons in _REASONS.items() for reason in reasons}
"""By the reason that a part is refused for. What is not here refuses the mail whatever is set."""

_BODY_TYPES = {"text/plain", "text/html"}


def may_skip(reason: str, skip: Collection[SkipKind]) -> bool:
    return KIND_OF.get(reason) in skip


def without_skipped(mail: ReadMail, skip: Collection[SkipKind]) -> ReadMail:
    """The mail, with its refused parts left out where that is allowed."""

    def settled(part: MailPart) -> MailPart:
        is_text = part.content_type in _BODY_TYPES and not part.name
        if part.plan != Plan.REFUSED or is_text or not may_skip(part.reason, skip):
            return part
        return replace(part, plan=Plan.SKIPPED)

    return replace(mail, parts=tuple(map(settled, mail.parts)))
