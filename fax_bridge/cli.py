"""The command ``fax-bridge``: words become a call, its outcome becomes text and an exit status.

Each command imports what it needs: the daemon does not carry the sandbox, and ``--help`` none of it.
"""

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from fax_bridge import __version__, audit_command, cli_received, cli_templates
from fax_bridge.cli_password import hash_password
from fax_bridge.errors import BridgeError
from fax_bridge.fax import FaxState, PushState, now
from fax_bridge.faxmax.sandbox_fates import fate_table
from fax_bridge.faxmax.sandbox_settings import SandboxSettings
from fax_bridge.setup import commands as setup
from fax_bridge.setup.init import DEFAULT_CONFIG

if TYPE_CHECKING:
    from fax_bridge.documents.worker import ConvertedFax
    from fax_bridge.settings import Settings

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None)
faxes = typer.Typer(no_args_is_help=True, help="The queue and the history.")
pushes = typer.Typer(no_args_is_help=True, help="What FaxMAX told, as it came.")
accounts = typer.Typer(no_args_is_help=True, help="The FaxMAX accounts.")
app.add_typer(faxes, name="faxes")
app.add_typer(pushes, name="pushes")
app.add_typer(accounts, name="accounts")
app.add_typer(cli_templates.app, name="templates")
cli_received.register(app, lambda config: _settings(config))
app.command("hash-password")(hash_password)

