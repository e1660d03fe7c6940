"""The commands ``init``, ``doctor`` and ``test-fax``; :mod:`fax_bridge.cli` puts them beside its own."""

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from fax_bridge.errors import BridgeError
from fax_bridge.setup import init
from fax_bridge.setup.finding import Finding, Verdict
from fax_bridge.setup.init import DEFAULT_CONFIG

if TYPE_CHECKING:
    from rich.console import Console

    from fax_bridge.settings import Settings

Config = Annotated[
    Path | None,
    typer.Option("--config", help=f"The settings. [default: $FAX_BRIDGE_CONFIG, then {DEFAULT_CONFIG}]"),
]
_MARKS = {Verdict.GOOD: "[green]✓[/green]", Verdict.WARNING: "[yellow]![/yellow]", Verdict.BAD: "[red]✗[/red]"}


def add_to(
    app: typer.Typer, path_of: Callable[[Path | None], Path | None], read: "Callable[[Path | None], Settings]"
) -> None:
    """``path_of`` and ``read`` find the settings file and the settings as all commands do."""

    @app.command("init")
    def init_settings(
        config: Annotated[Path, typer.Option(help="The file to write.")] = DEFAULT_CONFIG,
        domain: Annotated[str, typer.Option(prompt="The domain of fax addresses (NUMBER@…)")] = "fax.example.com",
        cli: Annotated[str, typer.Option(prompt="The FaxMAX account's own number, with country code")] = "",
        token: Annotated[
            str, typer.Option(prompt="FaxMAX's access token", hide_input=True, help="Better asked for.")
        ] = "",
        fallback: Annotated[str, typer.Option(prompt="Mail address for alerts and unrouted faxes")] = "",
        sender: Annotated[str, typer.Option(prompt="Who may send, e.g. *@example.com")] = "",
        network: Annotated[
            list[str] | None, typer.Option(help="From where; may be repeated. [default: this machine]")
        ] = None,
        relay: Annotated[str, typer.Option(prompt="The mail server for reports")] = init.Answers.relay,
        public_url: Annotated[
            str, typer.Option(prompt="Where FaxMAX reaches your proxy, or nothing", show_default=False)
        ] = "",
        faxmax_url: Annotated[str, typer.Option(help="FaxMAX's address.")] = init.Answers.faxmax_url,
        store: Annotated[str, typer.Option(help="The database.")] = init.Answers.store,
        smtp_listen: Annotated[str, typer.Option(help="Where mail is taken.")] = init.Answers.smtp_listen,
        webhook_listen: Annotated[str, typer.Option(help="Where pushes are taken.")] = init.Answers.webhook_listen,
        force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    ) -> None:
        """Write a commented settings file, and print what has to be set elsewhere."""
        from fax_bridge.settings import SettingsError

        answers = init.Answers(
            domain=domain, token=token, cli=cli, fallback=fallback, sender=sender,
            networks=tuple(network or init.Answers.networks), relay=relay, public_url=public_url, faxmax_url=faxmax_url,
            store=store, smtp_listen=smtp_listen, webhook_listen=webhook_listen,
        )  # fmt: skip
        secret = init.new_secret()
        try:
            init.write(config, init.settings_text(answers, secret), force=force)
        except SettingsError as fault:
            _fail("Nothing was written:\n" + "\n".join(fault.faults))
        except BridgeError as fault:
            _fail(str(fault))
        typer.echo(f"{config} is written. What is left to do elsewhere:\n")
        for place, lines in init.what_is_left(answers, secret):
            typer.echo(f"# {place}\n{lines}\n")
        typer.echo(f"Then: {init.START}, and fax-bridge doctor.")

    @app.command("doctor")
    def examine(
        config: Config = None,
        as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
        nameserver: Annotated[str | None, typer.Option(help="IP:PORT to ask for MX. [default: the system's]")] = None,
    ) -> None:
        """Look at everything that a fax needs, here and around; 1 if something keeps faxes from going or coming."""
        findings = asyncio.run(_examine(path_of(config), nameserver, as_json=as_json))
        if as_json:
            typer.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
        raise typer.Exit(1 if any(finding.verdict == Verdict.BAD for finding in findings) else 0)

    @app.command("test-fax")
    def test_fax(
        number: Annotated[str, typer.Argument(help="Where to fax it, with country code. It costs what a page costs.")],
        to: Annotated[str, typer.Option("--to", help="You: the sender of the mail, who gets the report.")],
        server: Annotated[str | None, typer.Option(help="HOST:PORT of the bridge. [default: smtp.listen]")] = None,
        config: Config = None,
    ) -> None:
        """Send a test page the whole way and follow it; 0 once the other machine has confirmed it."""
        try:
            delivered = asyncio.run(_follow(read(config), number, to, server))
        except BridgeError as fault:
            _fail(str(fault))
        except KeyboardInterrupt:
            _fail("The fax goes on; fax-bridge faxes list tells what becomes of it.")
        raise typer.Exit(0 if delivered else 1)


async def _examine(config: Path | None, nameserver: str | None, *, as_json: bool) -> list[Finding]:
    from rich.console import Console

    from fax_bridge.setup import doctor

    out = Console(highlight=False, stderr=as_json, width=None if sys.stdout.isatty() else 240)
    findings = []
    with out.status("…") as status:
        looks = doctor.examine(config, nameserver=nameserver, begins=lambda name: status.update(f"{name} …"))
        async for finding in looks:
            findings.append(finding)
            if not as_json:
                _show(out, finding)
    if not as_json:
        faults = sum(finding.verdict == Verdict.BAD for finding in findings)
        out.print(f"\n{faults} to mend." if faults else "\nNothing keeps faxes from going and coming.")
    return findings


def _show(out: "Console", finding: Finding) -> None:
    out.print(f"{_MARKS[finding.verdict]} [bold]{finding.name}[/bold] ", end="")
    out.print(finding.said, markup=False, soft_wrap=True)
    if finding.mend:
        out.print(f"  → {finding.mend}", markup=False, soft_wrap=True)


async def _follow(settings: "Settings", number: str, to: str, server: str | None) -> bool:
    from rich.console import Console

    from fax_bridge.setup import trial

    out = Console(highlight=False, width=None if sys.stdout.isatty() else 240)
    with out.status("The test page is made and handed in …"):
        faxes = await trial.send(settings, number, to, server)
    out.print(f"Accepted as {', '.join(faxes)}; the report goes to {to}.", markup=False)
    delivered = False
    with out.status("FaxMAX has it …"):
        for fax in faxes:
            async for step in trial.follow(settings, fax):
                out.print(f"{step['at']}  {step['state']:<11} {step['note']}".rstrip(), markup=False, soft_wrap=True)
                delivered = trial.is_delivered(step)
    return delivered


def _fail(text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(1)
