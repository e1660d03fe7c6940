"""What all sections of the settings have in common: they are strict, frozen, and read secrets from files."""

import re
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, model_validator


class SettingsError(ValueError):
    """The settings cannot run; ``faults`` has a line for each thing to mend."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True)
    SECRETS: ClassVar[frozenset[str]] = frozenset()
    """Keys of which ``KEY_file`` may name a file with the value."""

    @model_validator(mode="before")
    @classmethod
    def read_secret_files(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        values = dict(values)
        for key in cls.SECRETS & {k.removesuffix("_file") for k in values if k.endswith("_file")}:
            name = values.pop(f"{key}_file")
            if key in values:
                raise ValueError(f"both {key} and {key}_file are given. Keep one of them.")
            try:
                text = Path(name).read_text(encoding="utf-8").strip()
            except (OSError, TypeError, UnicodeDecodeError) as fault:
                why = getattr(fault, "strerror", None) or type(fault).__name__
                raise ValueError(f"{key}_file: cannot read {name} ({why}). Check the path and its owner.") from None
            values[key] = text.splitlines() if key == "secrets" else text
        return values


MASK = "**********"


def masked(url: str) -> str:
    """The URL without what stands between ``//`` and ``@``, where passwords are, also in a query."""
    return re.sub(r"(password=)[^&]*", rf"\g<1>{MASK}", re.sub(r"//[^/@]*@", f"//{MASK}@", url))
