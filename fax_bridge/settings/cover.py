"""``[cover]``: when a fax has a cover page, and which."""

from pydantic import Field, field_validator

from fax_bridge.fax import CoverPolicy
from fax_bridge.settings.section import Section


def template_name(name: str) -> str:
    """Raises ``ValueError`` for what is no name of a file in ``templates/cover``."""
    if name and (not name.replace("-", "").replace("_", "").isalnum() or not name.isascii()):
        raise ValueError(f'"{name}" is no cover. Write the name of a file in cover/ without its .html, e.g. "default".')
    return name


class Cover(Section):
    policy: CoverPolicy = CoverPolicy.WITH_TEXT
    """When there is one; the text of a mail is faxed in any case, on the cover or as pages of the document."""
    template: str = "default"
    """A file ``cover/NAME.html`` in ``templates_dir``, or one that comes with the program."""
    max_bytes: int = Field(default=32_768, ge=1024)
    """A longer text (as cleaned HTML) is no word on a cover: it becomes pages of the document."""

    @field_validator("template")
    @classmethod
    def is_a_name(cls, name: str) -> str:
        return template_name(name) or "default"
