"""A Postfix with a configuration, a queue and a master of its own; the system's stays alone.

It is the mail server of ``example.com``: ``sendmail`` and local clients send through it, ``fax.example.com`` goes to
the bridge by its transport map, and what is for people lands in mailboxes on disk. Its tries come within seconds.
"""

import contextlib
import email
import os
import pwd
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from pathlib import Path

MAIN = """
compatibility_level = 3.6
queue_directory = {directory}/spool
data_directory = {directory}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.example.com
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_tls_security_level = none
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
virtual_mailbox_domains = example.com
virtual_mailbox_base = {directory}/mailboxes
virtual_mailbox_maps = inline:{{ {mailboxes} }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
relay_domains = fax.example.com
transport_maps = inline:{{ {{ fax.example.com = {transport} }} }}
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
transport_retry_time = 1s
destination_concurrency_feedback_debug = no
maillog_file = {directory}/log
maillog_file_prefixes = {directory}
{more}
"""

MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup   unix n - n 1 1 pickup
cleanup  unix n - n - 0 cleanup
qmgr     unix n - n 300 1 qmgr
rewrite  unix - - n - - trivial-rewrite
bounce   unix - - n - 0 bounce
defer    unix - - n - 0 bounce
trace    unix - - n - 0 bounce
verify   unix - - n - 1 verify
flush    unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq    unix n - n - - showq
error    unix - - n - - error
retry    unix - - n - - error
virtual  unix - n n - - virtual
smtp     unix - - n - - smtp
relay    unix - - n - - smtp
lmtp     unix - - n - - lmtp
anvil    unix - - n - 1 anvil
scache   unix - - n - 1 scache
postlog  unix-dgram n - n - 1 postlogd
"""

STARTS_WITHIN = 20.0
MAILBOXES = ("ayse", "reception", "archive", "postmaster")


@dataclass
class Postfix:
    """One that can be stopped and started again; its queue stays."""

    directory: Path
    port: int
    transport: str
    """Where faxes go, as in a transport map: ``smtp:[127.0.0.1]:8025``."""
    more: str = ""
    """Lines for ``main.cf``."""
    _master: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def config(self) -> Path:
        return self.directory / "config"

    def write(self) -> None:
        user = pwd.getpwnam("postfix")
        for name in ("config", "spool", "data", "mailboxes"):
            (self.directory / name).mkdir(mode=0o755, exist_ok=True)
        for name in ("data", "mailboxes"):
            os.chown(self.directory / name, user.pw_uid, user.pw_gid)
        main = MAIN.format(
            directory=self.directory,
            transport=self.transport,
            more=self.more,
            uid=user.pw_uid,
            gid=user.pw_gid,
            mailboxes=", ".join(f"{{ {name}@example.com = {name}/ }}" for name in MAILBOXES),
        )
        (self.config / "main.cf").write_text(main)
        (self.config / "master.cf").write_text(MASTER.format(port=self.port))

    def start(self) -> None:
        self.write()
        # It makes the queue's directories.
        subprocess.run(["/usr/sbin/postfix", "-c", str(self.config), "check"], check=True, timeout=60)
        with (self.directory / "master.out").open("ab") as out:
            self._master = subprocess.Popen(
                ["/usr/lib/postfix/sbin/master", "-c", str(self.config), "-d"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        give_up_at = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < give_up_at:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=2):
                return
            time.sleep(0.05)
        raise AssertionError(f"Postfix does not listen: {self.log[-2000:]}")

    def stop(self) -> None:
        """Its master and, with it, all its processes."""
        master, self._master = self._master, None
        if master is None:
            return
        master.send_signal(signal.SIGTERM)
        try:
            master.wait(15)
        except subprocess.TimeoutExpired:
            master.kill()
            master.wait(5)

    @property
    def log(self) -> str:
        path = self.directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def sendmail(self, content: bytes, *to: str, sender: str = "ayse@example.com") -> None:
        """As a program on the mail server sends."""
        command = ["/usr/sbin/sendmail", "-C", str(self.config), "-i", "-f", sender, "--", *to]
        subprocess.run(command, input=content, check=True, timeout=60)

    def flush(self) -> None:
        """Try everything in the queue now."""
        subprocess.run(["/usr/sbin/postqueue", "-c", str(self.config), "-f"], check=True, timeout=60)

    def waiting(self) -> int:
        """Mails in the queue."""
        command = ["/usr/sbin/postqueue", "-c", str(self.config), "-j"]
        listed = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
        return len(listed.splitlines())

    def mailbox_size(self, who: str) -> int:
        return len(self._mailbox(who))

    def mails(self, who: str) -> list[EmailMessage]:
        """What is in somebody's mailbox, the oldest first."""
        paths = sorted(self._mailbox(who), key=lambda path: path.stat().st_mtime_ns)
        return [email.message_from_bytes(path.read_bytes(), policy=policy.default) for path in paths]

    def _mailbox(self, who: str) -> list[Path]:
        new = self.directory / "mailboxes" / who / "new"
        return list(new.iterdir()) if new.is_dir() else []
