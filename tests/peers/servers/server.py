"""What all servers have in common: started on entering, listening before a test goes on, ended on leaving."""

from __future__ import annotations

import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from tests.peers.servers.presence import remove, wait_until


class Server(ABC):
    """A context manager. Who inherits sets `_folder`, which goes at the end, and says how to start."""

    name: ClassVar[str]
    _folder: Path
    _process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        try:
            self._start()
            wait_until(self._listens, what=self.name, log=self._logs())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._end()

    @abstractmethod
    def _start(self) -> None:
        """Start it, and keep its process if it is one of ours."""

    @abstractmethod
    def _listening(self) -> Iterable[int]:
        """Return the ports that answer once it is ready."""

    def _noticing(self) -> Iterable[int]:
        """Return the ports that greet, where their visitors are counted."""
        return ()

    def _logs(self) -> Iterable[Path]:
        """Return the files that say why it is not."""
        return ()

    def _stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _end(self) -> None:
        try:
            self._stop()
        finally:
            remove(self._folder)

    def _listens(self) -> bool:
        try:
            for port in self._listening():
                with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                    if port in self._noticing():
                        connection.recv(1)
        except OSError:
            return False
        return True
