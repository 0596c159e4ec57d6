"""One recipient as people type or paste it, and pasted lists of them.

Strict and pure: what this module returns can go into a header, an SMTP command or a DNS question as it is.
The grammar is RFC 5321 §4.1.2 with RFC 6531 §3.3, plus a name before `<address>`; nothing is guessed.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import idna

from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

# RFC 5321 §4.5.3.1: a path is at most 256 octets with its angle brackets.
MAX_LOCAL_OCTETS: Final = 64
MAX_DOMAIN_OCTETS: Final = 253
MAX_ADDRESS_OCTETS: Final = 254
MAX_NAME_CHARACTERS: Final = 200
MAX_TEXT_CHARACTERS: Final = 1000

_ATOM: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+")
_LDH_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_UNSEEN: Final = "The address contains a character that can't be seen."
_SEPARATORS: Final = ",;\r\n"
_ENDS: Final = " \t\u00a0\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\ufeff"


class InvalidAddressError(UserError):
    """This is not an address that mail can be sent to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One mailbox: who, and where.

    `local_part` is its meaning, without quotes; `domain_ascii` is in lower case and A-labels,
    as DNS and SMTP want it, `domain_unicode` the same domain for people.
    """

    name: str
    local_part: str
    domain_ascii: str
    domain_unicode: str

    @property
    def spec(self) -> str:
        """The address for SMTP and headers, its local part quoted where it must be."""
        return f"{_quoted_if_needed(self.local_part)}@{self.domain_ascii}"

    @property
    def shown(self) -> str:
        """The address for people."""
        return f"{_quoted_if_needed(self.local_part)}@{self.domain_unicode}"

    @property
    def text(self) -> str:
        """Name and address in a form that `parse` reads back to the same value."""
        if not self.name:
            return self.shown
        name = self.name
        if not re.fullmatch(r"[\w .'&+/=?!~*|^-]+", name):
            name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"{name} <{self.shown}>"

    @property
    def key(self) -> str:
        """What two spellings of one mailbox have in common.

        Servers may tell local parts apart by case (RFC 5321 §2.4), but none that takes mail
        from strangers does, and the same message twice is what people would get.
        """
        return f"{self.local_part.casefold()}@{self.domain_ascii}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a server with SMTPUTF8 can take mail for it (RFC 6531 §3.4)."""
        return not self.local_part.isascii()


def parse(text: str) -> Address:
    """Read one recipient: `alice@x.test`, `Alice <alice@x.test>`, `"Office, Alice" <alice@x.test>`.

    Raises:
        InvalidAddressError: with one sentence that says what is wrong with it.
    """
    text = text.strip(_ENDS)
    _refuse_unprintable(text)
    name, spec = _name_and_spec(text)
    local_part, domain = _local_part_and_domain(spec)
    domain_ascii = domain_to_ascii(domain)
    address = Address(
        name=name,
        local_part=local_part,
        domain_ascii=domain_ascii,
        domain_unicode=domain_to_unicode(domain_ascii),
    )
    if len(address.spec.encode()) > MAX_ADDRESS_OCTETS:
        raise InvalidAddressError(f"An address has at most {MAX_ADDRESS_OCTETS} characters.")
    return address


def split(text: str) -> list[str]:
    """Cut a pasted list at commas, semicolons and line ends outside quotes and angle brackets.

    A line end always cuts, so that one forgotten quotation mark does not swallow the rest.
    """
    pieces: list[str] = []
    piece = ""
    for character, is_protected in _scan(text):
        if character in "\r\n" or (character in _SEPARATORS and not is_protected):
            pieces.append(piece)
            piece = ""
        else:
            piece += character
    pieces.append(piece)
    return [stripped for piece in pieces if (stripped := piece.strip(_ENDS))]


def domain_to_ascii(text: str) -> str:
    """Return a mail domain, typed in any script, in lower case and A-labels (RFC 5891).

    Raises:
        InvalidAddressError: it is not a complete domain name.
    """
    if text.startswith("["):
        raise InvalidAddressError(
            "An IP address in brackets can't be used; write the server's domain name instead."
        )
    if not text:
        raise InvalidAddressError("The domain after the @ is missing.")
    domain = _encoded(text)
    labels = domain.split(".")
    if "" in labels:
        raise InvalidAddressError(f"“{_short(text)}” has a dot too many.")
    if len(labels) < 2:
        raise InvalidAddressError(
            f"“{_short(text)}” is not a complete domain; one has at least one dot."
        )
    if labels[-1].isdigit():
        raise InvalidAddressError(f"“{_short(text)}” ends in a number, as no domain name does.")
    if len(domain) > MAX_DOMAIN_OCTETS:
        raise InvalidAddressError(f"A domain has at most {MAX_DOMAIN_OCTETS} characters.")
    return domain


def domain_to_unicode(domain_ascii: str) -> str:
    """Return a domain in A-labels as people read it; labels that say nothing stay as they are."""
    return ".".join(_decoded_label(label) for label in domain_ascii.split("."))


