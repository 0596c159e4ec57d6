"""The small words of the grammar: addresses, domains, and values packed into parameters.

RFC 5321 §4.1.2, with the letters RFC 6531 §3.3 adds; RFC 3461 §4 and RFC 6533 §3 for xtext.
"""

from __future__ import annotations

import re
from typing import Final

from delivery.smtp.errors import AddressError, LocalProtocolError
from delivery.smtp.limits import MAX_DOMAIN, MAX_PATH

_WIDE = "\u00a0-\ud7ff\ue000-\U0010ffff"  # neither controls nor halves of a surrogate pair
_ATOM = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{_WIDE}-]+"
_QUOTED = rf'"(?:[ !#-\[\]-~{_WIDE}]|\\[ -~])*"'
_LABEL = rf"[A-Za-z0-9{_WIDE}](?:[A-Za-z0-9{_WIDE}-]*[A-Za-z0-9{_WIDE}])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_LITERAL = r"\[(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|IPv6:[0-9A-Fa-f:.]+|[A-Za-z0-9-]+:[!-Z^-~]+)\]"

_MAILBOX: Final = re.compile(rf"(?:{_ATOM}(?:\.{_ATOM})*|{_QUOTED})@({_DOMAIN}|{_LITERAL})")
_WORD: Final = re.compile(rf"[!-~{_WIDE}]+")
_KEYWORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_PARAMETER_VALUE: Final = re.compile(rf"[!-<>-~{_WIDE}]+")
_PRINTABLE: Final = re.compile(r"[ -~]*")
_LINE: Final = re.compile(rf"[ -~{_WIDE}]*")

_NOT_XCHAR: Final = re.compile(r"[^!-*,-<>-~]")
_XTEXT: Final = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_HEX: Final = re.compile(r"\+([0-9A-F]{2})")
_NOT_QCHAR: Final = re.compile(r"[^!-*,-<>-\[\]-~]")
_QTEXT: Final = re.compile(rf"(?:[!-*,-<>-\[\]-~{_WIDE}]|\\x\{{[0-9A-F]{{2,6}}\}})*")
_POINT: Final = re.compile(r"\\x\{([0-9A-F]+)\}")


def check_mailbox(address: str) -> None:
    """Refuse an address that is not local-part@domain.

    Raises:
        AddressError: it is not, or it is too long for a path.
    """
    found = _MAILBOX.fullmatch(address)
    if found is None or len(address.encode()) + 2 > MAX_PATH or len(found[1]) > MAX_DOMAIN:
        raise AddressError(f"{address[:80]!a} is not a mail address.")


def check_hello_name(name: str) -> None:
    """Refuse a name for EHLO that is not one word; hosts have names that are no domains."""
    if not _WORD.fullmatch(name) or len(name) > MAX_DOMAIN:
        raise LocalProtocolError(f"{name[:80]!a} is not a host name.")


def check_keyword(word: str) -> None:
    """Refuse a verb, parameter or mechanism name that is not one word."""
    if not _KEYWORD.fullmatch(word.replace("_", "-")):
        raise LocalProtocolError(f"{word[:80]!a} is not a keyword.")


def check_parameter_value(value: str) -> None:
    """Refuse a parameter's value with a space, a control or an equals sign in it."""
    if not _PARAMETER_VALUE.fullmatch(value):
        raise LocalProtocolError(f"{value[:80]!a} cannot be the value of a parameter.")


def check_line(text: str) -> None:
    """Refuse free text that would end the line, or hide in it."""
    if not _LINE.fullmatch(text):
        raise LocalProtocolError(f"{text[:80]!a} cannot be part of a command line.")


def is_printable_ascii(text: str) -> bool:
    """Return whether `text` is what RFC 3461 lets into ENVID: spaces and visible ASCII."""
    return _PRINTABLE.fullmatch(text) is not None


def to_xtext(text: str) -> str:
    """Pack ASCII text into a parameter's value (RFC 3461 §4)."""
    return _NOT_XCHAR.sub(lambda found: f"+{ord(found[0]):02X}", text)


def from_xtext(packed: str) -> str:
    """Unpack a parameter's value (RFC 3461 §4).

    Raises:
        LocalProtocolError: `packed` is not xtext.
    """
    if not _XTEXT.fullmatch(packed):
        raise LocalProtocolError(f"{packed[:80]!a} is not xtext.")
    return _HEX.sub(lambda found: chr(int(found[1], 16)), packed)


def to_utf8_xtext(text: str) -> str:
    r"""Pack any text into ASCII, with \x{...} for what needs it (RFC 6533 §3)."""
    return _NOT_QCHAR.sub(lambda found: f"\\x{{{ord(found[0]):02X}}}", text)


def from_utf8_xtext(packed: str) -> str:
    """Unpack an address of type utf-8 (RFC 6533 §3).

    Raises:
        LocalProtocolError: `packed` is not so encoded, or names no character.
    """
    if not _QTEXT.fullmatch(packed):
        raise LocalProtocolError(f"{packed[:80]!a} is not an encoded UTF-8 address.")
    try:
        return _POINT.sub(lambda found: chr(int(found[1], 16)), packed)
    except ValueError:
        raise LocalProtocolError(
            f"{packed[:80]!a} names a character that does not exist."
        ) from None
