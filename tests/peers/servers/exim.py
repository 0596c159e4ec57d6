"""Debian's Exim as a receiving server, run from where `.ci/peers` unpacked it, by an ordinary user.

The binary insists on a user `Debian-exim`, which only its package would make; nss_wrapper tells
it of one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.peers.servers.arrivals import Arrivals
from tests.peers.servers.presence import UNPACKED, unpacked
from tests.peers.servers.server import Server
from tests.services import free_port

DOMAIN = "d.test"
WAYS = ("usual", "without-chunking", "without-pipelining", "small", "plain")
NOBODY = 65534

CONFIGURATION = """
keep_environment = ^LD_ : ^NSS_
exim_path = {folder}/exim4
spool_directory = {folder}/spool
log_file_path = {folder}/log-%s
pid_file_path = {folder}/pid
primary_hostname = mx.{domain}
local_interfaces = 127.0.0.1
daemon_smtp_ports = {ports}
disable_ipv6
exim_user = {uid}
exim_group = {gid}
never_users =
deliver_drop_privilege
host_lookup =
rfc1413_hosts =
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
recipients_max = 150

tls_advertise_hosts = ${{if eq{{$received_port}}{{{plain}}}{{}}{{*}}}}
tls_certificate = {folder}/trusted.pem
tls_privatekey = {folder}/trusted.pem
chunking_advertise_hosts = ${{if eq{{$received_port}}{{{without_chunking}}}{{}}{{*}}}}
pipelining_advertise_hosts = ${{if eq{{$received_port}}{{{without_pipelining}}}{{}}{{*}}}}
message_size_limit = ${{if eq{{$received_port}}{{{small}}}{{20000}}{{10M}}}}
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
pipelining_connect_advertise_hosts = *
prdr_enable

acl_smtp_rcpt = recipient
acl_smtp_data = content
acl_smtp_data_prdr = accept

begin acl

recipient:
  deny domains = ! {domain}
    message = We do not relay
  deny local_parts = nobody
  defer local_parts = later
    message = Greylisted\\nPlease come back in a minute
  deny local_parts = closed
    message = 5.2.1 This mailbox is closed; write to the postmaster
  drop local_parts = hangup
    message = Go away
  accept

content:
  deny condition = ${{if eq{{$header_subject:}}{{Refuse me}}}}
    message = This message looks wrong
  accept

begin routers

all:
  driver = accept
  transport = keep

begin transports

keep:
  driver = pipe
  command = {script}
  batch_max = 2000
  use_bsmtp
"""


class Exim(Server):
    """A running instance; a context manager. `ports` has a port for each of the `WAYS`.

    `trusted` is PEM: a key and the chain that is shown with it.
    """

    name = "Exim"

    def __init__(self, *, trusted: bytes) -> None:
        binary = unpacked("usr/sbin/exim4", of="Exim")
        self._user = os.geteuid() or NOBODY
        self._folder = Path(tempfile.mkdtemp(prefix="mailweb-exim-"))
        self._folder.chmod(0o777)
        # Root's cache is closed to the user that Exim runs as.
        for path in (binary, *UNPACKED.glob("usr/lib/*/lib*.so*")):
            shutil.copyfile(path, self._folder / path.name)
        (self._folder / binary.name).chmod(0o755)
        (self._folder / "spool").mkdir()
        (self._folder / "spool").chmod(0o777)
        self.arrivals = Arrivals(self._folder / "mail")
        self.ports = {way: free_port() for way in WAYS}
        self._configure(trusted)

    def _configure(self, trusted: bytes) -> None:
        texts = {
            "exim.conf": CONFIGURATION.format(
                folder=self._folder,
                domain=DOMAIN,
                script=self.arrivals.script,
                uid=self._user,
                gid=self._user,
                **{way.replace("-", "_"): port for way, port in self.ports.items()},
                ports=" : ".join(map(str, self.ports.values())),
            ),
            "passwd": f"Debian-exim:x:{self._user}:{self._user}::/:/bin/false\n",
            "group": f"Debian-exim:x:{self._user}:\n",
            "trusted.pem": trusted.decode(),
        }
        for name, text in texts.items():
            (self._folder / name).write_text(text, encoding="utf-8")

    def _start(self) -> None:
        is_root = os.geteuid() == 0
        with (self._folder / "said").open("wb") as said:
            self._process = subprocess.Popen(
                [self._folder / "exim4", "-C", self._folder / "exim.conf", "-bdf"],
                env={
                    "LD_LIBRARY_PATH": str(self._folder),
                    "LD_PRELOAD": str(self._folder / "libnss_wrapper.so"),
                    "NSS_WRAPPER_PASSWD": str(self._folder / "passwd"),
                    "NSS_WRAPPER_GROUP": str(self._folder / "group"),
                },
                stdout=subprocess.DEVNULL,
                stderr=said,
                user=self._user if is_root else None,
                group=self._user if is_root else None,
                extra_groups=[] if is_root else None,
            )

    def _listening(self) -> Iterable[int]:
        return self.ports.values()

    def _logs(self) -> Iterable[Path]:
        return [self._folder / name for name in ("said", "log-main", "log-panic")]
