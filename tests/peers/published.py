"""What d.test publishes, and servers that meet it or don't."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from cryptography.hazmat.primitives.serialization import Encoding

from delivery.agent.policy_fetch import StoredPolicy
from delivery.policy.certificates import public_key_info
from delivery.policy.facts import StsMode
from tests.fakes.certificates import START, Authority, Leaf
from tests.fakes.smtp_server import SmtpServer, context_of
from tests.peers.conftest import ROOT, Net

MX = "mx.d.test"
TLSA = "TLSA _25._tcp.mx.d.test"
LONG_AGO = START + timedelta(days=30)
REQUIRETLS = ("PIPELINING", "8BITMIME", "REQUIRETLS")


def tls_server(net: Net, leaf: Leaf | None = None, **more) -> SmtpServer:
    """Return a server with TLS; without a `leaf` its certificate is good for mx.d.test."""
    path = str(net.directory / f"leaf-{len(list(net.directory.iterdir()))}.pem")
    return SmtpServer(context=context_of(leaf or ROOT.leaf(MX), path), **more)


def publish_tlsa(net: Net, *records: str, name: str = TLSA) -> None:
    """Sign d.test, and publish records at `name`."""
    net.resolver.secure = ("d.test",)
    net.resolver.records[name] = records


def ee(leaf: Leaf) -> str:
    """Return the record that every certificate with this key matches."""
    return "3 1 1 " + hashlib.sha256(public_key_info(leaf.certificate)).hexdigest()


def ta(authority: Authority, usage: int = 2) -> str:
    """Return the record that names an authority."""
    der = authority.certificate.public_bytes(Encoding.DER)
    return f"{usage} 0 1 {hashlib.sha256(der).hexdigest()}"


def hold_policy(net: Net, *mx: str, mode: StsMode = StsMode.ENFORCE) -> None:
    """Hold an MTA-STS policy that names `mx`."""
    now = net.clock.now()
    net.resolver.records["TXT _mta-sts.d.test"] = ("v=STSv1; id=1",)
    net.policies.kept["d.test"] = StoredPolicy(
        domain="d.test",
        mode=mode,
        fetched_at=now,
        expires_at=now + timedelta(days=7),
        policy_id="1",
        mx=mx or (MX,),
    )
