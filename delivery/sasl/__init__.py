"""SASL for clients: how to prove who we are to a server, as bytes in and bytes out.

What is here: SCRAM with and without channel binding (RFC 5802, RFC 7677), CRAM-MD5 (RFC 2195),
XOAUTH2, PLAIN (RFC 4616) and LOGIN; which of them to take; and the exchange itself as SMTP AUTH
frames it (RFC 4954), with every way in which a server can break it.

What is not: sockets, TLS, threads, nonces, and what a failed log-in means for mail.

    choice = choose(offered=("SCRAM-SHA-256", "PLAIN"), credentials=credentials, is_tls=True)
    exchange = Exchange(choice.start(credentials, nonce=token_hex(24)))
    command = exchange.begin()
    while command is not None:
        command = exchange.take(say(command))
    print(exchange.ending)

Rule: whatever a server sends ends in an `Ending`, never in an exception, and is never worth more
than a bounded amount of work.
"""

from __future__ import annotations

from delivery.sasl.bindings import ChannelBinding, tls_server_end_point
from delivery.sasl.choice import Choice, Refusal, choose
from delivery.sasl.credentials import Credentials, CredentialsError
from delivery.sasl.exchange import Ending, Exchange, Result
from delivery.sasl.mechanism import DEFAULT_MECHANISMS, Mechanism, MechanismError, known, strongest

__all__ = [
    "DEFAULT_MECHANISMS",
    "ChannelBinding",
    "Choice",
    "Credentials",
    "CredentialsError",
    "Ending",
    "Exchange",
    "Mechanism",
    "MechanismError",
    "Refusal",
    "Result",
    "choose",
    "known",
    "strongest",
    "tls_server_end_point",
]
