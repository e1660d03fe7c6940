"""``fax-bridge hash-password``: a password becomes what ``[[users]]`` takes. It is no argument: others see those."""

import sys

import typer

SHORTEST = 8
"""Characters; whoever may send faxes spends somebody's money."""


def hash_password() -> None:
    """Ask for a password, or read one line of standard input, and print its hash for [[users]] password_hash."""
    from fax_bridge.email_to_fax.logins import hash_of

    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if len(password) < SHORTEST:
        typer.echo(f"Take a password of at least {SHORTEST} characters.", err=True)
        raise typer.Exit(2)
    typer.echo(hash_of(password))
