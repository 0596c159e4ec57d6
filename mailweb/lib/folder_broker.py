"""Celery's broker in the embedded mode: a folder with a file for each message.

Unlike kombu's own filesystem transport, whose readers may meet a message that is not written
yet and then end with a JSONDecodeError, a message appears here whole, by a rename, and a
reader takes it by another. Only direct queues: that is all Celery needs to say "there is work".
"""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import virtual
from kombu.utils.json import dumps, loads

PATIENCE_SECONDS = 0.5


class Channel(virtual.Channel):
    """Puts and takes whole files of the transport option `folder`. Their names sort by age."""

    def _put(self, queue: str, message: Any, **_: Any) -> None:
        name = f"{time.time_ns()}-{uuid.uuid4()}.{queue}.msg"
        unfinished = self._folder / f"{name}.unfinished"
        unfinished.write_text(dumps(message), encoding="utf-8")
        unfinished.rename(self._folder / name)

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        for path in self._waiting(queue):
            taken = path.with_name(f"{path.name}.taken")
            try:
                path.rename(taken)  # succeeds for one reader only
            except FileNotFoundError:
                continue
            message = loads(taken.read_text(encoding="utf-8"))
            taken.unlink()
            return message
        raise Empty

    def _size(self, queue: str) -> int:
        return len(self._waiting(queue))

    def _purge(self, queue: str) -> int:
        waiting = self._waiting(queue)
        for path in waiting:
            path.unlink(missing_ok=True)
        return len(waiting)

    def _waiting(self, queue: str) -> list[Path]:
        return sorted(self._folder.glob(f"*.{queue}.msg"))

    @property
    def _folder(self) -> Path:
        client: Any = self.connection.client
        return Path(client.transport_options["folder"])


class Transport(virtual.Transport):
    """Named in CELERY_BROKER_TRANSPORT."""

    Channel = Channel
    driver_type = driver_name = "folder"

    def driver_version(self) -> str:
        """There is no driver."""
        return "none"

    def drain_events(self, connection: Any, timeout: float | None = None, **options: Any) -> Any:
        """Wait for a message, but briefly: between two waits a worker sees that it shall stop."""
        return super().drain_events(connection, timeout=min(timeout or 1, PATIENCE_SECONDS))
