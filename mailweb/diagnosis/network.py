"""The resolver, the own name, and the way out to other mail servers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import dns.reversename

from delivery.agent.answers import Status
from delivery.agent.dialer import Dialer
from delivery.agent.errors import ConnectError
from delivery.agent.resolver import servers_to_ask, trusts_ad
from delivery.policy.facts import Dnssec
from mailweb.diagnosis.finding import Finding, fail, ok, warn

if TYPE_CHECKING:
    from delivery.agent.answers import Answer, Resolver
    from delivery.agent.config import AgentConfig

GREETING_SECONDS = 20.0
CONNECT_SCALE = 0.1
"""Of RFC 5321's five minutes: whoever runs the doctor waits for it."""


INSTALL_UNBOUND = """\
Until then DANE is shown as not checked. On Debian, as root:
apt install unbound
printf 'server:\\n  ede: yes\\n  val-log-level: 2\\n' > /etc/unbound/unbound.conf.d/mailweb.conf
systemctl restart unbound
Then set DNS_RESOLVERS=127.0.0.1 and restart Mailweb. Or name a validating resolver in DNS_RESOLVERS,
with a way to it on which nobody can forge answers, and set DNS_TRUST_AD=always."""


async def resolver(ask: Resolver, config: AgentConfig) -> Finding:
    """Look whether answers are authentic: without that there is no DANE."""
    name, servers = "resolver", servers_to_ask(config)
    asked = " and ".join(server.address for server in servers)
    root = await ask.query(".", "SOA")
    if root.status is not Status.FOUND:
        remedy = "Check DNS_RESOLVERS and the firewall. Nothing can be sent without DNS."
        return fail(name, f"DNS does not work with {asked}: {root.detail.strip()}.", remedy)
    if root.dnssec is Dnssec.SECURE:
        return ok(name, f"DNSSEC is validated by {asked}, whose word counts.")
    if any(trusts_ad(server.address, config.trust_ad) for server in servers):
        return warn(name, f"DNSSEC is not validated by {asked}.", INSTALL_UNBOUND)
    if config.trust_ad == "never":
        remedy = "Set DNS_TRUST_AD=auto to believe a resolver on this machine."
        return warn(name, "DNS_TRUST_AD=never: no resolver's word about DNSSEC counts.", remedy)
    sentence = f"What {asked} says about DNSSEC could be forged on its way to this machine."
    return warn(name, sentence, INSTALL_UNBOUND)


async def own_name(ask: Resolver, config: AgentConfig) -> Finding:
    """Look whether other servers will believe the name this one greets them with."""
    name, host = "own name", config.hostname
    if "." not in host or host.endswith((".localdomain", ".local", ".test")):
        remedy = "Set MAIL_HOSTNAME to the full name of this machine in DNS."
        return warn(name, f"{host} is not a name that others can look up.", remedy)
    answers = [await ask.query(host, kind) for kind in ("A", "AAAA")]
    addresses = [address for answer in answers for address in answer.records]
    if not addresses:
        remedy = "Publish its address, or set MAIL_HOSTNAME."
        return warn(name, f"{host} has no address in DNS; many servers refuse that.", remedy)
    for address in addresses:
        pointer = await ask.query(dns.reversename.from_address(address).to_text(), "PTR")
        if host.lower() not in pointer.records:
            remedy = f"Ask your provider to set the reverse name of {address} to {host}."
            return warn(name, f"{address} does not point back to {host}.", remedy)
    return ok(name, f"{host} and its addresses point at each other.")


async def way_out(ask: Resolver, config: AgentConfig, domain: str) -> Finding:
    """Connect to a mail server of `domain` and wait for its greeting, no more."""
    name, port = "way out", config.smtp_port
    addresses = await _addresses_of(ask, domain)
    if not addresses:
        return warn(
            name, f"No mail server of {domain} was found.", "Try --reach with another domain."
        )
    problem = ""
    for host, address in addresses:
        try:
            greeting = await _greeting_of(Dialer(config), host, address)
        except (ConnectError, TimeoutError, OSError) as error:
            problem = problem or f"{host} ({address}): {str(error) or 'no answer'}"
            continue
        return ok(name, f"{host} answers on port {port}: {greeting}")
    remedy = f"Ask your provider to open port {port} outwards; many close it."
    return fail(name, f"No mail server of {domain} can be reached. {problem}", remedy)


async def _addresses_of(ask: Resolver, domain: str) -> list[tuple[str, str]]:
    records = (await ask.query(domain, "MX")).records
    hosts = [record.split()[-1] for record in sorted(records, key=_preference)]
    answers: list[Answer] = [
        await ask.query(host, kind) for host in hosts[:2] for kind in ("A", "AAAA")
    ]
    return [(answer.name, address) for answer in answers for address in answer.records[:1]]


def _preference(record: str) -> int:
    return int(record.split()[0])


async def _greeting_of(dialer: Dialer, host: str, address: str) -> str:
    wire = await dialer.dial(address, host=host)
    try:
        async with asyncio.timeout(GREETING_SECONDS):
            return (await wire.receive()).decode("ascii", "replace").partition("\r\n")[0][:80]
    finally:
        wire.abort()
