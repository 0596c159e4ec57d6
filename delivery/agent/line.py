"""The line in which a job waits for its turn here."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType


@dataclass(slots=True)
class Line:
    """How long a job has stood in line, behind others that are being sent; a context manager.

    What a job waits for is a server, or its turn. Only the first tells that the server is slow.
    """

    _stood: float = 0.0
    _since: float | None = None

    def __enter__(self) -> None:
        self._since = time.monotonic()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stood, self._since = self.stood(time.monotonic()), None

    def stood(self, now: float) -> float:
        """Return the seconds so far, this time included; `now` is a moment of `time.monotonic`."""
        return self._stood + (now - self._since if self._since is not None else 0.0)
