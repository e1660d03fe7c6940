"""``fax-bridge route-test`` and ``fax-bridge received``: where a fax would go, and the faxes that are kept here."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn
from zoneinfo import ZoneInfo

import typer

from fax_bridge.errors import BridgeError
from fax_bridge.fax import now

if TYPE_CHECKING:
    from fax_bridge.settings import Settings

Config = Annotated[Path | None, typer.Option("--config", help="The settings, as for serve.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
SettingsOf = Callable[[Path | None], "Settings"]


def register(app: typer.Typer, settings_of: SettingsOf) -> None:
    """Add the commands; ``settings_of`` reads the settings or ends with their faults."""
    received = typer.Typer(no_args_is_help=True, help="The received faxes that are kept here.")
    app.add_typer(received, name="received")

    @app.command("route-test")
    def route_test(
        called: Annotated[str, typer.Option(help="The number called.")] = "",
        caller: Annotated[str, typer.Option(help="The calling number; none for a caller without one.")] = "",
        csid: Annotated[str, typer.Option(help="What the sending machine calls itself.")] = "",
        account: Annotated[str, typer.Option(help="The FaxMAX account.")] = "default",
        pages: Annotated[int, typer.Option(min=0, help="How many; 0 for not known.")] = 1,
        at: Annotated[str, typer.Option(help="When, as 2026-11-26T08:00. [default: now]")] = "",
        config: Config = None,
        as_json: AsJson = False,
    ) -> None:
        """Where such a fax would go, and of every route why or why not. Sends nothing."""
        from fax_bridge.fax_to_email.route import Facts
        from fax_bridge.numbers import BadNumber, read_number
        from fax_bridge.routing import lines_of, tell

        settings = settings_of(config)
        try:
            region = settings.numbers.region
            facts = Facts(
                called=read_number(called, region) if called else "",
                caller=read_number(caller, region) if caller not in {"", "none"} else "",
                remote_station=csid,
                account=account,
                pages=pages,
                at=_instant(at, settings) if at else now(),
            )
        except (BadNumber, ValueError) as fault:
            _fail(str(fault))
        told = tell(settings, facts)
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2) if as_json else "\n".join(lines_of(told)))

    @received.command("list")
    def received_list(
        config: Config = None,
        as_json: AsJson = False,
        limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many, the newest first.")] = 50,
    ) -> None:
        """The received faxes, the newest first, and what became of them."""
        from fax_bridge.received_faxes import listed

        rows = asyncio.run(listed(settings_of(config), limit))
        if as_json:
            typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
            return
        for row in rows:
            kept = "" if row["kept"] else "  (purged)"
            typer.echo(f"{row['id']}  {row['state']:<9}  {row['received_at']}  {row['caller']} > {row['called']}{kept}")

    @received.command("save")
    def received_save(
        fax_id: Annotated[str, typer.Argument(metavar="ID")],
        file: Annotated[Path, typer.Argument(help="A new file: .pdf, or .tif for the fax as it came.")],
        config: Config = None,
    ) -> None:
        """Write a received fax into a file, for as long as it is kept."""
        from fax_bridge.received_faxes import as_file

        try:
            content = asyncio.run(as_file(settings_of(config), fax_id, as_pdf=file.suffix.lower() == ".pdf"))
            with file.open("xb") as out:
                out.write(content)
        except BridgeError as fault:
            _fail(str(fault))
        except OSError as fault:
            _fail(f"{file} cannot be written: {fault.strerror}.")
        typer.echo(f"{file}: {len(content)} bytes.")


def _instant(text: str, settings: "Settings") -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f'"{text}" is no time. Write e.g. 2026-11-26T08:00.') from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=ZoneInfo(settings.reports.timezone))
    return int(at.timestamp() * 1000)


def _fail(text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(1)
