"""``fax-bridge doctor``: everything that a first fax needs, looked at in turn, each fault with what to do."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

from fax_bridge.check import faults_of
from fax_bridge.setting_sources import load
from fax_bridge.setup import machine, network
from fax_bridge.setup.finding import Finding, Look, bad, good


async def examine(
    config: Path | None, *, nameserver: str | None = None, begins: Callable[[str], None] = lambda _: None
) -> AsyncIterator[Finding]:
    """What each look finds, as it is found; ``begins`` hears what is looked at next."""
    begins("settings")
    settings = None
    faults = faults_of(config)
    for fault in faults:
        where, _, said = fault.partition(": ")
        yield bad("settings", f"{where}: {said}", "Mend that line; fax-bridge check looks at it again.")
    try:
        settings = load(config)
    except ValueError:
        return  # told above; without settings there is nothing else to look at
    if not faults:
        yield good("settings", f"{config or 'the environment'} can run")
    looks: dict[str, Look] = {
        "permissions": partial(machine.permissions, config),
        "disk": partial(machine.disk, settings),
        "database": partial(machine.database, settings),
        "converters": machine.converters,
        "templates": partial(machine.templates, settings),
        "names": partial(network.mx, settings, nameserver),
        "relay": partial(network.relay, settings),
        "FaxMAX": partial(network.faxmax, settings),
        "webhook": partial(network.webhook, settings),
    }
    for name, look in looks.items():
        begins(name)
        async for finding in look():
            yield finding
