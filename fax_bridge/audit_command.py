"""``fax-bridge audit``: who did what, to whom, by which right."""

import asyncio
import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, get_args
from zoneinfo import ZoneInfo

import typer

from fax_bridge.acts import Act
from fax_bridge.errors import BridgeError

if TYPE_CHECKING:
    from fax_bridge.settings import Settings

_ACTS = ", ".join(get_args(Act))


def add_to(app: typer.Typer, settings_of: "Callable[[Path | None], Settings]") -> None:
    """``settings_of`` turns ``--config`` into settings, or ends the program with their faults."""

    @app.command("audit")
    def show(
        config: Annotated[Path | None, typer.Option("--config", help="The settings.")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
        limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many, the newest first.")] = 50,
        who: Annotated[str, typer.Option(help="A part of the address or the account's name.")] = "",
        to: Annotated[str, typer.Option(help="A number, or its beginning, with the country code.")] = "",
        act: Annotated[list[str] | None, typer.Option(help=f"Only these: {_ACTS}.")] = None,
        about: Annotated[str, typer.Option(help="The id of a message, fax or push.")] = "",
        since: Annotated[datetime | None, typer.Option(help="From then on, in reports.timezone.")] = None,
        until: Annotated[datetime | None, typer.Option(help="Before then.")] = None,
    ) -> None:
        """Who did what, to whom, by which right, and the SHA-256 of the document."""
        from fax_bridge import console
        from fax_bridge.audit_trail import audit_list
        from fax_bridge.store import audit
        from fax_bridge.wall_clock import instant_of

        settings = settings_of(config)
        if unknown := set(act or ()) - set(get_args(Act)):
            _fail(f"There is no act {', '.join(sorted(unknown))}. There are: {_ACTS}.")
        zone = ZoneInfo(settings.reports.timezone)
        wanted = audit.Wanted(
            limit=limit,
            who=who,
            to=re.sub(r"\D", "", to),
            acts=tuple(act or ()),
            about=about.upper(),
            since=instant_of(since.replace(tzinfo=zone)) if since else 0,
            until=instant_of(until.replace(tzinfo=zone)) if until else None,
        )
        try:
            rows = asyncio.run(audit_list(settings, wanted))
        except BridgeError as fault:
            _fail(str(fault))
        if as_json:
            typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        else:
            console.audit(rows)


def _fail(text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(1)
