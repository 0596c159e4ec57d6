"""The lab's names, asked over real sockets by an independent client."""

from __future__ import annotations

import asyncio

import dns.asyncquery
import dns.asyncresolver
import dns.dnssec
import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import pytest

from delivery.lab import PROFILES, Lab
from delivery.lab.zones import Signing


async def ask(
    lab: Lab,
    name: str,
    rdtype: str,
    *,
    over: str = "udp",
    flags: str = "RD AD",
    wants_do: bool = True,
) -> dns.message.Message:
    """Ask one question."""
    query = dns.message.make_query(name, rdtype, want_dnssec=wants_do)
    query.flags = dns.flags.from_text(flags)
    send = dns.asyncquery.udp if over == "udp" else dns.asyncquery.tcp
    return await send(query, "127.0.0.1", port=lab.dns_port, timeout=5)


def values(response: dns.message.Message, rdtype: str) -> list[str]:
    """Return the data of the answer's records of one type."""
    wanted = dns.rdatatype.from_text(rdtype)
    return [str(one) for rrset in response.answer if rrset.rdtype == wanted for one in rrset]


def is_authentic(response: dns.message.Message) -> bool:
    return bool(response.flags & dns.flags.AD)


def errors(response: dns.message.Message) -> list[str]:
    return [str(one) for one in response.options if isinstance(one, dns.edns.EDEOption)]


ANSWERING = {Signing.SIGNED, Signing.UNSIGNED}
ORDINARY = [
    name
    for name, profile in PROFILES.items()
    if "@ MX 10 mx" in profile.records and not profile.dns_faults and profile.signing in ANSWERING
]


async def test_every_ordinary_profile_names_its_host():
    async with Lab() as lab:
        for name in ORDINARY:
            profile = PROFILES[name]
            response = await ask(lab, profile.domain, "MX")
            assert f"10 mx.{name}.test." in values(response, "MX")
            assert is_authentic(response) == (profile.signing == "signed")


async def test_every_host_that_listens_has_the_address_it_listens_on():
    async with Lab() as lab:
        for domain in lab.domains.values():
            for name, address in domain.hosts:
                profile = PROFILES[domain.profile]
                if not profile.dns_faults and profile.signing in ANSWERING:
                    rdtype = "AAAA" if ":" in address else "A"
                    assert address in values(await ask(lab, name, rdtype), rdtype)


@pytest.mark.parametrize("name", ["dane", "dane-ta", "dane-mismatch", "requiretls"])
async def test_tlsa_records_of_signed_zones_are_authentic(name: str):
    async with Lab(profiles=[name]) as lab:
        response = await ask(lab, f"_25._tcp.mx.{name}.test", "TLSA")
        assert is_authentic(response)
        assert values(response, "TLSA")[0].startswith("2 1 1" if name == "dane-ta" else "3 1 1")


async def test_tlsa_records_of_unsigned_zones_are_not_authentic():
    async with Lab(profiles=["dane-insecure"]) as lab:
        response = await ask(lab, "_25._tcp.mx.dane-insecure.test", "TLSA")
        assert values(response, "TLSA")
        assert not is_authentic(response)


async def test_a_name_that_is_not_there_is_denied_with_the_soa_and_the_right_ad_flag():
    async with Lab(profiles=["dane", "pkix"]) as lab:
        for name, is_secure in [
            ("nxdomain.test", True),
            ("nowhere.dane.test", True),
            ("nowhere.pkix.test", False),
            ("example.org", True),
        ]:
            response = await ask(lab, name, "MX")
            assert response.rcode() == dns.rcode.NXDOMAIN
            assert is_authentic(response) == is_secure
            assert response.authority[0].rdtype == dns.rdatatype.SOA


async def test_a_name_outside_the_lab_says_why_it_is_not_there():
    async with Lab(profiles=["pkix"]) as lab:
        assert "only names under .test" in errors(await ask(lab, "example.org", "MX"))[0]


