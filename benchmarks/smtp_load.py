"""The load: Postfix's own generator, with a real mail, and a recipient of its own for each.

``smtp-source -N`` puts a number in front of the recipient. Without it every mail would be the same to the same number,
which the bridge takes for a repeat whose 250 was lost, and does not store again; and Postfix would find each address in
its caches.
"""

import base64
import contextlib
import io
import random
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pikepdf

from benchmarks.bridge import REGION
from benchmarks.machine import need
from benchmarks.processes import Failed, python
from fax_bridge.numbers import read_number

SENDER = "bench@example.com"
DOMAIN = "fax.example.com"
LONGEST = 900.0
"""Seconds that one burst may take."""

HEADER = """\
From: Bench <bench@example.com>
To: fax@fax.example.com
Subject: a measurement
Date: Mon, 24 Nov 2025 09:00:00 +0300
Message-ID: <{name}@example.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: text/plain; charset=us-ascii

The document is attached.

--b
Content-Type: application/pdf; name="document.pdf"
Content-Disposition: attachment; filename="document.pdf"
Content-Transfer-Encoding: base64

"""
TRAILER = "--b--\n"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in a file, as smtp-source wants it: lines that end in LF."""

    path: Path
    size: int
    """Bytes on the wire, where lines end in CRLF."""


def write_mail(directory: Path, name: str, size: int) -> Mail:
    """A mail of about ``size`` bytes with a PDF of one page, a picture that does not compress."""
    overhead = len(HEADER) + len(TRAILER) + 900
    document = base64.encodebytes(_pdf(max(64, (size - overhead) * 57 // 78))).decode()
    text = HEADER.format(name=name) + document + TRAILER
    path = directory / f"{name}.eml"
    path.write_text(text)
    return Mail(path, len(text) + text.count("\n"))


def _pdf(picture_bytes: int) -> bytes:
    width = max(8, int((picture_bytes * 0.7) ** 0.5))
    height = max(8, picture_bytes // width)
    pdf = pikepdf.new()
    page = pdf.add_blank_page(page_size=(595, 842))
    picture = pdf.make_stream(
        random.Random(1).randbytes(width * height),
        Type=pikepdf.Name.XObject,
        Subtype=pikepdf.Name.Image,
        Width=width,
        Height=height,
        ColorSpace=pikepdf.Name.DeviceGray,
        BitsPerComponent=8,
    )
    page.obj.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(P=picture))
    page.obj.Contents = pdf.make_stream(b"q 500 0 0 700 47 71 cm /P Do Q")
    out = io.BytesIO()
    pdf.save(out, compress_streams=False, static_id=True)
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class Burst:
    """So many mails to one port. ``suffix`` ends the recipients' numbers: another one, other recipients."""

    mail: Mail
    count: int
    sessions: int
    reused: bool
    suffix: str = "345678"

    @property
    def numbers(self) -> int:
        """How many different fax numbers they go to, as the bridge reads them: a handful mean the same one."""
        return len({read_number(f"{i}{self.suffix}", REGION) for i in range(1, self.count + 1)})

    def send(self, port: int) -> float:
        """The seconds that it took. Raises :class:`Failed` unless each mail got its 250."""
        command = [
            need("smtp-source", "postfix"), "-4", "-N", "-s", str(self.sessions), "-m", str(self.count),
            "-F", str(self.mail.path), "-f", SENDER, "-t", f"{self.suffix}@{DOMAIN}",
        ]  # fmt: skip
        command += ["-d"] if self.reused else []
        return self._run([*command, f"127.0.0.1:{port}"])

    def send_at_once(self, port: int) -> float:
        """The same, one mail on each session and all of them at the same time (:mod:`benchmarks.senders`)."""
        return self._run(python("benchmarks.senders", str(port), str(self.mail.path), str(self.count), self.suffix))

    def _run(self, command: list[str]) -> float:
        began = time.perf_counter()
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=LONGEST, check=False, cwd=Path(__file__).parents[1]
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.count} mails took longer than {LONGEST:.0f} s") from None
        took = time.perf_counter() - began
        if done.returncode or done.stderr:
            raise Failed(f"{Path(command[0]).name}: {done.stderr.strip()[-2000:]}")
        return took


@dataclass(slots=True)
class Probe:
    """One more session, which sends a mail ten times a second and waits for each 250: what a client feels meanwhile."""

    port: int
    mail: Mail
    seconds: list[float] = field(default_factory=list)
    """From the last byte to the 250."""

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        stop = threading.Event()
        faults: list[Exception] = []

        def run() -> None:
            try:
                self._run(stop)
            except Exception as fault:  # noqa: BLE001 — the thread's edge; it is raised below
                faults.append(fault)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        if faults:
            raise Failed(f"the probe: {faults[0]}") from faults[0]

    def _run(self, stop: threading.Event) -> None:
        text = self.mail.path.read_bytes().replace(b"\n", b"\r\n") + b".\r\n"
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as sock, sock.makefile("rb") as replies:

            def expect(code: bytes) -> None:
                while (line := replies.readline())[3:4] == b"-":
                    pass
                if not line.startswith(code):
                    raise Failed(f"answered {line!r}")

            def say(command: str, code: bytes) -> None:
                sock.sendall(f"{command}\r\n".encode())
                expect(code)

            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            expect(b"220")
            say("EHLO probe.example.com", b"250")
            while not stop.wait(0.1):
                say(f"MAIL FROM:<{SENDER}>", b"250")
                say(f"RCPT TO:<+902162{len(self.seconds):06d}@{DOMAIN}>", b"250")
                say("DATA", b"354")
                sock.sendall(text)
                sent = time.perf_counter()
                expect(b"250")
                self.seconds.append(time.perf_counter() - sent)
            say("QUIT", b"221")
