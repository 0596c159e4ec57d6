"""Debian's unbound in front of the lab: it asks the lab, and validates what it hears by itself."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.peers.servers.presence import program
from tests.peers.servers.server import Server
from tests.services import free_port

CONFIGURATION = """
server:
  interface: 127.0.0.1
  port: {port}
  directory: "{folder}"
  pidfile: ""
  chroot: ""
  username: ""
  use-syslog: no
  logfile: "{folder}/log"
  num-threads: 1
  do-ip6: no
  do-not-query-localhost: no
  local-zone: "test." nodefault
  module-config: "{modules}"
  trust-anchor-file: "{folder}/anchor"
  ede: yes
  val-log-level: 2
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{upstream}
"""


class Unbound(Server):
    """A private instance; a context manager. `port` answers by UDP and TCP on 127.0.0.1.

    `anchor` is the DS record of the root it trusts, `upstream` the port of the server it asks.
    Without `validates` it passes on what it hears.
    """

    name = "unbound"

    def __init__(self, folder: Path, *, upstream: int, anchor: str, validates: bool = True) -> None:
        self._binary = program("unbound")
        self._folder = folder
        self.port = free_port()
        (folder / "anchor").write_text(f"{anchor}\n", encoding="ascii")
        (folder / "unbound.conf").write_text(
            CONFIGURATION.format(
                folder=folder,
                port=self.port,
                upstream=upstream,
                modules="validator iterator" if validates else "iterator",
            ),
            encoding="utf-8",
        )

    def _start(self) -> None:
        command = [self._binary, "-d", "-p", "-c", str(self._folder / "unbound.conf")]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def _listening(self) -> Iterable[int]:
        return [self.port]

    def _logs(self) -> Iterable[Path]:
        return [self._folder / "log"]

    def stop(self) -> None:
        """End it; a second time does nothing."""
        self._stop()