async def test_a_name_with_other_records_is_nodata():
    async with Lab(profiles=["dnssec"]) as lab:
        for name in ("mx.dnssec.test", "dnssec.test"):
            response = await ask(lab, name, "TLSA")
            assert response.rcode() == dns.rcode.NOERROR
            assert not response.answer
            assert is_authentic(response)


async def test_a_name_with_nothing_but_names_below_it_exists():
    async with Lab(profiles=["dane"]) as lab:
        response = await ask(lab, "_tcp.mx.dane.test", "TLSA")
        assert response.rcode() == dns.rcode.NOERROR


async def test_broken_dnssec_is_servfail_with_its_extended_error():
    async with Lab(profiles=["bogus"]) as lab:
        response = await ask(lab, "bogus.test", "MX")
        assert response.rcode() == dns.rcode.SERVFAIL
        assert "DNSKEY Missing" in errors(response)[0]


async def test_signatures_that_ran_out_are_servfail_with_their_extended_error():
    async with Lab(profiles=["dnssec-expired"]) as lab:
        response = await ask(lab, "dnssec-expired.test", "MX")
        assert response.rcode() == dns.rcode.SERVFAIL
        assert "Signature Expired" in errors(response)[0]


async def test_wildcard_stands_for_names_that_are_not_there():
    async with Lab(profiles=["tlsa-wildcard"]) as lab:
        response = await ask(lab, "_25._tcp.mx.tlsa-wildcard.test", "A")
        assert response.answer[0].name == dns.name.from_text("_25._tcp.mx.tlsa-wildcard.test")
        assert is_authentic(response)
        response = await ask(lab, "_25._tcp.mx.tlsa-wildcard.test", "TLSA")
        assert (response.rcode(), response.answer) == (dns.rcode.NOERROR, [])
        response = await ask(lab, "nowhere.tlsa-wildcard.test", "A")
        assert response.rcode() == dns.rcode.NXDOMAIN


async def test_broken_dnssec_is_answered_without_ad_when_checking_is_disabled():
    async with Lab(profiles=["bogus"]) as lab:
        response = await ask(lab, "bogus.test", "MX", flags="RD AD CD")
        assert values(response, "MX") == ["10 mx.bogus.test."]
        assert not is_authentic(response)


async def test_servers_that_do_not_answer_are_servfail_with_its_extended_error():
    async with Lab(profiles=["servfail"]) as lab:
        for rdtype in ("MX", "A", "TXT"):
            response = await ask(lab, "servfail.test", rdtype)
            assert response.rcode() == dns.rcode.SERVFAIL
            assert "No Reachable Authority" in errors(response)[0]


async def test_only_the_tlsa_question_of_tlsa_servfail_fails():
    async with Lab(profiles=["tlsa-servfail"]) as lab:
        assert is_authentic(await ask(lab, "tlsa-servfail.test", "MX"))
        assert is_authentic(await ask(lab, "mx.tlsa-servfail.test", "A"))
        response = await ask(lab, "_25._tcp.mx.tlsa-servfail.test", "TLSA")
        assert response.rcode() == dns.rcode.SERVFAIL


async def test_null_mx_is_one_record_with_the_root():
    async with Lab(profiles=["nullmx"]) as lab:
        assert values(await ask(lab, "nullmx.test", "MX"), "MX") == ["0 ."]


async def test_aliases_are_followed_and_shown():
    async with Lab(profiles=["cname"]) as lab:
        mx = await ask(lab, "cname.test", "MX")
        assert values(mx, "CNAME") == ["aliased.test."]
        assert values(mx, "MX") == ["10 mx.cname.test."]
        host = await ask(lab, "mx.cname.test", "A")
        assert values(host, "CNAME") == ["mx.aliased.test."]
        assert values(host, "A")
        assert is_authentic(mx)
        assert is_authentic(host)