Config = Annotated[
    Path | None,
    typer.Option("--config", help=f"The settings. [default: $FAX_BRIDGE_CONFIG, then {DEFAULT_CONFIG}]"),
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
FaxId = Annotated[str, typer.Argument(metavar="ID")]
PushId = Annotated[str, typer.Argument(metavar="ID")]


def main() -> None:
    app()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fax-bridge {__version__}")
        raise typer.Exit


@app.callback()
def fax_bridge(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Joins e-mail and fax through FaxMAX."""


@app.command()
def serve(config: Config = None) -> None:
    """Run the daemon until SIGTERM or SIGINT."""
    # What is loaded stays: the collector would look through it again and again, a fifth of the start and, later, 80 ms
    # of the loop each time.
    gc.disable()
    from fax_bridge import daemon, eventlog
    from fax_bridge.service import journal

    settings = _settings(config)
    gc.freeze()
    gc.enable()
    to_journal = settings.log.journal and journal.is_ours(os.environ, sys.stderr)
    eventlog.set_up(settings.log.format, settings.log.level, to_journal=to_journal)
    eventlog.event("settings", settings=settings.shown())
    try:
        daemon.run(lambda: daemon.serve(settings, _path(config)))
    except (BridgeError, OSError, ValueError) as fault:
        _fail(str(fault))


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after both round trips; 0 only if all was seen.")] = False,
    directory: Annotated[Path | None, typer.Option("--dir", help="Where the files go. [default: a new one]")] = None,
) -> None:
    """Bridge, sandbox and a mailbox on free loopback ports: a mail becomes a fax, a fax becomes a mail."""
    from fax_bridge import daemon
    from fax_bridge.demo import demo as run_demo
    from fax_bridge.settings import SettingsError

    seen: list[bool] = []

    async def play() -> None:
        seen.append(await run_demo(directory, once=once))

    try:
        daemon.run(play)
    except (BridgeError, SettingsError, OSError) as fault:
        _fail(str(fault))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    raise typer.Exit(0 if all(seen) else 1)


@app.command(epilog=f"The last four digits of the destination choose the fate:\n\n\b\n{fate_table()}")
def sandbox(
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0 takes a free one.")] = "127.0.0.1:8090",
    token: Annotated[str, typer.Option(help="What clients have to give.")] = SandboxSettings().token,
    notify: Annotated[str, typer.Option(help="Where pushes go: the bridge's webhook URL.")] = "",
    number: Annotated[list[str] | None, typer.Option(help="A number of the account itself; may be repeated.")] = None,
) -> None:
    """A stand-in FaxMAX server that follows the vendor's page."""
    from fax_bridge import daemon
    from fax_bridge.documents.worker import Documents
    from fax_bridge.faxmax.sandbox import Sandbox

    told = SandboxSettings(listen=listen, token=token, notify_url=notify, numbers=tuple(number or ()))

    async def run() -> None:
        async with Documents() as documents:
            stand_in = Sandbox(told, documents)
            await stand_in.start()
            typer.echo(f"FaxMAX sandbox at {stand_in.url} (Ctrl-C ends it)")
            stop = asyncio.Event()
            for sign in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(sign, stop.set)
            await stop.wait()
            await stand_in.stop()

    try:
        daemon.run(run)
    except (ValueError, OSError) as fault:
        _fail(str(fault))


@app.command("check")
def check_settings(config: Config = None) -> None:
    """Say whether these settings can run, each fault with its mend."""
    from fax_bridge import check

    path = _path(config)
    faults = check.faults_of(path)
    for fault in faults:
        typer.echo(fault)
    if faults:
        raise typer.Exit(1)
    typer.echo(f"{path or 'The environment'}: these settings can run.")


@app.command()
def explain(
    file: Annotated[Path, typer.Argument(help="A mail as a file, or a document.", exists=True, dir_okay=False)],
    to: Annotated[list[str] | None, typer.Option("--to", help="An envelope recipient, NUMBER@DOMAIN.")] = None,
    as_json: AsJson = False,
    pdf: Annotated[Path | None, typer.Option(help="Write the document there.")] = None,
    cover: Annotated[Path | None, typer.Option(help="Write the cover there: HTML, or a PDF if so named.")] = None,
    png: Annotated[Path | None, typer.Option(help="A directory: write a picture of each page there.")] = None,
) -> None:
    """What this mail would become: recipients, the fate of every part, the document. Sends nothing."""
    from fax_bridge import console
    from fax_bridge.explain import explain as explain_mail
    from fax_bridge.explanation_files import write as write_explanation

    draw = png is not None or (cover is not None and cover.suffix.lower() == ".pdf")
    try:
        told = asyncio.run(explain_mail(file.read_bytes(), to or [], draw=draw, name=file.name))
        write_explanation(told, pdf=pdf, cover=cover, png=png)
    except (BridgeError, OSError) as fault:
        _fail(f"{file}: {fault}")
    _print_json(told.facts) if as_json else console.explanation(told.facts)
    raise typer.Exit(0 if told.facts["faxed"] else 1)


@app.command()
def convert(
    tiff: Annotated[Path, typer.Argument(metavar="IN.tif", exists=True, dir_okay=False)],
    pdf: Annotated[Path, typer.Argument(metavar="OUT.pdf")],
    as_json: AsJson = False,
) -> None:
    """Turn a received fax into a PDF, as the daemon does."""
    from fax_bridge import console
    from fax_bridge.documents.worker import Documents

    async def run() -> "ConvertedFax":
        async with Documents() as documents:
            return await documents.tiff_to_pdf(tiff.read_bytes())

    try:
        made = asyncio.run(run())
    except BridgeError as fault:
        if as_json:
            _print_json({"pages": [], "faults": [str(fault)]})
        _fail(f"{tiff}: {fault}")
    _write(pdf, made.pdf)
    facts = {"pages": [asdict(page) for page in made.pages], "faults": [str(fault) for fault in made.faults]}
    _print_json(facts) if as_json else console.conversion(facts)


@faxes.command("list")
def faxes_list(
    config: Config = None,
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many, the newest first.")] = 50,
    state: Annotated[list[FaxState] | None, typer.Option(help="Only these states.")] = None,
) -> None:
    """The queue and the history, the newest first."""
    from fax_bridge import console
    from fax_bridge.history import fax_list

    rows = _ask(fax_list(_settings(config), limit, state or ()))
    _print_json(rows) if as_json else console.faxes(rows)


@faxes.command("show")
def faxes_show(fax_id: FaxId, config: Config = None, as_json: AsJson = False) -> None:
    """All that is known of one fax."""
    from fax_bridge import console
    from fax_bridge.history import fax_show

    found = _ask(fax_show(_settings(config), fax_id))
    if found is None:
        _fail(f"There is no fax {fax_id}. fax-bridge faxes list shows those that are known.")
    _print_json(found) if as_json else console.fax(found)


@faxes.command("retry")
def faxes_retry(fax_id: FaxId, config: Config = None) -> None:
    """Try a queued fax now instead of waiting, also for its time to send or for quiet hours to end."""
    from fax_bridge.history import fax_act
    from fax_bridge.store import operator

    _ask(fax_act(_settings(config), operator.retry, fax_id))
    typer.echo(f"{fax_id} is tried now.")


@faxes.command("cancel")
def faxes_cancel(fax_id: FaxId, config: Config = None) -> None:
    """Take a fax back that was not handed to FaxMAX; its sender gets a report."""
    from fax_bridge.history import fax_act
    from fax_bridge.store import operator

    _ask(fax_act(_settings(config), operator.cancel, fax_id))
    typer.echo(f"{fax_id} is cancelled.")


@faxes.command("hold")
def faxes_hold(fax_id: FaxId, config: Config = None) -> None:
    """Let a fax that was not handed to FaxMAX wait until it is released; after faxmax.held_for it is cancelled."""
    from fax_bridge.history import fax_hold

    typer.echo(f"{fax_id} is held until {_ask(fax_hold(_settings(config), fax_id))}.")


@faxes.command("release")
def faxes_release(fax_id: FaxId, config: Config = None) -> None:
    """Let a held fax go."""
    from fax_bridge.history import fax_release

    _ask(fax_release(_settings(config), fax_id))
    typer.echo(f"{fax_id} is released.")


@faxes.command("resend")
def faxes_resend(fax_id: FaxId, config: Config = None) -> None:
    """Fax the document of an ended fax once more; its sender gets a new report."""
    from fax_bridge.history import fax_resend

    typer.echo(f"Sent again as {_ask(fax_resend(_settings(config), fax_id))}.")


@pushes.command("list")
def pushes_list(
    config: Config = None,
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many, the newest first.")] = 50,
    state: Annotated[list[PushState] | None, typer.Option(help="Only these states.")] = None,
) -> None:
    """The pushes, the newest first."""
    from fax_bridge import console
    from fax_bridge.history import push_list

    rows = _ask(push_list(_settings(config), limit, state or ()))
    _print_json(rows) if as_json else console.pushes(rows)


@pushes.command("show")
def pushes_show(push_id: PushId, config: Config = None, as_json: AsJson = False) -> None:
    """A push as it came."""
    from fax_bridge import console
    from fax_bridge.history import push_show

    found = _ask(push_show(_settings(config), push_id))
    if found is None:
        _fail(f"There is no push {push_id}. fax-bridge pushes list shows those that are known.")
    _print_json(found) if as_json else console.push(found)


@pushes.command("replay")
def pushes_replay(push_id: PushId, config: Config = None) -> None:
    """Work a push through again, with today's settings; what it told before is not told twice."""
    from fax_bridge.history import push_replay

    _ask(push_replay(_settings(config), push_id))
    typer.echo(f"{push_id} is worked through again.")


@pushes.command("words")
def pushes_words(config: Config = None, as_json: AsJson = False) -> None:
    """FaxMAX's status words, how often each came, and what it is taken for; the line to add for an unknown one."""
    from fax_bridge import console
    from fax_bridge.history import status_words

    rows = _ask(status_words(_settings(config)))
    _print_json(rows) if as_json else console.status_words(rows)


@app.command()
def queue(config: Config = None, as_json: AsJson = False) -> None:
    """How many faxes, pushes and mails are in which state, what waits longest, which accounts are paused and why."""
    from fax_bridge import console
    from fax_bridge.history import queue_told

    told = _ask(queue_told(_settings(config)))
    _print_json(told) if as_json else console.queue(told)


@app.command()
def backup(
    file: Annotated[Path | None, typer.Argument(help="A new file.")] = None,
    into: Annotated[Path | None, typer.Option(help="Instead: a directory, where it is named for the time.")] = None,
    keep: Annotated[int, typer.Option(min=1, help="With --into: how many of them stay, the newest.")] = 14,
    config: Config = None,
) -> None:
    """Copy the database, consistent, while the daemon works."""
    from fax_bridge import backups
    from fax_bridge.store.backup import back_up

    if (file is None) == (into is None):
        _fail("Give a FILE, or a directory with --into.")
    try:
        file = file or backups.new_name(into or Path())
    except BridgeError as fault:
        _fail(str(fault))
    size = _ask(back_up(_settings(config).store.url, file))
    if into:
        backups.drop_old(into, keep)
    typer.echo(f"{file}: {size} bytes.")


@app.command("restore")
def restore_backup(
    file: Annotated[Path | None, typer.Argument(help="A backup; none where the database is in place already.")] = None,
    config: Config = None,
) -> None:
    """Put a backup in place, while no daemon runs. Faxes that wait in it may have gone out since: they are held."""
    from fax_bridge.audit_trail import line_of
    from fax_bridge.store.backup import restore

    settings = _settings(config)
    until = now() + int(settings.faxmax.held_for * 1000)
    line = line_of(settings, "restore", "store")
    held = _ask(restore(settings.store.url, file, until=until, line=line))
    typer.echo(f"Restored. {held} faxes are held; for each of them: fax-bridge faxes release ID, or cancel ID.")


@accounts.command("list")
def accounts_list(config: Config = None, as_json: AsJson = False) -> None:
    """The accounts, and why one is paused."""
    from fax_bridge import console
    from fax_bridge.history import account_list

    rows = _ask(account_list(_settings(config)))
    _print_json(rows) if as_json else console.accounts(rows)


@accounts.command("resume")
def accounts_resume(name: str, config: Config = None) -> None:
    """Serve a paused account again, once its credentials are right."""
    from fax_bridge.history import account_resume

    if not _ask(account_resume(_settings(config), name)):
        _fail(f"There is no account {name}. fax-bridge accounts list shows those that are known.")
    typer.echo(f"{name} is served again.")


def _path(config: Path | None) -> Path | None:
    if config is not None:
        return config
    if named := os.environ.get("FAX_BRIDGE_CONFIG"):
        return Path(named)
    # Without a file the environment may hold all settings, as in a container.
    if not DEFAULT_CONFIG.exists() and any(name.startswith("FAX_BRIDGE_SMTP__") for name in os.environ):
        return None
    return DEFAULT_CONFIG


def _settings(config: Path | None) -> "Settings":
    from fax_bridge.setting_sources import load
    from fax_bridge.settings import SettingsError

    try:
        return load(_path(config))
    except SettingsError as error:
        _fail("\n".join(error.faults))


setup.add_to(app, _path, _settings)


def _ask(question: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(question)
    except BridgeError as fault:
        _fail(str(fault))


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as fault:
        _fail(f"{path} cannot be written: {fault.strerror}.")


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def _fail(text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(1)


audit_command.add_to(app, _settings)
