"""The MTA-STS policies the lab serves, fetched by an independent HTTPS client."""

from __future__ import annotations

import asyncio
import ssl

import dns.asyncquery
import dns.message
import pytest

from delivery.lab import PROFILES, Lab
from tests.lab.client import trusting

WITH_POLICY = [
    name for name, profile in PROFILES.items() if profile.sts and profile.sts.trouble == "none"
]


async def fetch(lab: Lab, host: str, path: str = "/.well-known/mta-sts.txt") -> tuple[str, str]:
    """Return head and body of the response, as HTTP has them on the wire."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", lab.sts_port, ssl=trusting(lab), server_hostname=host
    )
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{lab.sts_port}\r\n\r\n".encode())
    response = (await reader.read()).decode()
    writer.transport.abort()
    await asyncio.sleep(0)
    head, _, body = response.partition("\r\n\r\n")
    return head, body


async def txt_of(lab: Lab, name: str) -> list[str]:
    query = dns.message.make_query(name, "TXT")
    response = await dns.asyncquery.udp(query, "127.0.0.1", port=lab.dns_port, timeout=5)
    return [str(record) for rrset in response.answer for record in rrset]


@pytest.mark.parametrize("name", WITH_POLICY)
async def test_a_policy_is_announced_and_served(name: str):
    async with Lab(profiles=[name]) as lab:
        (record,) = await txt_of(lab, f"_mta-sts.{name}.test")
        assert record.startswith('"v=STSv1; id=')
        head, body = await fetch(lab, f"mta-sts.{name}.test")
        assert head.startswith("HTTP/1.1 200 ")
        assert body.startswith("version: STSv1\r\nmode: ")


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("sts", ["mode: enforce", "mx: mx.sts.test"]),
        ("sts-testing", ["mode: testing", "mx: mx.sts-testing.test"]),
        ("sts-mismatch", ["mode: enforce", "mx: mail.sts-mismatch.test"]),
        ("sts-none", ["mode: none", "max_age: 604800"]),
    ],
)
async def test_a_policy_says_what_its_profile_does(name: str, lines: list[str]):
    async with Lab(profiles=[name]) as lab:
        _, body = await fetch(lab, f"mta-sts.{name}.test")
        assert body.splitlines()[1:3] == lines


@pytest.mark.parametrize(
    ("name", "status"), [("sts-unreachable", "500 "), ("sts-redirect", "301 ")]
)
async def test_a_policy_host_in_trouble_says_so(name: str, status: str):
    async with Lab(profiles=[name]) as lab:
        head, _ = await fetch(lab, f"mta-sts.{name}.test")
        assert head.startswith(f"HTTP/1.1 {status}")


async def test_an_untrusted_policy_host_fails_the_handshake():
    async with Lab(profiles=["sts-untrusted"]) as lab:
        with pytest.raises(ssl.SSLCertVerificationError):
            await fetch(lab, "mta-sts.sts-untrusted.test")


async def test_a_name_without_a_policy_gets_no_handshake():
    async with Lab(profiles=["sts"]) as lab:
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            await fetch(lab, "mta-sts.pkix.test")


async def test_another_path_is_not_found():
    async with Lab(profiles=["sts"]) as lab:
        head, _ = await fetch(lab, "mta-sts.sts.test", "/")
        assert head.startswith("HTTP/1.1 404 ")


async def test_fetches_are_counted():
    async with Lab(profiles=["sts"]) as lab:
        await fetch(lab, "mta-sts.sts.test")
        assert lab.policy_host.fetches == {"mta-sts.sts.test": 1}
