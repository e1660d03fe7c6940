"""The peer: Debian's Postfix, with a configuration, a queue and a master process of its own; the system's stays alone.

Its queue is on disk and each mail is fsynced before its 250; then the discard transport takes it. Stock settings but
for what the run needs: no chroot, 200 smtpd processes where 100 are the default, mails of 50 MB.
"""

import contextlib
import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import need
from benchmarks.processes import Failed, free_port, program, wait_for

MAIN = """
compatibility_level = 3.6
queue_directory = {directory}/spool
data_directory = {directory}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = peer.example.com
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_tls_security_level = none
default_transport = discard
relay_transport = discard
default_process_limit = 200
message_size_limit = 52428800
maillog_file = {directory}/log
maillog_file_prefixes = {directory}
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
verify   unix - - n - 1 verify
flush    unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq    unix n - n - - showq
error    unix - - n - - error
retry    unix - - n - - error
discard  unix - - n - - discard
anvil    unix - - n - 1 anvil
scache   unix - - n - 1 scache
postlog  unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class Postfix:
    port: int
    pid: int
    log: Path

    def discarded(self) -> int:
        """Mails that the discard transport has taken so far, by the log."""
        return self.log.read_text(errors="replace").count("status=sent")

    def finished(self, count: int, seconds: float = 60.0) -> None:
        """Wait until so many are through. Raises :class:`Failed` where they never are: a 250 was not kept."""
        give_up_at = time.monotonic() + seconds
        while self.discarded() < count and time.monotonic() < give_up_at:
            time.sleep(0.2)
        if self.discarded() != count:
            raise Failed(f"Postfix gave {count} times 250 and delivered {self.discarded()}")


@contextlib.contextmanager
def postfix(directory: Path) -> Iterator[Postfix]:
    """One Postfix. Raises :class:`Failed` where it is not installed, or we are not root, which its master has to be."""
    if os.geteuid() != 0:
        raise Failed("Postfix's master has to be started by root. Run the benchmark as root.")
    master, control = need("master", "postfix"), need("postfix", "postfix")
    _open_to_all(directory)
    config = directory / "config"
    for made in (config, directory / "spool", directory / "data"):
        made.mkdir(mode=0o755)
    os.chown(directory / "data", pwd.getpwnam("postfix").pw_uid, -1)
    port = free_port()
    (config / "main.cf").write_text(MAIN.format(directory=directory))
    (config / "master.cf").write_text(MASTER.format(port=port))
    subprocess.run([control, "-c", str(config), "check"], check=True, timeout=60)  # makes the queue's directories
    said = directory / "master.out"
    with program([master, "-c", str(config), "-d"], said) as pid:
        wait_for(port, pid, said)
        yield Postfix(port, pid, directory / "log")


def _open_to_all(directory: Path) -> None:
    """Its processes run as another user and have to reach the queue. Raises :class:`Failed` where that is not ours."""
    directory.chmod(0o711)
    closed = [path for path in directory.parents if not path.stat().st_mode & 0o001]
    if closed:
        raise Failed(f"Postfix's user cannot enter {closed[0]}. Give --directory one that everybody may pass through.")
