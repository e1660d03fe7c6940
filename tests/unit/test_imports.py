"""The import rule of the house: who may touch the network, processes and the database."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "fax_bridge"

NETWORK = {
    "socket",
    "httpx",
    "aiosmtplib",
    "aiosmtpd",
    "smtplib",
    "uvicorn",
    "urllib.request",
    "http.client",
    "ssl",
    "dns",
}
PROCESSES = {"subprocess", "multiprocessing", "pty"}
DATABASE = {"sqlalchemy", "alembic", "sqlite3", "aiosqlite"}

ALLOWED = {
    "network": {
        "certificates.py",  # TLS contexts for the listeners
        "email_to_fax/dns_answers.py",
        "email_to_fax/proxy_header.py",  # aiosmtpd's parser of it
        "email_to_fax/receive.py",
        "email_to_fax/smtp_login.py",  # STARTTLS
        "email_to_fax/smtp_connection.py",
        "email_to_fax/transaction.py",  # aiosmtpd's Envelope, which it builds on
        "http_patience.py",  # uvicorn's protocol
        "http_listener.py",  # uvicorn for the webhook and the sandbox
        "faxmax/",
        "fax_to_email/sink_webhook.py",  # posts received faxes to the site's own server
        "mail/relay.py",
        "mail/lmtp.py",
        "service/notify.py",  # a datagram to the service manager
        "service/sockets.py",  # listening sockets that it handed over
        "service/journal.py",  # a datagram to the journal
        "setup/network.py",  # the doctor tries what the daemon will need
        "demo.py",  # plays the user's mail client and the remote machine
    },
    "processes": set(),  # all that is started goes through asyncio: documents/fork_client.py
    "database": {"store/"},
}


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def touches(path: Path, forbidden: set[str]) -> set[str]:
    return {name for name in imports_of(path) for root in forbidden if name == root or name.startswith(root + ".")}


@pytest.mark.parametrize(
    ("what", "forbidden"), [("network", NETWORK), ("processes", PROCESSES), ("database", DATABASE)]
)
def test_only_the_named_modules_touch_the_outside(what: str, forbidden: set[str]) -> None:
    """A parser that cannot reach the network cannot leak; a step that knows no SQL can be read alone."""
    strays = {}
    for path in modules():
        name = str(path.relative_to(ROOT))
        if any(name == allowed or (allowed.endswith("/") and name.startswith(allowed)) for allowed in ALLOWED[what]):
            continue
        if found := touches(path, forbidden):
            strays[name] = found
    assert strays == {}


def test_the_two_directions_do_not_know_each_other() -> None:
    """email_to_fax and fax_to_email never import each other."""
    for here, there in (("email_to_fax", "fax_to_email"), ("fax_to_email", "email_to_fax")):
        for path in (ROOT / here).rglob("*.py"):
            assert not touches(path, {f"fax_bridge.{there}"}), path


def test_documents_import_nothing_of_ours_but_values() -> None:
    """What runs in the isolated worker must not bring the rest of the house with it."""
    for path in (ROOT / "documents").rglob("*.py"):
        ours = {name for name in imports_of(path) if name.startswith("fax_bridge")}
        strays = {
            name
            for name in ours
            if not name.startswith(("fax_bridge.documents", "fax_bridge.fax.", "fax_bridge.errors"))
            and name not in {"fax_bridge.fax", "fax_bridge"}
        }
        assert not strays, f"{path}: {strays}"


def test_the_flow_page_names_modules_that_exist() -> None:
    """docs/flow.md stays true: each `module.py` in it is there."""
    flow = (ROOT.parent / "docs" / "flow.md").read_text(encoding="utf-8")
    named = {word.strip("`") for word in flow.split() if word.startswith("`") and word.rstrip("`.,;:)").endswith(".py")}
    named = {name.rstrip("`.,;:)") for name in named}
    assert named
    assert not {name for name in named if not (ROOT / name).is_file()}


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        ("cli", "pydantic sqlalchemy httpx rich.console starlette jinja2 phonenumbers"),
        ("daemon", "alembic dns dkim spf authres typer fax_bridge.faxmax.sandbox fax_bridge.demo PIL pikepdf"),
    ],
)
def test_what_is_not_needed_is_not_loaded(module: str, unneeded: str) -> None:
    """The command line answers --help in a tenth of a second; the daemon carries no sandbox, and for most no DNS."""
    script = f"import sys, fax_bridge.{module}; print(*(set(sys.argv[1:]) & set(sys.modules)))"
    command = [sys.executable, "-c", script, *unneeded.split()]
    loaded = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert loaded.split() == []
