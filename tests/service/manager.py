"""A service manager in small, that starts ``fax-bridge serve`` as systemd does, notify socket and listeners given.

It speaks sd_notify(3) and sd_listen_fds(3) from the other side, over real sockets.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tests.e2e.conftest import settings_text

NOTHING: Mapping[str, str] = MappingProxyType({})
NO_SOCKETS: Mapping[str, socket.socket] = MappingProxyType({})

LAUNCH = """
import os, sys
number = len(os.environ["LISTEN_FDNAMES"].split(":")) if os.environ.get("LISTEN_FDNAMES") else 0
for place, given in enumerate(map(int, sys.argv[1].split(",")) if sys.argv[1] else ()):
    os.dup2(given, 100 + place)
for place in range(number):
    os.dup2(100 + place, 3 + place)
    os.close(100 + place)
if number:
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(number))
os.execv(sys.executable, [sys.executable, "-m", "fax_bridge", *sys.argv[2:]])
"""


@dataclass
class Service:
    process: asyncio.subprocess.Process
    notified: socket.socket

    async def told(self, seconds: float = 30) -> dict[str, str]:
        """The next message to the service manager."""
        async with asyncio.timeout(seconds):
            data = await asyncio.get_running_loop().sock_recv(self.notified, 65536)
        return dict(line.split("=", 1) for line in data.decode().splitlines())

    async def until(self, key: str, seconds: float = 30) -> dict[str, str]:
        async with asyncio.timeout(seconds):
            while key not in (message := await self.told()):
                pass
            return message

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            return await self.process.wait()


@asynccontextmanager
async def service(
    directory: Path, sockets: Mapping[str, socket.socket] = NO_SOCKETS, environment: Mapping[str, str] = NOTHING
) -> AsyncIterator[Service]:
    """The daemon on ``directory/fax-bridge.toml``, ended by its pid whatever happens."""
    address = directory / "notify"
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(address))
        notified.setblocking(False)
        own = {"NOTIFY_SOCKET": str(address), "LISTEN_FDNAMES": ":".join(sockets)}
        given = [one.fileno() for one in sockets.values()]
        with (directory / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", LAUNCH, ",".join(map(str, given))),
                *("serve", "--config", str(directory / "fax-bridge.toml")),
                env={key: value for key, value in os.environ.items() if not key.startswith("FAX_BRIDGE")}
                | own
                | dict(environment),
                pass_fds=given,
                stdout=log,
                stderr=log,
            )
        try:
            yield Service(process, notified)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def write_settings(directory: Path, more: str = "") -> Path:
    config = directory / "fax-bridge.toml"
    config.write_text(settings_text(directory, "http://127.0.0.1:9/api/v1") + more)
    return config


def listening(family: socket.AddressFamily = socket.AF_INET, path: Path | None = None) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind(str(path) if path else ("127.0.0.1", 0))
    listener.listen(64)
    return listener
