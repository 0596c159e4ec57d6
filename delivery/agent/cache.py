"""DNS answers kept for as long as their TTL allows, and never too many of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from delivery.agent.answers import Answer

MOST_ANSWERS = 20_000
LONGEST_TTL = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    answer: Answer
    until: datetime


class AnswerCache:
    """Answers by name and type; the oldest goes first when there are too many."""

    def __init__(self, *, size: int = MOST_ANSWERS) -> None:
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._size = size

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, name: str, kind: str, *, now: datetime) -> Answer | None:
        """Return the answer if there is one that still holds."""
        kept = self._kept.get((name, kind))
        if kept is None:
            return None
        if kept.until <= now:
            del self._kept[name, kind]
            return None
        return kept.answer

    def put(self, answer: Answer, *, now: datetime) -> None:
        """Keep `answer`; one without a TTL is not kept."""
        if answer.ttl <= 0:
            return
        key = (answer.name, answer.kind)
        self._kept.pop(key, None)
        while len(self._kept) >= self._size:
            del self._kept[next(iter(self._kept))]
        until = now + timedelta(seconds=min(answer.ttl, LONGEST_TTL))
        self._kept[key] = _Kept(answer=answer, until=until)

    def drop(self, name: str, kind: str) -> None:
        """Forget the answer, if there is one."""
        self._kept.pop((name, kind), None)
