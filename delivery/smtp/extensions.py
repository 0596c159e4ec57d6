"""What a server can do beyond RFC 821, as it says in its reply to EHLO."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from delivery.smtp.commands import Auth, Bdat, Command, Mail, Rcpt, StartTls
from delivery.smtp.replies import Reply

_SIZE = re.compile(r"[0-9]{1,20}")
_LIMIT = re.compile(r"([A-Z0-9_-]+)=([!-:<-~]+)")
_LIMIT_VALUE = re.compile(r"0*[1-9][0-9]*")
_FLAGS = {
    "PIPELINING": "pipelining",
    "8BITMIME": "eightbitmime",
    "SMTPUTF8": "smtputf8",
    "STARTTLS": "starttls",
    "REQUIRETLS": "requiretls",
    "ENHANCEDSTATUSCODES": "enhanced_status_codes",
    "CHUNKING": "chunking",
    "DSN": "dsn",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a server takes in one go (RFC 9422); None where it does not say."""

    rcptmax: int | None = None
    mailmax: int | None = None
    rcptdomainmax: int | None = None

    def __str__(self) -> str:
        named = (
            ("RCPTMAX", self.rcptmax),
            ("MAILMAX", self.mailmax),
            ("RCPTDOMAINMAX", self.rcptdomainmax),
        )
        return " ".join(f"{name}={value}" for name, value in named if value is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    """What one EHLO reply announced. A server that was asked with HELO has none.

    `size` is None if SIZE was not announced, 0 if it was without a limit. `other` holds the
    lines of keywords this engine does not know, as they came.
    """

    hostname: str = ""
    greeting: str = ""
    size: int | None = None
    pipelining: bool = False
    eightbitmime: bool = False
    smtputf8: bool = False
    starttls: bool = False
    requiretls: bool = False
    enhanced_status_codes: bool = False
    chunking: bool = False
    dsn: bool = False
    auth: tuple[str, ...] = ()
    limits: Limits = Limits()
    other: tuple[str, ...] = ()

    @classmethod
    def from_reply(cls, reply: Reply) -> Extensions:
        """Read a positive reply to EHLO, or to HELO, which names only the host."""
        hostname, _, greeting = reply.lines[0].strip().partition(" ")
        lines = [
            (words[0].upper(), words[1:], line)
            for line in reply.lines[1:]
            if (words := line.split())
        ]
        flags = {_FLAGS[keyword]: True for keyword, _, _ in lines if keyword in _FLAGS}
        return cls(
            hostname=hostname,
            greeting=greeting,
            size=_size(words for keyword, words, _ in lines if keyword == "SIZE"),
            auth=_mechanisms(words for keyword, words, _ in lines if keyword == "AUTH"),
            limits=_limits([words for keyword, words, _ in lines if keyword == "LIMITS"]),
            other=tuple(line for keyword, _, line in lines if keyword not in _KNOWN),
            **flags,
        )

    def to_reply(self) -> Reply:
        """Return what a server answers to EHLO."""
        return Reply(250, None, (f"{self.hostname} {self.greeting}".rstrip(" "), *self.keywords()))

    def keywords(self) -> Iterator[str]:
        """Yield the lines after the first, one for each extension."""
        for keyword, name in _FLAGS.items():
            if getattr(self, name):
                yield keyword
        if self.size is not None:
            yield f"SIZE {self.size}"
        if self.auth:
            yield " ".join(("AUTH", *self.auth))
        if limits := str(self.limits):
            yield f"LIMITS {limits}"
        yield from self.other

    def takes_size(self, size: int) -> bool:
        """Return whether a message of `size` octets is within the announced limit."""
        return not self.size or size <= self.size


_KNOWN = frozenset(_FLAGS) | {"SIZE", "AUTH", "LIMITS"}


def missing_for(command: Command, extensions: Extensions) -> str | None:
    """Return the keyword that `command` needs and `extensions` lack, or None.

    Both sides ask this: the client before it sends, the server before it believes.
    """
    match command:
        case Mail():
            return _missing_for_mail(command, extensions)
        case Rcpt():
            if command.other:
                return command.other[0][0]
            return "DSN" if (command.notify or command.orcpt) and not extensions.dsn else None
        case StartTls():
            return None if extensions.starttls else "STARTTLS"
        case Auth():
            return None if command.mechanism.upper() in extensions.auth else "AUTH"
        case Bdat():
            return None if extensions.chunking else "CHUNKING"
        case _:
            return None


def lacks_smtputf8(command: Command, mail: Mail | None) -> bool:
    """Return whether `command` has an address that its transaction, opened by `mail`, forbids.

    RFC 6531 §3.4: letters beyond ASCII need SMTPUTF8, said with MAIL for all that follows.
    """
    match command:
        case Mail():
            return not (command.smtputf8 or command.sender.isascii())
        case Rcpt():
            return not (command.address.isascii() or (mail is not None and mail.smtputf8))
        case _:
            return False


def _missing_for_mail(mail: Mail, extensions: Extensions) -> str | None:
    needs = (
        ("SIZE", mail.size is not None, extensions.size is not None),
        ("8BITMIME", mail.body is not None, extensions.eightbitmime),
        ("SMTPUTF8", mail.smtputf8, extensions.smtputf8),
        ("REQUIRETLS", mail.requiretls, extensions.requiretls),
        ("DSN", mail.ret is not None or mail.envid is not None, extensions.dsn),
        ("AUTH", mail.auth is not None, bool(extensions.auth)),
    )
    lacking = (keyword for keyword, is_used, is_announced in needs if is_used and not is_announced)
    return next(lacking, mail.other[0][0] if mail.other else None)


def _size(found: Iterable[list[str]]) -> int | None:
    """Return the limit; RFC 1870 §4 lets a server announce SIZE without one."""
    size = None
    for words in found:
        size = int(words[0]) if len(words) == 1 and _SIZE.fullmatch(words[0]) else 0
    return size


def _mechanisms(found: Iterable[list[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.upper() for words in found for word in words))


def _limits(found: list[list[str]]) -> Limits:
    """Read LIMITS; RFC 9422 §3: one syntax error or name given twice spoils the whole keyword."""
    pairs = [_LIMIT.fullmatch(word.upper()) for words in found for word in words]
    names = Counter(pair[1] for pair in pairs if pair)
    if len(found) != 1 or sum(names.values()) != len(pairs) or len(names) != len(pairs):
        return Limits()
    values = {pair[1]: pair[2] for pair in pairs if pair}
    return Limits(
        rcptmax=_limit(values.get("RCPTMAX", "")),
        mailmax=_limit(values.get("MAILMAX", "")),
        rcptdomainmax=_limit(values.get("RCPTDOMAINMAX", "")),
    )


def _limit(value: str) -> int | None:
    return int(value) if len(value) <= 6 and _LIMIT_VALUE.fullmatch(value) else None