def _scan(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each character, and whether quotes or angle brackets protect it. Line ends reset."""
    in_quotes = in_brackets = is_escaped = False
    for character in text:
        if character in "\r\n":
            in_quotes = in_brackets = is_escaped = False
        was_quoted = in_quotes
        if is_escaped:
            is_escaped = False
        elif character == "\\" and in_quotes:
            is_escaped = True
        elif character == '"':
            in_quotes = not in_quotes
        elif not in_quotes and character in "<>":
            in_brackets = character == "<"
        yield character, was_quoted or in_quotes or in_brackets


def _refuse_unprintable(text: str) -> None:
    if not text:
        raise InvalidAddressError("The address is empty.")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise InvalidAddressError(
            "That is too long for one address. Put a comma between addresses."
        )
    if "\r" in text or "\n" in text:
        raise InvalidAddressError("The address contains a line break.")
    if any(unicodedata.category(each) in _INVISIBLE for each in text if each != "\t"):
        raise InvalidAddressError(_UNSEEN)


def _name_and_spec(text: str) -> tuple[str, str]:
    start = _outside_quotes(text, "<")
    if start < 0:
        return "", text
    end = _outside_quotes(text, ">", start)
    if end < 0:
        raise InvalidAddressError("The “>” after the address is missing.")
    if text[end + 1 :].strip():
        raise InvalidAddressError("There is text after the “>”. Put a comma between addresses.")
    return _unquoted_name(text[:start]), text[start + 1 : end].strip(_ENDS)


def _outside_quotes(text: str, wanted: str, start: int = 0) -> int:
    in_quotes = is_escaped = False
    for place in range(start, len(text)):
        character = text[place]
        if is_escaped:
            is_escaped = False
        elif character == "\\" and in_quotes:
            is_escaped = True
        elif character == '"':
            in_quotes = not in_quotes
        elif character == wanted and not in_quotes:
            return place
    return -1


def _unquoted_name(raw: str) -> str:
    """Return a name without its quotation marks; words are kept, spaces are made single."""
    plain = re.sub(r'"((?:[^"\\]|\\.)*)"', lambda found: re.sub(r"\\(.)", r"\1", found[1]), raw)
    name = " ".join(plain.split())
    if len(name) > MAX_NAME_CHARACTERS:
        raise InvalidAddressError(f"A name has at most {MAX_NAME_CHARACTERS} characters.")
    return name


def _local_part_and_domain(spec: str) -> tuple[str, str]:
    if spec.startswith('"'):
        return _quoted_local_part(spec)
    local_part, at, domain = spec.partition("@")
    if not at:
        raise InvalidAddressError(f"“{_short(spec)}” has no @.")
    if "@" in domain:
        raise InvalidAddressError(
            f"“{_short(spec)}” has more than one @. Put a comma between addresses."
        )
    _check_dot_atom(local_part)
    _check_local_length(local_part)
    return local_part, domain


def _quoted_local_part(spec: str) -> tuple[str, str]:
    found = re.match(r'"((?:[^"\\]|\\.)*)"', spec)
    if found is None:
        raise InvalidAddressError("A quotation mark is not closed.")
    if not spec.startswith("@", found.end()):
        raise InvalidAddressError(f"“{_short(spec)}” has no @ after the quotation mark.")
    local_part = re.sub(r"\\(.)", r"\1", found[1])
    if not local_part:
        raise InvalidAddressError("The part before the @ is missing.")
    if "\t" in local_part:
        raise InvalidAddressError(_UNSEEN)
    _check_local_length(local_part)
    return local_part, spec[found.end() + 1 :]


def _check_dot_atom(local_part: str) -> None:
    if not local_part:
        raise InvalidAddressError("The part before the @ is missing.")
    if any(character.isspace() for character in local_part):
        raise InvalidAddressError(
            f"“{_short(local_part)}” contains a space. With a name, write Alice <alice@x.test>."
        )
    if "" in local_part.split("."):
        raise InvalidAddressError(
            f"“{_short(local_part)}” has a dot at the start, at the end, or twice in a row."
        )
    odd = _ATOM.sub("", local_part).replace(".", "")
    if odd:
        raise InvalidAddressError(f"“{odd[0]}” can't be part of an address.")


def _check_local_length(local_part: str) -> None:
    if len(_quoted_if_needed(local_part).encode()) > MAX_LOCAL_OCTETS:
        raise InvalidAddressError(
            f"The part before the @ has at most {MAX_LOCAL_OCTETS} characters."
        )


def _quoted_if_needed(local_part: str) -> str:
    if all(_ATOM.fullmatch(atom) for atom in local_part.split(".")) and not re.search(
        r"\s", local_part
    ):
        return local_part
    return '"' + re.sub(r'(["\\])', r"\\\1", local_part) + '"'


def _encoded(text: str) -> str:
    try:
        mapped = text.lower() if text.isascii() else idna.uts46_remap(text, std3_rules=True)
        return ".".join(_encoded_label(label) for label in mapped.split("."))
    except (idna.IDNAError, UnicodeError):
        raise InvalidAddressError(f"“{_short(text)}” is not a domain name.") from None


def _encoded_label(label: str) -> str:
    """Return one label as an A-label; plain ones need no more than letters, digits and hyphens."""
    if not label:
        return ""
    if label.isascii() and not label.startswith("xn--"):
        if not _LDH_LABEL.fullmatch(label):
            raise idna.IDNAError("not letters, digits and hyphens")
        return label
    return idna.alabel(label).decode("ascii")


def _decoded_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return idna.ulabel(label)
    except (idna.IDNAError, UnicodeError):
        return label


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"
