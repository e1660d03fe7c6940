"""docs/settings.md, made from the settings themselves; ``scripts/settings-docs`` writes it.

Types and meanings are read from the source (a string below a field is its meaning), defaults from the classes.
"""

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator, Sequence
from datetime import time
from enum import Enum
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from fax_bridge.service.reload import LIVE
from fax_bridge.setting_types import Seconds
from fax_bridge.settings import Settings

HEAD = """\
# Settings

Written by `scripts/settings-docs` from `fax_bridge/settings`; change it there.

They stand in `/etc/fax-bridge/fax-bridge.toml`, or the file that `--config` or `$FAX_BRIDGE_CONFIG` names. A variable
`FAX_BRIDGE_SECTION__KEY` wins over the file (lists as JSON), a file `SECTION.KEY` of systemd's credentials over both.
For each *secret* a `KEY_file` may name a file with the value instead. An unknown key refuses to start.
`fax-bridge check` says what is wrong, and how to mend it.

A *duration* is a number with its unit: `"250ms"`, `"30s"`, `"10m"`, `"2h"`, `"7d"`. Keys with ↻ change at
`systemctl reload fax-bridge`; the others at a restart.
"""

TYPES = {
    "str": "text", "int": "number", "float": "number", "bool": "true or false", "Path": "path", "SecretStr": "secret",
    "Duration": "duration", "Listen": "`HOST:PORT`", "ListenOrSocket": "`HOST:PORT` or `unix:/PATH`",
    "Domain": "domain", "Address": "mail address", "FromHeader": "`Name <address>`", "Network": "network, or `unix`",
    "ClockTime": "`HH:MM`", "Destination": "beginning of a number, or `*`", "Zone": "time zone", "Any": "value",
}  # fmt: skip


def page() -> str:
    tables, lone = [], []
    for name, field in Settings.model_fields.items():
        kind = _model(field.annotation)
        if kind is None:
            lone.append((Settings, name, field))
        else:
            many = field.annotation is not kind
            tables.append(_section(name, kind, many=many, required=field.is_required()))
    top = ["## Above all sections", "", *_table(lone, "")] if lone else []
    return "\n".join([HEAD, *("\n".join(table) + "\n" for table in tables), *top, ""])


def _section(name: str, kind: type[BaseModel], *, many: bool, required: bool) -> list[str]:
    own = inspect.getdoc(kind) if kind.__doc__ and kind.__doc__ != BaseModel.__doc__ else ""
    lines = [f"## `[[{name}]]`" if many else f"## `[{name}]`", ""]
    if many:
        lines += [f"Any number of entries{', at least one' if required else ''}.", ""]
    if own:
        lines += [_flat(own), ""]
    return lines + _table([(kind, key, field) for key, field in kind.model_fields.items()], name)


def _table(rows: Sequence[tuple[type[BaseModel], str, FieldInfo]], section: str) -> list[str]:
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for model, key, field in rows:
        written, meaning = _source(model).get(key, ("", ""))
        dotted = f"{section}.{key}" if section else key
        live = " ↻" if section in LIVE or dotted in LIVE else ""
        secret = " (secret)" if key in getattr(model, "SECRETS", ()) and not written.endswith("secret") else ""
        cells = (f"`{field.alias or key}`{live}", written + secret, _default(field), _flat(meaning))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


def _source(model: type[BaseModel]) -> dict[str, tuple[str, str]]:
    """By field, its type in words and its meaning; a subclass's field replaces its parent's."""
    found: dict[str, tuple[str, str]] = {}
    for kind in reversed(model.__mro__):
        if not issubclass(kind, BaseModel) or kind.__module__.startswith("pydantic"):
            continue
        names = vars(sys.modules[kind.__module__])
        body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
        assert isinstance(body, ast.ClassDef)  # noqa: S101 — the source of a class is one
        for here, after in zip(body.body, [*body.body[1:], None], strict=True):
            if isinstance(here, ast.AnnAssign) and isinstance(here.target, ast.Name):
                found[here.target.id] = (_type(here.annotation, names), _string(after))
    return found


def _string(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return node.value.value
    return ""


def _type(node: ast.expr, names: dict[str, Any]) -> str:
    match node:
        case ast.Subscript(value=ast.Name(id="tuple" | "list"), slice=ast.Tuple(elts=[of, *_])):
            return f"list of {_type(of, names)}"
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inside):
            return " or ".join(f"`{json.dumps(ast.literal_eval(one))}`" for one in getattr(inside, "elts", [inside]))
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[_, of])):
            return f"table of {_type(of, names)}"
        case ast.BinOp(left=left, right=ast.Constant(value=None)):
            return _type(left, names)
        case ast.BinOp(left=left, right=right):
            return f"{_type(left, names)} or {_type(right, names)}"
        case ast.Name(id=name):
            return _named(name, names.get(name))
        case _:
            return "value"


def _named(name: str, found: Any) -> str:
    if name in TYPES:
        return TYPES[name]
    if isinstance(found, type) and issubclass(found, Enum):
        return " or ".join(f'`"{word.value}"`' for word in found)
    if isinstance(found, type) and issubclass(found, BaseModel):
        return "`{ " + ", ".join(field.alias or key for key, field in found.model_fields.items()) + " }`"
    words = [word for word in get_args(found) if isinstance(word, str)]  # of a Literal
    return " or ".join(f"`{json.dumps(word)}`" for word in words) or "text"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "*required*"
    value = field.get_default(call_default_factory=True)
    return "" if value in (None, "", (), {}) else f"`{_toml(value)}`" if _toml(value) else ""


def _toml(value: Any) -> str:
    match value:
        case Seconds():
            return f'"{_duration(value)}"'
        case bool():
            return str(value).lower()
        case SecretStr():
            return json.dumps(value.get_secret_value()) if value.get_secret_value() else ""
        case Enum():
            return json.dumps(value.value)
        case int() | float():
            return f"{value:_}" if isinstance(value, int) and value >= 10_000 else f"{value:g}"
        case time():
            return f'"{value:%H:%M}"'
        case tuple() | list():
            return f"[{', '.join(_toml(one) for one in value)}]"
        case _:
            return json.dumps(str(value), ensure_ascii=False)


_UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


def _duration(seconds: float) -> str:
    """As the settings write it, in the largest unit that fits evenly."""
    if seconds == 0 or seconds % 1:
        return "0s" if seconds == 0 else f"{seconds * 1000:g}ms"
    return next(f"{seconds / length:g}{unit}" for unit, length in _UNITS if seconds % length == 0)


def _flat(text: str) -> str:
    """A docstring as a line of Markdown."""
    return " ".join(text.split()).replace("``", "`")


def _model(annotation: Any) -> type[BaseModel] | None:
    return next((kind for kind in _inside(annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _inside(annotation: Any) -> Iterator[Any]:
    yield annotation
    for argument in get_args(annotation):
        yield from _inside(argument)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
