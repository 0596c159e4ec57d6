"""Debian's Postfix as a receiving server: one private instance, a port for each way it can be set."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from tests.peers.servers.arrivals import Arrivals
from tests.peers.servers.presence import PATH, program, root_needed_by
from tests.peers.servers.server import Server
from tests.services import free_port

DOMAIN = "d.test"

WAYS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "usual": {},
        "self-signed": {"smtpd_tls_chain_files": "{folder}/etc/self-signed.pem"},
        "plain": {"smtpd_tls_security_level": "none"},
        "without-chunking": {"smtpd_discard_ehlo_keywords": "chunking"},
        "without-pipelining": {"smtpd_discard_ehlo_keywords": "chunking,pipelining"},
        "without-8bitmime": {"smtpd_discard_ehlo_keywords": "chunking,8bitmime,smtputf8"},
        "few-recipients": {"smtpd_recipient_limit": "100"},
        "small": {"message_size_limit": "20000"},
        "small-without-a-word": {
            "message_size_limit": "20000",
            "smtpd_discard_ehlo_keywords": "size,chunking",
        },
        "impatient": {"smtpd_soft_error_limit": "1", "smtpd_hard_error_limit": "2"},
    }
)
"""What differs from `MAIN`, by name. `postscreen` is one more."""

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log/mail.log
maillog_file_prefixes = {folder}
notify_classes =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no

myhostname = mx.{domain}
mydestination =
mynetworks = 192.0.2.0/24
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = regexp:{folder}/etc/mailboxes
virtual_transport = keep
keep_destination_recipient_limit = 2000
smtpd_recipient_restrictions = check_recipient_access regexp:{folder}/etc/refusals
local_header_rewrite_clients =
message_size_limit = 10240000

smtpd_tls_security_level = may
smtpd_tls_chain_files = {folder}/etc/trusted.pem
smtpd_error_sleep_time = 0
postscreen_access_list =
postscreen_greet_wait = 1s
postscreen_pipelining_enable = yes
postscreen_pipelining_action = enforce
"""

MAILBOXES = "!/^nobody@/ yes\n"

REFUSALS = """
/^later@/ 450 4.2.0 Greylisted: please come back in a minute
/^full@/ 452 4.2.2 The mailbox is over its quota
/^closed@/ 550 5.2.1 This mailbox is closed; write to the postmaster
/^böb-is-gone@/ 550 5.1.6 He moved
"""

MASTER = """
{listeners}
127.0.0.1:{postscreen} inet n - n - 1 postscreen
smtpd pass - - n - - smtpd
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
keep unix - n n - 10 pipe
  user={user} argv={script} ${{sender}} ${{recipient}}
"""


class Postfix(Server):
    """A running instance; a context manager. `ports` has a port for each of the `ways`.

    `trusted` and `self_signed` are PEM: a key and the chain that is shown with it.
    """

    name = "Postfix"
    ways = WAYS
    silent: frozenset[str] = frozenset()
    """The ways that do not greet before TLS."""

    def __init__(self, *, trusted: bytes, self_signed: bytes) -> None:
        program("postfix")
        root_needed_by("Postfix")
        self._folder = Path(tempfile.mkdtemp(prefix="mailweb-postfix-"))
        self._folder.chmod(0o755)
        for name in ("etc", "spool", "data", "log"):
            (self._folder / name).mkdir()
        self.arrivals = Arrivals(self._folder / "mail")
        self.ports = {way: free_port() for way in (*self.ways, "postscreen")}
        self._configure(trusted, self_signed)

    def _configure(self, trusted: bytes, self_signed: bytes) -> None:
        texts = {
            "main.cf": MAIN.format(folder=self._folder, domain=DOMAIN),
            "master.cf": MASTER.format(
                listeners="\n".join(self._listener(way) for way in self.ways),
                postscreen=self.ports["postscreen"],
                user="nobody",
                script=self.arrivals.script,
            ),
            "mailboxes": MAILBOXES,
            "refusals": REFUSALS,
        }
        for name, text in texts.items():
            (self._folder / "etc" / name).write_text(text, encoding="utf-8")
        (self._folder / "etc/trusted.pem").write_bytes(trusted)
        (self._folder / "etc/self-signed.pem").write_bytes(self_signed)

    def _listener(self, way: str) -> str:
        settings = (
            f"-o {name}={value.format(folder=self._folder)}"
            for name, value in self.ways[way].items()
        )
        return "\n  ".join((f"127.0.0.1:{self.ports[way]} inet n - n - - smtpd", *settings))

    def _start(self) -> None:
        shutil.chown(self._folder / "data", "postfix")
        self._control("start")

    def _stop(self) -> None:
        self._control("stop")

    def _listening(self) -> Iterable[int]:
        return self.ports.values()

    def _logs(self) -> Iterable[Path]:
        return [self._folder / "log/mail.log"]

    def _noticing(self) -> Iterable[int]:
        """Once it has greeted, its log counts this visit, not a test's."""
        return [port for way, port in self.ports.items() if way not in self.silent]

    def connections(self) -> int:
        """Return how many connections were made so far."""
        log = (self._folder / "log/mail.log").read_text(encoding="utf-8")
        return len(re.findall(r"smtpd\[\d+\]: connect from", log))

    def _control(self, verb: str) -> None:
        subprocess.run(
            ["postfix", "-c", self._folder / "etc", verb],
            check=True,
            env={**os.environ, "PATH": PATH},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
