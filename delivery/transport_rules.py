"""Which settings of a transport go together."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from delivery.agent.admission import for_sasl
from delivery.policy.transport import RELAYING, RESERVED, Credentials, Kind, TlsRule
from delivery.sasl import CredentialsError, Mechanism
from delivery.sasl.renewal import Endpoint
from mailweb.lib.addresses import InvalidAddressError, domain_to_ascii
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from delivery.models import Transport

MOST_HOSTS = 10
MOST_ADDRESSES = 20
MECHANISMS = tuple(one.value for one in Mechanism)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}")
_ENHANCED = re.compile(r"[45]\.[0-9]{1,3}\.[0-9]{1,3}")


class BadTransportError(UserError):
    """These settings do not go together."""


def check(row: Transport) -> None:
    """Put names and addresses into their usual form, and refuse what can't work.

    Raises:
        BadTransportError: with the field and a sentence.
    """
    kind = Kind(row.kind)
    _check_name(row.name)
    row.hosts = [_host(host) for host in row.hosts]
    row.ehlo_name = _host(row.ehlo_name, field="ehlo_name") if row.ehlo_name else ""
    row.sources = _addresses(row.sources, "sources")
    row.exits = _addresses(row.exits, "exits")
    _check_hosts(row, kind)
    _check_log_in(row, kind)
    _check_renewal(row, kind)
    _check_tls(row, kind)
    if len({":" in one for one in row.sources}) < len(row.sources):
        raise BadTransportError("Name at most one address of each family.", field="sources")
    if kind is Kind.FAIL:
        _check_reply(row)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadTransportError(
            "A name has up to 60 letters, digits, spaces, dots, hyphens or underscores.",
            field="name",
        )
    if name in RESERVED:
        raise BadTransportError(f"“{name}” has a meaning of its own. Take another.", field="name")


def _check_hosts(row: Transport, kind: Kind) -> None:
    if kind in RELAYING or kind is Kind.SOCKS:
        if not row.hosts:
            raise BadTransportError("Name the host that it leads to.", field="hosts")
        if len(row.hosts) > MOST_HOSTS:
            raise BadTransportError(f"At most {MOST_HOSTS} hosts are tried.", field="hosts")
    elif row.hosts or row.port:
        raise BadTransportError("This kind leads to no host of its own.", field="hosts")
    if row.port is not None and not 0 < row.port < 65536:
        raise BadTransportError("A port is a number from 1 to 65535.", field="port")


def _check_log_in(row: Transport, kind: Kind) -> None:
    if bool(row.username) != row.has_secret:
        raise BadTransportError(
            "A user name and a password belong together.",
            field="username" if row.has_secret else "secret",
        )
    if row.username and kind not in RELAYING and kind is not Kind.SOCKS:
        raise BadTransportError("This kind does not log in.", field="username")
    unknown = set(row.mechanisms) | ({row.pinned} if row.pinned else set())
    unknown -= set(MECHANISMS)
    if unknown:
        raise BadTransportError(
            f"{min(unknown)} is not one of {', '.join(MECHANISMS)}.", field="mechanisms"
        )
    if row.pinned and row.mechanisms and row.pinned not in row.mechanisms:
        raise BadTransportError("The pinned mechanism must be one of those.", field="pinned")
    if Mechanism.XOAUTH2 in row.mechanisms and len(row.mechanisms) > 1:
        raise BadTransportError(
            "XOAUTH2 takes a token and the others a password: name it alone.", field="mechanisms"
        )
    if row.username:
        _check_credentials(row, kind)


def _check_credentials(row: Transport, kind: Kind) -> None:
    if kind is Kind.SOCKS:
        # RFC 1929 §2: one octet for the length of each.
        if not all(text.isascii() and len(text) < 256 for text in (row.username, row.secret)):
            raise BadTransportError("A proxy takes up to 255 ASCII characters.", field="username")
        return
    # What the relay gets is checked when it is issued, where tokens are renewed.
    secret = "token" if row.token_url else row.secret
    known = Credentials(username=row.username, secret=secret, mechanisms=tuple(row.mechanisms))
    try:
        for_sasl(known)
    except CredentialsError as error:
        raise BadTransportError(str(error), field="secret") from None


def _check_renewal(row: Transport, kind: Kind) -> None:
    """RFC 6749 §6: by a refresh token, at a server that is told it over TLS."""
    if not row.token_url:
        if row.client_id or row.token_scope or row.has_client_secret:
            raise BadTransportError("Say where tokens are renewed.", field="token_url")
        return
    try:
        Endpoint.of(row.token_url)
    except ValueError:
        raise BadTransportError(
            "Tokens are renewed at an https:// address, without a password in it.",
            field="token_url",
        ) from None
    if kind not in RELAYING or row.mechanisms != [Mechanism.XOAUTH2] or not row.username:
        raise BadTransportError(
            "Tokens are for a relay that is logged in to by XOAUTH2: name that alone.",
            field="mechanisms",
        )
    if not row.client_id:
        raise BadTransportError("Who asks for tokens has a client ID.", field="client_id")


def _check_tls(row: Transport, kind: Kind) -> None:
    rule = TlsRule(row.tls)
    if kind in RELAYING and row.username and rule is not TlsRule.VERIFIED:
        raise BadTransportError(
            "A password is only given to a host that proved who it is: TLS must be verified.",
            field="tls",
        )
    if rule is TlsRule.MAY and kind in (Kind.SUBMISSION, Kind.SUBMISSIONS):
        raise BadTransportError("TLS can't be left out with submission.", field="tls")


def _check_reply(row: Transport) -> None:
    if not 400 <= row.code <= 599:
        raise BadTransportError("The code is from 400 to 599.", field="code")
    if not _ENHANCED.fullmatch(row.enhanced) or row.enhanced[0] != str(row.code)[0]:
        raise BadTransportError(
            f"The enhanced code begins with {row.code // 100}, as in {row.code // 100}.7.0.",
            field="enhanced",
        )
    if not row.text or not (row.text.isascii() and row.text.isprintable()):
        raise BadTransportError("The text is 1 to 256 printable ASCII characters.", field="text")
    if len(row.text) > 256:
        raise BadTransportError("The text is 1 to 256 printable ASCII characters.", field="text")


def _host(text: str, *, field: str = "hosts") -> str:
    """Return a host name as A-labels, or an address."""
    plain = text.strip().strip("[]")
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        pass
    try:
        return domain_to_ascii(plain.rstrip("."))
    except InvalidAddressError as error:
        raise BadTransportError(f"“{text}” is not the name of a host.", field=field) from error


def _addresses(texts: list[str], field: str) -> list[str]:
    if len(texts) > MOST_ADDRESSES:
        raise BadTransportError(f"At most {MOST_ADDRESSES} addresses.", field=field)
    try:
        return [str(ipaddress.ip_address(text.strip().strip("[]"))) for text in texts]
    except ValueError as error:
        raise BadTransportError(f"That is not an address: {error}.", field=field) from error
