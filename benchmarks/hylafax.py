"""HylaFAX's way from a mail to fax pages: Debian's ``faxmail`` as it comes, and Ghostscript as its server runs it.

``faxmail`` hands what it made to a server; the stand-in here takes it, and does nothing with it. The real one would
then have Ghostscript make G4 of each document, which :func:`fax_of` does.
"""

import os
import socket
import subprocess
import threading
import zlib
from pathlib import Path

from benchmarks.processes import Failed

RESOLUTION = "204x196"
_CONVERTERS = {
    # It sets the plain wording beside it; without a script it would hand the HTML over, which no rule takes.
    "text/html": "exit 0",
    "application/pdf": 'exec cat "$1"',
    # typerules' own line for JPEG (JFIF).
    "image/jpeg": 'jpegtopnm -quiet "$1" | ppmtopgm | pnmscale -xysize 1680 2310 | pnmtops -dpi 204 -equalpixels',
}


class Server:
    """As much of hfaxd's protocol (hfaxd(8)) as ``faxmail`` speaks; keeps the documents of the last job."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.documents: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                self._talk(client)

    def _talk(self, client: socket.socket) -> None:
        self.documents = []
        target, packed = ("", 0), False
        with client.makefile("rwb", buffering=0) as lines:
            lines.write(b"220 stand-in server (HylaFAX (tm) Version 6.0.7) ready.\r\n")
            for line in lines:
                word, _, rest = line.decode("latin-1").strip().partition(" ")
                reply = "200 done."
                match word.upper():
                    case "USER":
                        reply = "230 User logged in."
                    case "EPRT":
                        _, _, host, port, _ = rest.split("|")
                        target = host, int(port)
                    case "MODE":
                        packed = rest == "Z"
                    case "STOT":
                        name = f"/tmp/doc{len(self.documents)}"  # noqa: S108 — its name for it, not a file
                        lines.write(f"150 FILE: {name} (Opening new data connection).\r\n".encode())
                        self.documents.append(_taken(target, packed=packed))
                        reply = f"226 Transfer complete (FILE: {name})."
                    case "JNEW":
                        reply = "200 New job created: jobid: 1 groupid: 1."
                    case "JSUBM":
                        reply = "200 Job 1 submitted."
                    case "QUIT":
                        reply = "221 Goodbye."
                lines.write(f"{reply}\r\n".encode())


def _taken(target: tuple[str, int], *, packed: bool) -> bytes:
    with socket.create_connection(target, timeout=10) as data:
        content = b"".join(iter(lambda: data.recv(1 << 16), b""))
    return zlib.decompress(content) if packed else content


def home_of(directory: Path, server: Server) -> Path:
    """A home whose configuration names the stand-in server, and a script for each kind of part."""
    for kind, script in _CONVERTERS.items():
        path = directory / "converters" / kind
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    (directory / ".hylarc").write_text(
        f"Host: 127.0.0.1\nPort: {server.port}\nMIMEConverters: {directory}/converters\nPageSize: a4\n"
    )
    return directory


def documents_of(mail: bytes, home: Path, server: Server) -> list[bytes]:
    """What ``faxmail`` makes of a mail: its text as PostScript, and each part. Raises :class:`Failed`."""
    environment = {**os.environ, "HOME": str(home)}
    done = subprocess.run(
        ("faxmail", "-n", "5551212", "a@example.com"), input=mail, env=environment, capture_output=True, timeout=60
    )
    if done.returncode or not server.documents:
        raise Failed(f"faxmail: {done.stderr.decode('utf-8', 'replace')[-500:]}")
    return server.documents


def fax_of(documents: list[bytes], directory: Path) -> int:
    """Each document through Ghostscript into one G4 TIFF; bytes of it."""
    files = []
    for number, document in enumerate(documents):
        files.append(directory / f"in{number}")
        files[-1].write_bytes(document)
    out = directory / "out.tif"
    subprocess.run(
        ("gs", "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=tiffg4", f"-r{RESOLUTION}", "-sPAPERSIZE=a4",
         "-dFIXEDMEDIA", "-dPDFFitPage", f"-sOutputFile={out}", *map(str, files)),
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    return out.stat().st_size
