"""Servers that one logs in at, and what must hold whatever they say."""

from __future__ import annotations

from delivery.sasl import Choice, Credentials, Exchange, Mechanism, Result
from delivery.smtp import LocalProtocolError, RemoteProtocolError, Reply, ReplyParser

USER = Credentials(username="user", secret="pencil", token="tea.party")
NONCE = "rOprNGfwEbeRWgbNEkqO"
SIGNATURE = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
"""RFC 7677 §3 has it. Nobody can make another without the password."""

MECHANISMS = [mechanism for mechanism in Mechanism if not mechanism.binds]


def log_ins(data: bytes) -> None:
    """A server that says anything is answered or left, and believed only after it proved itself.

    The first octet chooses the mechanism. Of the lines, those with a "+" are challenges that are
    yet to be encoded.
    """
    name = MECHANISMS[(data[0] if data else 0) % len(MECHANISMS)]
    exchange = Exchange(Choice(mechanism=name).start(USER, nonce=NONCE))
    assert b"\r\n" not in exchange.begin().to_bytes()[:-2]
    steps = 0
    for reply in _replies(data[1:]):
        command = exchange.take(reply)
        steps += 1
        assert (command is None) == (exchange.ending is not None)
        if command is None:
            break
        assert b"\r\n" not in command.to_bytes()[:-2]
        assert "pencil" not in repr(command) + repr(exchange.ending)
    assert steps < 20
    ending = exchange.ending
    if ending is not None and ending.result is Result.LOGGED_IN:
        assert ending.has_proved
        assert not name.is_scram or (name is Mechanism.SCRAM_SHA_256 and SIGNATURE in data)


def _replies(data: bytes) -> list[Reply]:
    found = []
    for line in data.split(b"\n"):
        parser = ReplyParser()
        try:
            if line.startswith(b"+"):
                found.append(Reply.challenge(line[1:]))
                continue
            parser.receive_data(line.replace(b"|", b"\n") + b"\r\n")
            reply = parser.next_reply()
        except (RemoteProtocolError, LocalProtocolError):
            continue
        if reply is not None:
            found.append(reply)
    return found
