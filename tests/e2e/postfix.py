"""A Postfix of the tests' own, set up as docs/postfix.md says; the system's is left alone."""

import asyncio
import base64
import contextlib
import os
import pwd
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.tools import tool

PAGE = Path(__file__).parents[2] / "docs" / "postfix.md"

MAIN = """
compatibility_level = 3.6
queue_directory = {home}/spool
data_directory = {home}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.com
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_tls_security_level = none
maillog_file = {home}/log
maillog_file_prefixes = {home}
mynetworks = 127.1.0.0/16
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {home}/auth
smtpd_sasl_security_options = noanonymous
"""

MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup   unix n - n 60 1 pickup
cleanup  unix n - n - 0 cleanup
qmgr     unix n - n 300 1 qmgr
rewrite  unix - - n - - trivial-rewrite
bounce   unix - - n - 0 bounce
defer    unix - - n - 0 bounce
trace    unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp     unix - - n - - smtp
error    unix - - n - - error
retry    unix - - n - - error
anvil    unix - - n - 1 anvil
scache   unix - - n - 1 scache
postlog  unix-dgram n - n - 1 postlogd
"""


def documented() -> dict[str, str]:
    """The files of the page, by their names; what the page gives in two pieces is put together."""
    files: dict[str, str] = {}
    text = PAGE.read_text(encoding="utf-8")
    for name, block in re.findall(r"^```(main\.cf|fax_\w+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        files[name] = files.get(name, "") + block
    return files


async def _authenticate(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Dovecot's authentication protocol, as far as Postfix needs it: any user whose password is its name reversed."""
    writer.write(b"VERSION\t1\t2\nCUID\t1\nCOOKIE\t0123456789abcdef\nMECH\tPLAIN\tplaintext\nDONE\n")
    while line := await reader.readline():
        words = line.decode().rstrip("\n").split("\t")
        if words[0] == "AUTH":
            answer = next(word for word in words if word.startswith("resp=")).removeprefix("resp=")
            _, user, password = base64.b64decode(answer).decode().split("\0")
            verdict = "OK" if password == user[::-1] else "FAIL"
            writer.write(f"{verdict}\t{words[1]}\tuser={user}\n".encode())
    writer.close()


@contextlib.asynccontextmanager
async def postfix(bridge_port: int) -> AsyncIterator[int]:
    """Its port, for as long as the block lasts. Skips where there is no Postfix, or we may not start one."""
    control = tool("postfix")
    if os.geteuid() != 0:
        if os.environ.get("FAX_BRIDGE_CI"):
            pytest.fail("Postfix's master has to be started by root")
        pytest.skip("Postfix's master has to be started by root")
    with tempfile.TemporaryDirectory(prefix="postfix-", dir="/var/tmp") as made:
        home, port = Path(made), free_port()
        _lay_out(home, port, bridge_port)
        auth = await asyncio.start_unix_server(_authenticate, home / "auth")
        await asyncio.to_thread((home / "auth").chmod, 0o666)
        check = [control, "-c", str(home / "config"), "check"]  # makes the queue's directories
        await asyncio.to_thread(subprocess.run, check, check=True, timeout=60)
        master = await asyncio.create_subprocess_exec(
            "/usr/lib/postfix/sbin/master", "-c", str(home / "config"), "-d", stdout=sys.stderr
        )
        try:
            await _up(port)
            yield port
        finally:
            master.terminate()
            await asyncio.wait_for(master.wait(), 30)
            auth.close()
            with contextlib.suppress(OSError):
                sys.stderr.write((home / "log").read_text(errors="replace"))  # pytest shows it where a test fails


def _lay_out(home: Path, port: int, bridge_port: int) -> None:
    home.chmod(0o711)  # its processes run as another user
    for name in ("config", "spool", "data"):
        (home / name).mkdir(mode=0o755)
    os.chown(home / "data", pwd.getpwnam("postfix").pw_uid, -1)
    files = documented()
    for name in ("fax_transport", "fax_access", "fax_owners"):
        (home / "config" / name).write_text(files[name].replace("8025", str(bridge_port)))
    main = MAIN.format(home=home) + files["main.cf"].replace("/etc/postfix", str(home / "config"))
    (home / "config" / "main.cf").write_text(main)
    (home / "config" / "master.cf").write_text(MASTER.format(port=port))


async def _up(port: int) -> None:
    give_up_at = time.monotonic() + 30
    while time.monotonic() < give_up_at:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.1)
    raise AssertionError("Postfix does not listen")
