"""What both sides said, for the people who ask why."""

from __future__ import annotations

from delivery.smtp import Reply

LONGEST_TRANSCRIPT = 16 * 1024
MOST_ENTRIES = 5000


class Transcript:
    """Commands and replies as they went over the wire; never content, credentials or TLS."""

    def __init__(self) -> None:
        self._said: list[tuple[str, str | Reply]] = []

    def add(self, who: str, what: str | Reply) -> None:
        """Note what one side said."""
        if len(self._said) < MOST_ENTRIES:
            self._said.append((who, what))

    def take(self) -> str:
        """Return what was noted since the last time, a line each; of very much, both ends."""
        text = "\n".join(
            f"{who}: {line}" for who, what in self._said for line in str(what).splitlines()
        )
        self._said = []
        if len(text) > LONGEST_TRANSCRIPT:
            half = LONGEST_TRANSCRIPT // 2
            text = f"{text[:half]}\n*: (...)\n{text[-half:]}"
        return text
