"""LibreOffice in a cell: ``python -I -m fax_bridge.documents.office_child DIRECTORY PARENT FILE`` becomes ``soffice``.

It gets a profile and a home of its own in the job's directory, in which macros, links and updates are off; and
walls that hold whatever a document makes of it: limits, no sockets but those between its own processes, and no
file but the program's and the job's where the kernel has Landlock. The PDF appears beside the file.
"""

import contextlib
import ctypes
import os
import resource
import shutil
import signal
import stat
import sys
import time
from pathlib import Path
from xml.sax.saxutils import escape

from fax_bridge.documents import typefaces
from fax_bridge.documents.jail import die_with
from fax_bridge.documents.landlock import shut_files
from fax_bridge.documents.libreoffice import NOT_INSTALLED
from fax_bridge.documents.seccomp import REACHING_OUT, Only, no_new_privileges, shut_calls

_NICENESS = 10
_MEMORY = 4 << 30
"""Address space; LibreOffice reserves much more than the 0.2 GB that it uses."""
_CPU_SECONDS, _OUTPUT_BYTES, _OPEN_FILES = 60, 256 << 20, 512
_SOCKETS = "/tmp"  # noqa: S108 — built into LibreOffice, whatever TMPDIR says
"""Where it listens for another start of itself, at a socket that it may make but not remove."""
_START_AGAIN, _STARTS = 81, 3
"""What it ends with when its profile was new (EXITHELPER_NORMAL_RESTART)."""
_READABLE = (
    "/etc/libreoffice",
    "/etc/fonts",
    "/var/lib/libreoffice",
    "/var/spool/libreoffice",
    "/var/cache/fontconfig",
    "/etc/localtime",
    "/opt",
)

_AF_UNIX = 1

_PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema">
{items}</oor:items>
"""
_SCRIPTING = "/org.openoffice.Office.Common/Security/Scripting"
_SETTINGS = (
    (_SCRIPTING, "DisableMacrosExecution", "true"),
    (_SCRIPTING, "MacroSecurityLevel", "3"),
    (_SCRIPTING, "BlockUntrustedRefererLinks", "true"),
    (_SCRIPTING, "DisableActiveContent", "true"),
    ("/org.openoffice.Office.Calc/Content/Update", "Link", "1"),
    ("/org.openoffice.Office.Writer/Content/Update", "Link", "0"),
)
"""Macros never run; links are never followed nor updated (officecfg's Common.xcs, Calc.xcs, Writer.xcs)."""


def main(directory: Path, parent: int, file: str) -> int:
    wrapper = shutil.which("soffice", path="/usr/bin:/usr/local/bin:/opt/libreoffice/program")
    program = Path(wrapper).resolve().with_name("soffice.bin") if wrapper else None
    if program is None or not program.exists():
        return NOT_INSTALLED
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # of the service; the parent decides
    die_with(parent)
    os.nice(_NICENESS)
    profile = directory / "profile"
    _write_profile(profile)
    _write_fonts(directory)
    options = ("--headless", "--norestore", "--nologo", "--nodefault", "--nolockcheck", "--nofirststartwizard")
    what = ("--convert-to", "pdf", "--outdir", str(directory), str(directory / file))
    arguments = [str(program), f"-env:UserInstallation={profile.as_uri()}", *options, *what]
    status = _START_AGAIN
    for _ in range(_STARTS):
        began = time.time()
        status = _run_walled(arguments, directory)
        _remove_sockets(began)
        if status != _START_AGAIN:
            break
    return status


def _run_walled(arguments: list[str], directory: Path) -> int:
    """Its exit status, or 128 and the signal that ended it, as a shell has it."""
    supervisor = os.getpid()
    child = os.fork()
    if not child:
        die_with(supervisor)
        _confine(directory)
        os.execv(arguments[0], arguments)  # noqa: S606 — no shell is wanted
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if status >= 0 else 128 - status


def _remove_sockets(began: float) -> None:
    """LibreOffice may make its socket and not take it away; one of another job's is its to make again."""
    for path in Path(_SOCKETS).glob("OSL_PIPE_*"):
        with contextlib.suppress(OSError):
            found = path.lstat()
            if stat.S_ISSOCK(found.st_mode) and found.st_uid == os.getuid() and found.st_mtime >= began - 1:
                path.unlink()


def _write_profile(profile: Path) -> None:
    (profile / "user").mkdir(parents=True)
    items = "".join(
        f'<item oor:path="{path}"><prop oor:name="{name}" oor:op="fuse"><value>{value}</value></prop></item>\n'
        for path, name, value in _SETTINGS
    )
    (profile / "user" / "registrymodifications.xcu").write_text(_PROFILE.format(items=items), encoding="utf-8")


def _write_fonts(directory: Path) -> None:
    """The machine's fonts, and ours for one that has none: its pages would be blank."""
    (directory / "fonts.conf").write_text(
        f'<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd"><fontconfig>'
        f'<include ignore_missing="yes">/etc/fonts/fonts.conf</include>'
        f"<dir>{escape(str(typefaces.DIRECTORY))}</dir><dir>{escape(str(typefaces.ADDED))}</dir>"
        f"<cachedir>{escape(str(directory / 'fontcache'))}</cachedir>"
        f"</fontconfig>",
        encoding="utf-8",
    )
    os.environ["FONTCONFIG_FILE"] = str(directory / "fonts.conf")


def _confine(directory: Path) -> None:
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, _CPU_SECONDS),
        (resource.RLIMIT_FSIZE, _OUTPUT_BYTES),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
    ):
        highest = resource.getrlimit(kind)[1]
        within = limit if highest == resource.RLIM_INFINITY else min(limit, highest)
        resource.setrlimit(kind, (within, within))
    os.umask(0o077)
    libc = ctypes.CDLL(None, use_errno=True)
    if no_new_privileges(libc):
        shut_files(directory, _READABLE, [_SOCKETS])
        # Sockets between its own processes only: the wrapper, ``oosplash`` and ``soffice.bin`` talk over one.
        shut_calls(libc, denied=REACHING_OUT, only=[Only("socket", _AF_UNIX)])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