async def test_a_dropped_question_gets_no_answer():
    async with Lab(profiles=["dns-silent"]) as lab:
        query = dns.message.make_query("dns-silent.test", "MX")
        with pytest.raises(dns.exception.Timeout):
            await dns.asyncquery.udp(query, "127.0.0.1", port=lab.dns_port, timeout=0.2)


async def test_a_delayed_question_is_answered_later():
    async with Lab(profiles=["dns-slow"], pace=0.01) as lab:
        assert values(await ask(lab, "dns-slow.test", "MX"), "MX")


async def test_ad_is_only_told_to_who_asks_for_it():
    async with Lab(profiles=["dane"]) as lab:
        assert not is_authentic(await ask(lab, "dane.test", "MX", flags="RD", wants_do=False))
        assert is_authentic(await ask(lab, "dane.test", "MX", flags="RD AD", wants_do=False))
        assert is_authentic(await ask(lab, "dane.test", "MX", flags="RD"))


async def test_signatures_are_only_told_to_who_asks_for_them():
    async with Lab(profiles=["dane"]) as lab:
        assert not values(await ask(lab, "dane.test", "MX", wants_do=False), "RRSIG")
        assert values(await ask(lab, "dane.test", "MX"), "RRSIG")


async def test_an_answer_too_big_for_udp_is_truncated_and_whole_over_tcp():
    async with Lab(profiles=["big-dns"]) as lab:
        short = await ask(lab, "big-dns.test", "TXT")
        assert short.flags & dns.flags.TC
        assert not short.answer
        whole = await ask(lab, "big-dns.test", "TXT", over="tcp")
        assert len(values(whole, "TXT")) == 20


async def test_a_stock_resolver_gets_the_big_answer():
    async with Lab(profiles=["big-dns"]) as lab:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], lab.dns_port
        answer = await resolver.resolve("big-dns.test", "TXT")
        assert answer.rrset is not None
        assert len(answer.rrset) == 20


@pytest.mark.parametrize(
    ("name", "rdtype"),
    [("dane.test", "MX"), ("mx.dane.test", "A"), ("_25._tcp.mx.dane.test", "TLSA")],
)
async def test_the_chain_of_signatures_leads_to_the_trust_anchor(name: str, rdtype: str):
    async with Lab(profiles=["dane"]) as lab:
        anchor = lab.zones.trust_anchor.partition(" DS ")[2]
        for origin in (".", "test.", "dane.test."):
            zone = dns.name.from_text(origin)
            ds = anchor if origin == "." else values(await ask(lab, origin, "DS"), "DS")[0]
            key_set, signatures = (await ask(lab, origin, "DNSKEY")).answer
            assert str(dns.dnssec.make_ds(zone, key_set[0], "SHA256")) == ds
            dns.dnssec.validate(key_set, signatures, {zone: key_set})
        records, signatures = (await ask(lab, name, rdtype)).answer
        dns.dnssec.validate(records, signatures, {zone: key_set})


async def test_denial_comes_with_signed_nsec_records():
    async with Lab(profiles=["dane"]) as lab:
        key_set = (await ask(lab, "dane.test", "DNSKEY")).answer[0]
        response = await ask(lab, "nowhere.dane.test", "MX")
        proofs = [one for one in response.authority if one.rdtype == dns.rdatatype.NSEC]
        assert proofs
        for record in proofs:
            signature = response.get_rrset(
                response.authority,
                record.name,
                dns.rdataclass.IN,
                dns.rdatatype.RRSIG,
                dns.rdatatype.NSEC,
            )
            assert signature is not None
            dns.dnssec.validate(record, signature, {dns.name.from_text("dane.test"): key_set})


async def test_nonsense_gets_no_answer_and_stops_nothing():
    async with Lab(profiles=["pkix"]) as lab:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("127.0.0.1", lab.dns_port)
        )
        transport.sendto(b"nonsense")
        assert values(await ask(lab, "pkix.test", "MX"), "MX")
        transport.close()
