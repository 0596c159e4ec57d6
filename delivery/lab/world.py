"""Starts the whole small internet, and stops it."""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
import hashlib
import socket
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import dns.name

from delivery.lab.behaviour import Host, Profile, StsTrouble, TlsTrouble
from delivery.lab.ca import Certificates, Showing, spki_sha256
from delivery.lab.dns import DnsFault, DnsServer
from delivery.lab.mailbox import Accepted, Mailbox
from delivery.lab.policy_host import PolicyHost, Site, request_factory
from delivery.lab.profiles import PROFILES
from delivery.lab.smtp_host import Session, SmtpHost
from delivery.lab.tls import server_context
from delivery.lab.zones import Zone, Zones, txt_line

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator

OWN_ADDRESS = "127.0.0.1"
_FIRST_NETWORK = tuple(f"127.0.0.{number}" for number in range(10, 255))
_SECOND_NETWORK = tuple(f"127.1.{high}.{low}" for high in range(8) for low in range(1, 255))
_TRIES = 20
_WRONG_KEY = hashlib.sha256(b"a key that nobody has").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabDomain:
    """One domain of a running lab."""

    profile: str
    description: str
    hosts: tuple[tuple[str, str], ...]
    """Host names and addresses on which SMTP is spoken."""


def _addresses(others: Iterable[Profile]) -> dict[tuple[str, str], str]:
    """Give each host its own address: always the same one, unless its profile is not of the lab."""
    known = dict(zip(_hosts(PROFILES.values()), _FIRST_NETWORK, strict=False))
    return known | dict(zip(_hosts(others), _SECOND_NETWORK, strict=False))


def _hosts(profiles: Iterable[Profile]) -> list[tuple[str, str]]:
    return [
        (profile.name, host.key)
        for profile in profiles
        for host in profile.hosts
        if not host.is_ipv6
    ]


