"""What a server has delivered: a script it hands every message to, and the folder the script fills."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from pathlib import Path

SCRIPT = """#!/bin/sh
# Arguments: the envelope's sender and its recipients. Input: the message, lines ending with LF.
# Without arguments the input is batched SMTP.
kept=$(mktemp {folder}/new-XXXXXX)
{{ printf '%s\\n' "$#" "$@"; cat; }} > "$kept"
mv "$kept" "$kept.kept"
"""

WAIT_SECONDS = 20.0
TRACE = (b"received:", b"return-path:", b"delivered-to:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """One message as it was delivered: its envelope, and its octets without our peer's trace."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


class Arrivals:
    """The messages in a folder that any user may write to.

    `seen_as` is the folder's path for a server that has another root directory.
    """

    def __init__(self, folder: Path, *, seen_as: str = "") -> None:
        self._folder = folder
        folder.mkdir()
        folder.chmod(0o777)
        self.script = folder / "keep"
        self.script.write_text(SCRIPT.format(folder=seen_as or folder), encoding="ascii")
        self.script.chmod(0o755)

    def forget(self) -> None:
        """Remove what has arrived."""
        for path in self._kept():
            path.unlink()

    async def wait_for(self, number: int) -> list[Arrived]:
        """Return the messages as soon as there are so many; delivery goes on after the reply.

        Raises:
            TimeoutError: fewer arrive.
        """
        until = time.monotonic() + WAIT_SECONDS
        while len(kept := self._kept()) < number:
            if time.monotonic() > until:
                raise TimeoutError(f"{len(kept)} of {number} messages arrived")
            await asyncio.sleep(0.02)
        return [_read(path.read_bytes()) for path in kept]

    def _kept(self) -> list[Path]:
        return sorted(self._folder.glob("*.kept"), key=lambda path: path.stat().st_mtime_ns)


def _read(kept: bytes) -> Arrived:
    number, _, rest = kept.partition(b"\n")
    *envelope, message = rest.split(b"\n", int(number))
    if not envelope:
        envelope, message = _read_batch(rest)
    sender, *recipients = (address.decode() for address in envelope)
    return Arrived(
        sender=sender,
        recipients=tuple(recipients),
        content=_without_trace(message).replace(b"\n", b"\r\n"),
    )


def _read_batch(batch: bytes) -> tuple[list[bytes], bytes]:
    """Take the envelope and the message out of the commands that would have sent it."""
    commands, _, stuffed = batch.partition(b"\nDATA\n")
    envelope = re.findall(rb"^(?:MAIL FROM|RCPT TO):<(.*?)>", commands, re.MULTILINE)
    message = stuffed.removesuffix(b".\n")
    return envelope, re.sub(rb"^\.", b"", message, flags=re.MULTILINE)


def _without_trace(message: bytes) -> bytes:
    """Drop the header fields that servers put on top, with the lines they are folded into."""
    lines = message.split(b"\n")
    at = 0
    while lines[at].lower().startswith(TRACE):
        at += 1
        while lines[at].startswith((b" ", b"\t")):
            at += 1
    return b"\n".join(lines[at:])
