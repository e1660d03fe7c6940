"""``[store]`` and ``[retention]``: where things are kept, and for how long."""

import re
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from fax_bridge.setting_types import Duration, Seconds
from fax_bridge.settings.section import Section


class StoreSettings(Section):
    """The database: all mails, faxes, and what became of them."""

    SECRETS = frozenset({"url"})
    url: str = Field(default="sqlite:////var/lib/fax-bridge/fax-bridge.db", repr=False)
    """``sqlite:////ABSOLUTE/PATH`` or ``postgresql://USER:PASSWORD@HOST/DATABASE``; shown without its password."""

    @field_validator("url")
    @classmethod
    def known_scheme(cls, url: str) -> str:
        if not re.fullmatch(r"sqlite:///.+|postgres(ql)?://.+", url):
            raise ValueError(
                'no such store. Write "sqlite:////ABSOLUTE/PATH.db" (four slashes) '
                'or "postgresql://USER:PASSWORD@HOST/DATABASE".'
            )
        return url

    @property
    def path(self) -> Path | None:
        """The SQLite file; ``None`` for a server."""
        return Path(self.url.removeprefix("sqlite:///")) if self.url.startswith("sqlite:") else None


class Retention(Section):
    """How long things are kept after their end."""

    content: Duration = Seconds(604800.0)
    """Mails, documents, received faxes, raw pushes."""
    metadata: Duration = Seconds(34560000.0)
    """Who sent what to whom, and what became of it."""
    audit: Duration = Seconds(34560000.0)
    """The lines of the audit log; each keeps the time that held when it was written."""

    @model_validator(mode="after")
    def history_outlives_content(self) -> Self:
        if self.metadata < self.content:
            raise ValueError('metadata is kept shorter than content. Give it at least as long, e.g. "400d".')
        if self.audit < self.metadata:
            raise ValueError('audit is kept shorter than metadata. Give it at least as long, e.g. "400d".')
        return self
