"""Debian's unbound in front of the lab: it asks the lab, and validates what it hears by itself."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers.servers.presence import program, wait_until
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


class Unbound:
    """A private instance; a context manager. `port` answers by UDP and TCP on 127.0.0.1.

    `anchor` is the DS record of the root it trusts, `upstream` the port of the server it asks.
    Without `validates` it passes on what it hears.
    """

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

    def __enter__(self) -> Self:
        command = [self._binary, "-d", "-p", "-c", str(self._folder / "unbound.conf")]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_until(self._answers, what="unbound", log=[self._folder / "log"])
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it; a second time does nothing."""
        self._process.terminate()
        self._process.wait(10)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
