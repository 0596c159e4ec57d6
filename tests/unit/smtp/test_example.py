from __future__ import annotations

from textwrap import dedent

from delivery import smtp
from tests.unit.smtp.dialogue import EXTENSIONS, Mailbox


class Socket:
    """A socket that is connected to a mailbox."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._arrived = mailbox.connection.greeting()

    def sendall(self, wire: bytes) -> None:
        if wire:
            self._arrived += self._mailbox.hear(wire)

    def recv(self, size: int) -> bytes:
        arrived, self._arrived = self._arrived[:size], self._arrived[size:]
        return arrived


def test_the_example_of_the_package_delivers(capsys):
    mailbox = Mailbox(smtp.ServerConnection(EXTENSIONS))
    assert smtp.__doc__ is not None
    paragraphs = smtp.__doc__.split("\n\n")
    example = "\n".join(dedent(text) for text in paragraphs if text.startswith("    "))
    exec(example, {**vars(smtp), "sock": Socket(mailbox)})  # noqa: S102
    assert mailbox.messages == [b"Subject: Hello\r\n\r\nHello, Bob.\r\n"]
    assert capsys.readouterr().out == "250 2.0.0 Ok\n"
