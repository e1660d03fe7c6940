"""``fax-bridge check`` with ``smtp.smtputf8``: a real listener is asked whether it takes such addresses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP

from fax_bridge.check import faults_of

GOOD = (Path(__file__).parents[1] / "data" / "settings" / "good.toml").read_text(encoding="utf-8")


@asynccontextmanager
async def server(kind: type[SMTP], *, smtputf8: bool) -> AsyncIterator[tuple[int, list[str]]]:
    """Its port, and the commands after the greeting that it was told."""
    told: list[str] = []

    class Heard(kind):  # type: ignore[misc, valid-type]  # one of two
        async def _call_handler_hook(self, command: str, *args: Any) -> Any:
            told.append(command)
            return await super()._call_handler_hook(command, *args)

    def session() -> SMTP:
        return Heard(object(), hostname="mail.example.com", enable_SMTPUTF8=smtputf8)

    listener = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    try:
        yield listener.sockets[0].getsockname()[1], told
    finally:
        listener.close()


async def check(directory: Path, relay: str, *, smtputf8: bool = True) -> list[str]:
    path = directory / "fax-bridge.toml"
    text = GOOD.replace("[relay]", f'[relay]\nurl = "{relay}"').replace("[smtp]", f"[smtp]\nsmtputf8 = {smtputf8}")
    path.write_text(text.replace("True", "true").replace("False", "false"), encoding="utf-8")
    return await asyncio.to_thread(faults_of, path)


@pytest.mark.parametrize(("scheme", "kind"), [("smtp", SMTP), ("lmtp", LMTP)])
async def test_a_relay_without_smtputf8_is_refused(tmp_path: Path, scheme: str, kind: type[SMTP]) -> None:
    """A sender beyond ASCII could never be told what became of the fax. Nothing but the greeting is said."""
    async with server(kind, smtputf8=False) as (port, told):
        (fault,) = await check(tmp_path, f"{scheme}://127.0.0.1:{port}")
    assert fault == (
        f"smtp.smtputf8: the mail server {scheme}://127.0.0.1:{port} has no SMTPUTF8, "
        "so no report could go to such an address. Set this false, or give relay.url one that has it."
    )
    assert told == ["QUIT"]


@pytest.mark.parametrize(("scheme", "kind"), [("smtp", SMTP), ("lmtp", LMTP)])
async def test_a_relay_with_smtputf8_is_fine(tmp_path: Path, scheme: str, kind: type[SMTP]) -> None:
    """EHLO and LHLO tell it alike."""
    async with server(kind, smtputf8=True) as (port, _):
        assert await check(tmp_path, f"{scheme}://127.0.0.1:{port}") == []


async def test_a_maildir_takes_any_address(tmp_path: Path) -> None:
    """There is nobody to ask; the directory is not even made."""
    assert await check(tmp_path, f"maildir://{tmp_path}/Maildir") == []
    assert not (tmp_path / "Maildir").exists()


async def test_a_relay_that_does_not_answer_is_a_line_of_its_own(tmp_path: Path) -> None:
    """What cannot be known is not called a fault of the relay's."""
    (fault,) = await check(tmp_path, "smtp://127.0.0.1:1")
    assert fault.startswith("smtp.smtputf8: the mail server 127.0.0.1:1 cannot be used: ")
    assert fault.endswith("; so nobody knows whether it takes such addresses. Start it, or set this false.")


async def test_without_the_setting_nobody_is_asked(tmp_path: Path) -> None:
    """check stays a matter of this machine, and may run before the relay does."""
    async with server(SMTP, smtputf8=False) as (port, told):
        assert await check(tmp_path, f"smtp://127.0.0.1:{port}", smtputf8=False) == []
    assert told == []
    assert await check(tmp_path, "smtp://127.0.0.1:1", smtputf8=False) == []
