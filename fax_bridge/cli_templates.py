"""``fax-bridge templates preview``: every mail as it will look, without sending one."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from fax_bridge.errors import BridgeError

app = typer.Typer(no_args_is_help=True, help="The words of mails and covers.")


@app.callback()
def templates() -> None:
    """The words of mails and covers."""


@app.command()
def preview(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go; made if it is not there.")],
    config: Annotated[Path | None, typer.Option(help="Settings whose templates_dir is shown.")] = None,
    templates_dir: Annotated[Path | None, typer.Option(help="Templates that win over the program's own.")] = None,
) -> None:
    """Write each mail with sample data, in both languages: NAME.LANGUAGE.eml, .html and .txt. Sends nothing."""
    from fax_bridge.mail.words import Words, WordsError
    from fax_bridge.setting_sources import load
    from fax_bridge.settings import SettingsError
    from fax_bridge.templates_preview import write_all

    try:
        own = templates_dir or (load(config).templates_dir if config else None)
        names = write_all(directory, Words(own))
    except SettingsError as error:
        _fail("\n".join(error.faults))
    except (BridgeError, WordsError, OSError) as fault:
        _fail(str(fault))
    typer.echo(f"{directory}: {len(names)} mails, each as .eml, .html and .txt.")


def _fail(text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(1)
