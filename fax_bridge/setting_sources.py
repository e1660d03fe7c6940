"""Where settings come from (credentials, environment, TOML file), and how their faults are told.

Each fault is a line *where: what. mend*. No line shows a value that could be a secret.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, TomlConfigSettingsSource

from fax_bridge.settings import Settings, SettingsError

ENV_PREFIX = "FAX_BRIDGE_"
ENV_OUTSIDE = frozenset({"FAX_BRIDGE_CONFIG", "FAX_BRIDGE_CI"})
"""Variables with our prefix that are not settings."""


class CredentialsSource(PydanticBaseSettingsSource):
    """Files in systemd's ``$CREDENTIALS_DIRECTORY`` named as their setting, e.g. ``faxmax.token``."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # the base class asks for it; __call__ below reads whole files instead

    def __call__(self) -> dict[str, Any]:
        directory = os.environ.get("CREDENTIALS_DIRECTORY")
        found: dict[str, Any] = {}
        if not directory:
            return found
        for file in sorted(Path(directory).iterdir()):
            *path, key = file.name.split(".")
            if not path or path[0] not in self.settings_cls.model_fields:
                continue  # systemd may hand over credentials that are meant for others
            text = file.read_text(encoding="utf-8").strip()
            here = found
            for step in path:
                here = here.setdefault(step, {})
            here[key] = text.splitlines() if key == "secrets" else text
        return found


class _Sourced(Settings):
    """The settings with their sources, strongest first: credentials, environment, file."""

    config_file: ClassVar[Path | None] = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            CredentialsSource(settings_cls),
            env_settings,
            TomlConfigSettingsSource(settings_cls, toml_file=cls.config_file),
        )


def load(config: Path | None) -> Settings:
    """The settings from ``config``; with ``None`` from environment and credentials alone.

    Raises :class:`SettingsError`.
    """
    faults = _unknown_variables(os.environ)
    if config is not None:
        try:
            tomllib.loads(config.read_text(encoding="utf-8"))
        except OSError as fault:
            raise SettingsError([f"{config}: cannot be read ({fault.strerror}). Name another with --config."]) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
            raise SettingsError([f"{config}: is not TOML: {fault}. Mend that line."]) from None

    class Loaded(_Sourced):
        config_file = config

    try:
        loaded = Loaded()
    except ValidationError as fault:
        raise SettingsError(faults + _sentences(fault)) from None
    except SettingsError as fault:
        raise SettingsError(faults + fault.faults) from None
    except ValueError as fault:  # pydantic-settings: a variable that should hold JSON does not
        raise SettingsError([*faults, f"environment: {fault}. Write lists as JSON."]) from None
    if faults:
        raise SettingsError(faults)
    return loaded


def _unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """pydantic-settings ignores a variable whose section it does not know; a typing error must not pass."""
    sections = {name.upper() for name in Settings.model_fields}
    faults = []
    for name in sorted(environ):
        section = name.removeprefix(ENV_PREFIX).split("__")[0]
        if name.startswith(ENV_PREFIX) and name not in ENV_OUTSIDE and section.upper() not in sections:
            near = difflib.get_close_matches(section, sections, 1)
            hint = f"Did you mean {ENV_PREFIX}{near[0]}__…?" if near else "Unset it."
            faults.append(f"environment {name}: no such setting. {hint}")
    return faults


def _sentences(error: ValidationError) -> list[str]:
    """pydantic's findings as sentences of ours, which never show a value that may be secret."""
    findings = error.errors(include_url=False)
    # A list whose every entry is wrong is called empty too: that says nothing new.
    told = [
        f for f in findings if f["type"] != "too_short" or not any(_below(other["loc"], f["loc"]) for other in findings)
    ]
    faults: list[str] = []
    for finding in told:
        cause = finding.get("ctx", {}).get("error")
        faults += cause.faults if isinstance(cause, SettingsError) else [_sentence(finding, finding["loc"])]
    return faults


def _below(loc: tuple[int | str, ...], above: tuple[int | str, ...]) -> bool:
    return len(loc) > len(above) and loc[: len(above)] == above


def _sentence(finding: Any, loc: tuple[str | int, ...]) -> str:
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc).lstrip(".") or "settings"
    where = where.replace("from_", "from")
    match finding["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(str(loc[-1]), _known_keys(loc[:-1]), 1)
            return f"{where}: no such setting. " + (f'Did you mean "{near[0]}"?' if near else "Take it out.")
        case "missing":
            return f"{where}: is missing. Add it; README.md shows the smallest settings."
        case "too_short":
            return f"{where}: is empty. Give at least one entry."
        case "value_error":
            cause = finding.get("ctx", {}).get("error")
            return f"{where}: {cause if cause is not None else finding['msg']}"
        case _:
            return f"{where}: {finding['msg']}. Write a value of that kind."


def _known_keys(loc: tuple[str | int, ...]) -> list[str]:
    model: Any = Settings
    for step in loc:
        if isinstance(step, int):
            continue
        field = model.model_fields.get(step) if hasattr(model, "model_fields") else None
        if field is None:
            return []
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
        model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
    if model is None:
        return []
    return [field.alias or name for name, field in model.model_fields.items()]
