"""Debian's microsocks: a SOCKS5 proxy, with a password or without."""

from __future__ import annotations

import socket
import subprocess
from types import TracebackType
from typing import Self

from tests.peers.servers.presence import unpacked, wait_until
from tests.services import free_port


class Microsocks:
    """A private instance on 127.0.0.1; a context manager. `log` has what it said."""

    def __init__(self, *, username: str = "", password: str = "") -> None:
        self._binary = unpacked("usr/bin/microsocks", of="microsocks")
        self._log_in = ("-u", username, "-P", password) if username else ()
        self.port = free_port()
        self.log = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [self._binary, "-i", "127.0.0.1", "-p", str(self.port), *self._log_in],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(self._listens, what="microsocks")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        _, self.log = self._process.communicate(timeout=10)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
