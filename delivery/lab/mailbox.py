"""What the lab's hosts accepted: in memory, and as files where another process shows it."""

from __future__ import annotations

import json
import uuid
from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MAX_MESSAGES = 500
MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSeen:
    """The TLS session a message came over."""

    version: str
    cipher: str
    server_name: str
    """What the client asked for (SNI); empty if it named no host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """One message for which a host answered 250 after its last byte."""

    id: str
    accepted_at: datetime
    profile: str
    host: str
    address: str
    client: str
    helo: str
    mail_from: str
    mail_parameters: tuple[str, ...]
    recipients: tuple[str, ...]
    recipient_parameters: tuple[tuple[str, ...], ...]
    tls: TlsSeen | None
    size_bytes: int
    content: bytes

    @property
    def has_requiretls(self) -> bool:
        """Whether MAIL carried REQUIRETLS (RFC 8689 §2)."""
        return any(one.upper() == "REQUIRETLS" for one in self.mail_parameters)

    @property
    def uuid(self) -> uuid.UUID:
        """Its id, as addresses of pages have it."""
        return uuid.UUID(self.id)

    @property
    def domain(self) -> str:
        """The domain of its first recipient."""
        return self.recipients[0].rpartition("@")[2] if self.recipients else ""


def new_id() -> str:
    """Return a name for one accepted message."""
    return uuid.uuid4().hex


class Mailbox:
    """Accepted messages, oldest first; the oldest go when there are too many or too big ones.

    With a `directory` each message is also kept there as `<id>.json` and `<id>.eml`, and what
    an earlier lab left there is taken over.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        max_messages: int = MAX_MESSAGES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._directory = directory
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._messages: deque[Accepted] = deque()
        self._bytes = 0
        if directory is not None:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for message in reversed(read_directory(directory)):
                self._append(message)

    def add(self, message: Accepted) -> None:
        """Keep one more message, on disk first."""
        if self._directory is not None:
            _write(self._directory, message)
        self._append(message)

    def all(self) -> tuple[Accepted, ...]:
        """Return what is kept, oldest first."""
        return tuple(self._messages)

    def for_profile(self, name: str) -> tuple[Accepted, ...]:
        """Return what this profile's hosts accepted, oldest first."""
        return tuple(message for message in self._messages if message.profile == name)

    def clear(self) -> None:
        """Forget everything."""
        while self._messages:
            self._drop_oldest()

    def __len__(self) -> int:
        return len(self._messages)

    def _append(self, message: Accepted) -> None:
        self._messages.append(message)
        self._bytes += message.size_bytes
        while len(self._messages) > self._max_messages or (
            self._bytes > self._max_bytes and len(self._messages) > 1
        ):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        message = self._messages.popleft()
        self._bytes -= message.size_bytes
        if self._directory is not None:
            for suffix in ("json", "eml"):
                (self._directory / f"{message.id}.{suffix}").unlink(missing_ok=True)


def _write(directory: Path, message: Accepted) -> None:
    # The facts are renamed into place last: who sees them also finds the bytes.
    facts = asdict(message) | {"accepted_at": message.accepted_at.isoformat()}
    del facts["content"]
    (directory / f"{message.id}.eml").write_bytes(message.content)
    unfinished = directory / f"{message.id}.part"
    unfinished.write_text(json.dumps(facts), encoding="utf-8")
    unfinished.rename(directory / f"{message.id}.json")


def read_directory(directory: Path, *, has_content: bool = True) -> tuple[Accepted, ...]:
    """Return what a lab, maybe of another process, keeps in `directory`; newest first."""
    found = (read_message(path, has_content=has_content) for path in directory.glob("*.json"))
    kept = [message for message in found if message is not None]
    return tuple(sorted(kept, key=lambda message: message.accepted_at, reverse=True))


def read_message(path: Path, *, has_content: bool = True) -> Accepted | None:
    """Read one message by the path of its facts; None when it has just been dropped."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        content = path.with_suffix(".eml").read_bytes() if has_content else b""
    except FileNotFoundError:
        return None
    return Accepted(
        id=facts["id"],
        accepted_at=datetime.fromisoformat(facts["accepted_at"]),
        profile=facts["profile"],
        host=facts["host"],
        address=facts["address"],
        client=facts["client"],
        helo=facts["helo"],
        mail_from=facts["mail_from"],
        mail_parameters=tuple(facts["mail_parameters"]),
        recipients=tuple(facts["recipients"]),
        recipient_parameters=tuple(tuple(one) for one in facts["recipient_parameters"]),
        tls=TlsSeen(**facts["tls"]) if facts["tls"] else None,
        size_bytes=facts["size_bytes"],
        content=content,
    )
