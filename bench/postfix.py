"""A private Debian Postfix: its own configuration, queue and log, nothing of the system's."""

from __future__ import annotations

import os
import shutil
import smtplib  # noqa: TID251, to fill the peer's queue
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.load import Load

SENDER = "alice@mailweb.test"

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = bench.mailweb.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = {folder}/log/mail.log
maillog_file_prefixes = {folder}
transport_maps = texthash:{folder}/etc/transport
smtp_tls_security_level = encrypt
smtp_tls_CAfile = {ca_file}
smtp_tls_connection_reuse = {reuse}
smtpd_recipient_limit = 2000
smtpd_client_restrictions = static:HOLD
smtpd_relay_restrictions = permit_mynetworks, reject
notify_classes =
alias_maps =
alias_database =
"""

MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
tlsproxy unix - - n - 0 tlsproxy
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def is_installed() -> bool:
    """Whether Debian's Postfix is here."""
    return all(shutil.which(name) for name in ("postfix", "postsuper", "smtp-source"))


def install() -> None:
    """Install it with apt, as root on Debian; it is not started."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update"], ["apt-get", "install", "-y", "postfix"]):
        subprocess.run(
            command,
            check=True,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postfix:
    """A running private instance that knows every host's address; a context manager.

    `hosts` are addresses by domain: Postfix is spared all look-ups.
    """

    def __init__(
        self, *, hosts: dict[str, str], environment: dict[str, str], reuse: bool = False
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="mailweb-bench-postfix-"))
        self._listen = free_port()
        values = {"folder": self._folder, "ca_file": environment["TLS_CA_FILE"]}
        values |= {"reuse": "yes" if reuse else "no"}
        self._folder.chmod(0o755)
        for name in ("etc", "spool", "data", "log"):
            (self._folder / name).mkdir()
        shutil.chown(self._folder / "data", "postfix", "postfix")
        port = environment["SMTP_PORT"]
        routes = (f"{domain} smtp:[{host}]:{port}\n" for domain, host in hosts.items())
        (self._folder / "etc/transport").write_text("".join(routes))
        (self._folder / "etc/main.cf").write_text(MAIN.format(**values))
        (self._folder / "etc/master.cf").write_text(MASTER.format(port=self._listen))

    def __enter__(self) -> Self:
        self._run("postfix", "start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._run("postfix", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, command: str, *arguments: str) -> None:
        subprocess.run(
            [command, "-c", str(self._folder / "etc"), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def fill(self, load: Load) -> None:
        """Put messages into the queue, on hold."""
        self._wait_until_it_listens()
        for number, addresses in load.messages:
            if len(addresses) == 1:
                self._fill_from_source(number, load.size, addresses[0])
            else:
                self._fill_from_here(number, load.size, addresses)

    def _wait_until_it_listens(self) -> None:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self._listen), 5).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError("the private Postfix does not take mail")

    def _fill_from_source(self, number: int, size: int, to: str) -> None:
        sessions = str(min(8, number))
        amounts = ["-s", sessions, "-m", str(number), "-l", str(size)]
        addresses = ["-f", SENDER, "-t", to]
        subprocess.run(
            ["smtp-source", "-c", *amounts, *addresses, f"127.0.0.1:{self._listen}"],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _fill_from_here(self, number: int, size: int, to: list[str]) -> None:
        with smtplib.SMTP("127.0.0.1", self._listen) as smtp:
            for _ in range(number):
                smtp.sendmail(SENDER, to, "Subject: Load\r\n\r\n" + "x" * 70 * (size // 70))

    def release(self) -> None:
        """Let everything on hold leave now."""
        self._run("postsuper", "-H", "ALL")
        self._run("postqueue", "-f")
