"""fax-bridge(1), made from the command's own definition: ``python -m fax_bridge.setup.manual > fax-bridge.1``."""

import re
from collections.abc import Iterator
from typing import Any

import typer

from fax_bridge import __version__
from fax_bridge.cli import app

OPENING = r"""fax\-bridge is a daemon that joins e\-mail and fax through the FaxMAX cloud fax service. A mail to
NUMBER@DOMAIN is faxed, and its sender gets a report; a received fax becomes a PDF in a mailbox."""

FILES = (
    ("/etc/fax-bridge/fax-bridge.toml", "The settings; docs/settings.md in the documentation tells all of them."),
    ("/etc/credstore/fax-bridge.*", "Secrets that are not to stand in the settings, as systemd hands them over."),
    ("/var/lib/fax-bridge", "The database, with all mails and faxes."),
)
ENVIRONMENT = (
    ("FAX_BRIDGE_CONFIG", "The settings file, where --config is not given."),
    ("FAX_BRIDGE_SECTION__KEY", "A setting, which wins over the file; lists as JSON."),
)


def page() -> str:
    """In the man(7) language."""
    command: Any = typer.main.get_command(app)
    lines = [
        f'.TH FAX\\-BRIDGE 1 "" "fax\\-bridge {__version__}" "System administration"',
        ".SH NAME",
        r"fax\-bridge \- e\-mail to fax and fax to e\-mail, through FaxMAX",
        ".SH SYNOPSIS",
        r".B fax\-bridge",
        ".I COMMAND",
        "[OPTION]...",
        ".SH DESCRIPTION",
        *OPENING.splitlines(),
        ".SH COMMANDS",
        *_commands(command, ""),
    ]
    for heading, entries in (("FILES", FILES), ("ENVIRONMENT", ENVIRONMENT)):
        lines.append(f".SH {heading}")
        for name, text in entries:
            lines += [".TP", f".I {_escaped(name)}", _escaped(text)]
    lines += [".SH EXIT STATUS", "0 where all is well, 1 where not, 2 for words that are not understood."]
    return "\n".join(lines) + "\n"


def _commands(group: Any, above: str) -> Iterator[str]:
    for name, command in group.commands.items():
        words = f"{above}{name}"
        if hasattr(command, "commands"):
            yield from _commands(command, f"{words} ")
            continue
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        metavars = " ".join(p.metavar or p.name.upper() for p in arguments)
        yield f".SS {_escaped(f'{words} {metavars}'.rstrip())}"
        yield _escaped(" ".join((command.help or "").split()))
        for parameter in command.params:
            if parameter.help:
                yield ".TP"
                yield f".B {_escaped(_heading(parameter))}"
                yield _escaped(" ".join(parameter.help.split()))


def _heading(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    value = "" if parameter.is_flag else f" {parameter.name.upper()}"
    return ", ".join(parameter.opts) + value


def _escaped(text: str) -> str:
    """Hyphens that are to be copied, and lines that would be taken for requests (groff_char(7))."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"^([.'])", r"\\&\1", text)


if __name__ == "__main__":
    typer.echo(page(), nl=False)