def has_ipv6() -> bool:
    """Whether ::1 can be used here."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


class Lab:
    """The lab; every port is free at start unless given. Use it as an async context manager.

    `profiles` are names of its domains, all of them if there are none, or profiles of your own.
    `mail_dir` also keeps accepted mail as files, `discards` keeps none at all. `pace`
    multiplies the seconds that slow hosts and slow name servers take. `records` are TXT records
    to publish beside the lab's own, as name and text; only names under `.test` that no profile has.
    """

    def __init__(
        self,
        *,
        profiles: Iterable[str | Profile] = (),
        smtp_port: int = 0,
        dns_port: int = 0,
        sts_port: int = 0,
        mail_dir: Path | None = None,
        discards: bool = False,
        pace: float = 1.0,
        records: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._records = tuple(records)
        self.profiles = tuple(
            each if isinstance(each, Profile) else PROFILES[each]
            for each in (tuple(profiles) or PROFILES)
        )
        self.accepted = Mailbox(mail_dir)
        self.hosts: list[SmtpHost] = []
        self._ports = (smtp_port, dns_port, sts_port)
        self.discards, self._pace = discards, pace
        self._servers: list[asyncio.Server] = []
        self._addresses = _addresses(
            profile for profile in self.profiles if PROFILES.get(profile.name) is not profile
        )
        self._has_ipv6 = has_ipv6()

    async def __aenter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="mailweb-lab-")
        self._path = Path(self._folder.name)
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    async def _start(self) -> None:
        now = dt.datetime.now(dt.UTC)
        self._certificates = Certificates(now=now)
        self.ca_file = self._path / "root.pem"
        self.ca_file.write_bytes(self._certificates.root.pem)
        smtp_port, dns_port, sts_port = self._ports
        self.smtp_port = await self._start_hosts(smtp_port)
        self.policy_host = PolicyHost(sites=dict(self._sites()), fallback=self._own_context())
        self.sts_port = await self._start_policy_host(sts_port)
        self.zones = self._make_zones(now)
        self._dns = DnsServer(self.zones, self._faults(), pace=self._pace)
        await self._dns.start(OWN_ADDRESS, dns_port)
        self.dns_port = self._dns.port

    async def stop(self) -> None:
        """Stop every server, end every session, remove the keys."""
        for server in self._servers:
            server.close()
        for host in self.hosts:
            host.close()
        if hasattr(self, "policy_host"):
            self.policy_host.close()
        if hasattr(self, "_dns"):
            await self._dns.stop()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
        self._folder.cleanup()

    @contextmanager
    def dns_fault(self, fault: DnsFault) -> Iterator[None]:
        """Let something be wrong with DNS, beside what profiles ask for, until the block ends."""
        usual = self._dns.faults
        self._dns.faults = (fault, *usual)
        try:
            yield
        finally:
            self._dns.faults = usual

    # What others need to know.

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that send Mailweb into this internet."""
        return {
            "DNS_RESOLVERS": f"{OWN_ADDRESS}:{self.dns_port}",
            "SMTP_PORT": str(self.smtp_port),
            "MTA_STS_PORT": str(self.sts_port),
            "TLS_CA_FILE": str(self.ca_file),
        }

    @property
    def domains(self) -> dict[str, LabDomain]:
        """Every domain, by name."""
        return {
            profile.domain: LabDomain(
                profile=profile.name,
                description=profile.description,
                hosts=tuple(
                    (profile.host_name(host), self.address_of(profile, host))
                    for host in profile.hosts
                    if self._is_reachable(host)
                ),
            )
            for profile in self.profiles
        }

    def address_of(self, profile: Profile, host: Host) -> str:
        """Return the address of a host."""
        return "::1" if host.is_ipv6 else self._addresses[profile.name, host.key]

    def summary(self) -> dict[str, int]:
        """Count what all hosts did since the start."""
        return {
            "connections": sum(host.counters.connections for host in self.hosts),
            "messages": sum(host.counters.messages for host in self.hosts),
            "recipients": sum(host.counters.recipients for host in self.hosts),
            "octets": sum(host.counters.octets for host in self.hosts),
        }

    def forget(self) -> None:
        """Let every host be as it was at the start, for whoever is next; accepted mail stays."""
        for host in self.hosts:
            host.forget()

    @property
    def open_sessions(self) -> int:
        """How many sessions are open now."""
        return sum(len(host.sessions) for host in self.hosts)

    # MX hosts.

    def _is_reachable(self, host: Host) -> bool:
        return host.is_listening and (self._has_ipv6 or not host.is_ipv6)

    async def _start_hosts(self, port: int) -> int:
        """Open every listener on one port; try another if it is taken on some address."""
        wanted = [
            (self.address_of(profile, host), self._make_host(profile, host))
            for profile in self.profiles
            for host in profile.hosts
            if self._is_reachable(host)
        ]
        self.hosts = [host for _, host in wanted]
        for _ in range(_TRIES):
            try:
                return await self._listen(wanted, port)
            except OSError as error:
                if port or error.errno != errno.EADDRINUSE:
                    raise
        raise OSError(errno.EADDRINUSE, "no port is free on every address of the lab")

    async def _listen(self, wanted: list[tuple[str, SmtpHost]], port: int) -> int:
        loop = asyncio.get_running_loop()
        servers: list[asyncio.Server] = []
        try:
            for address, host in wanted:
                server = await loop.create_server(
                    lambda host=host: Session(host),  # type: ignore[misc]
                    address,
                    port,
                    backlog=1024,
                )
                servers.append(server)
                port = server.sockets[0].getsockname()[1]
        except OSError:
            for server in servers:
                server.close()
            raise
        self._servers += servers
        return port

    def _make_host(self, profile: Profile, host: Host) -> SmtpHost:
        return SmtpHost(
            profile=profile.name,
            name=profile.host_name(host),
            domains=frozenset({profile.domain, profile.origin}),
            smtp=host.smtp,
            keep=None if self.discards else self._keep,
            context=self._host_context(profile, host),
            pace=self._pace,
        )

    def _keep(self, message: Accepted) -> None:
        self.accepted.add(message)

    def _host_context(self, profile: Profile, host: Host) -> ssl.SSLContext | None:
        tls = host.smtp.tls
        if tls is None:
            return None
        return self._context(
            profile.host_name(host),
            tls.showing,
            is_tls10=tls.trouble is TlsTrouble.TLS10,
            client_roots=self.ca_file if tls.trouble is TlsTrouble.LATE_ALERT else None,
        )

    def _context(
        self,
        name: str,
        showing: Showing,
        *,
        is_tls10: bool = False,
        client_roots: Path | None = None,
    ) -> ssl.SSLContext:
        path = self._path / f"{name}-{showing}.pem"
        path.touch(mode=0o600)
        path.write_bytes(self._certificates.identity(name, showing).pem)
        return server_context(path, is_tls10=is_tls10, client_roots=client_roots)

    # Policies.

    def _own_context(self) -> ssl.SSLContext:
        return self._context("policies.test", Showing.PUBLIC)

    def _sites(self) -> Iterator[tuple[str, Site]]:
        for profile in self.profiles:
            if profile.sts is not None:
                name = f"mta-sts.{profile.domain}"
                is_untrusted = profile.sts.trouble is StsTrouble.UNTRUSTED
                showing = Showing.SELF_SIGNED if is_untrusted else Showing.PUBLIC
                yield (
                    name,
                    Site(
                        context=self._context(name, showing),
                        document=profile.sts.document(profile.domain),
                        trouble=profile.sts.trouble,
                    ),
                )

    async def _start_policy_host(self, port: int) -> int:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: request_factory(self.policy_host), OWN_ADDRESS, port
        )
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    # Names.

    def _faults(self) -> tuple[DnsFault, ...]:
        return tuple(fault for profile in self.profiles for fault in profile.dns_faults)

    def _make_zones(self, now: dt.datetime) -> Zones:
        return Zones(
            [
                Zone(
                    origin=dns.name.from_text(profile.origin),
                    lines=self._lines(profile, profile.records),
                    signing=profile.signing,
                    now=now,
                )
                for profile in self.profiles
                if profile.signing is not None
            ],
            test_lines=(
                *(
                    line
                    for profile in self.profiles
                    for line in self._lines(profile, profile.parent_records)
                ),
                *(txt_line(name, text) for name, text in self._records if self._is_ours(name)),
            ),
            now=now,
        )

    def _is_ours(self, name: str) -> bool:
        """Whether the zone `test` itself can have a record at `name`."""
        delegated = tuple(f".{each.origin}".rstrip(".") for each in self.profiles)
        return name.endswith(".test") and not name.endswith(delegated)

    def _lines(self, profile: Profile, records: Iterable[str]) -> tuple[str, ...]:
        words = self._words(profile)
        lines = (line for line in records if self._has_ipv6 or " AAAA " not in line)
        return tuple(line.format_map(words) for line in lines)

    def _words(self, profile: Profile) -> dict[str, str]:
        document = profile.sts.document(profile.domain) if profile.sts else ""
        words = {
            "domain": profile.domain,
            "sts_id": hashlib.sha256(document.encode()).hexdigest()[:20],
            "wrong": _WRONG_KEY,
            "ta": spki_sha256(self._certificates.private.certificate),
        }
        for host in profile.hosts:
            words[host.key] = self.address_of(profile, host)
        if profile.hosts and (tls := profile.hosts[0].smtp.tls) is not None:
            name = profile.host_name(profile.hosts[0])
            words["ee"] = self._certificates.identity(name, tls.showing).spki_sha256
        return words
