from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from delivery.agent.answers import Answer, Status, follow
from delivery.agent.cache import AnswerCache
from delivery.agent.config import AgentConfig
from delivery.agent.resolver import DnsResolver, servers_to_ask, trusts_ad
from delivery.policy.facts import DnsFailure, Dnssec
from tests.fakes.clock import FakeClock
from tests.fakes.dns_server import DnsServer, Script, response
from tests.fakes.resolver import FakeResolver

SOA = "test. 300 IN SOA ns.test. admin.test. 1 3600 600 86400 60"


def _resolver(*servers: DnsServer, trust_ad: str = "auto", clock: FakeClock | None = None):
    config = AgentConfig(
        hostname="mail.mailweb.test",
        resolvers=tuple((server.address, server.port) for server in servers),
        trust_ad=trust_ad,
        time_scale=0.05,
    )
    return DnsResolver(config, clock=clock or FakeClock())


def _always(*records: str, **options: object) -> Script:
    return lambda query: response(query, *records, **options)  # type: ignore[arg-type]


def _zone(ask: Callable[[str, str], dns.message.Message | None]) -> Script:
    """A script that looks at name and type, and says of the root what a validator says."""

    def script(query: dns.message.Message) -> dns.message.Message | None:
        return ask(query.question[0].name.to_text(), _kind(query))

    return script


def _kind(query: dns.message.Message) -> str:
    return dns.rdatatype.to_text(query.question[0].rdtype)


def _validating(inner: Script) -> Script:
    def script(query: dns.message.Message) -> dns.message.Message | None:
        if query.question[0].name == dns.name.root:
            return response(query, ". 300 IN SOA a. b. 1 1 1 1 1", ad=True)
        return inner(query)

    return script


@pytest.mark.parametrize(
    ("kind", "line", "record"),
    [
        ("MX", "dane.test. 300 IN MX 10 MX.Dane.test.", "10 mx.dane.test"),
        ("MX", "dane.test. 300 IN MX 0 .", "0 ."),
        # U-labels in UTF-8 mean the host that certificates and policies know by its A-labels.
        ("MX", r"dane.test. 300 IN MX 10 mx.B\195\188cher.test.", "10 mx.xn--bcher-kva.test"),
        ("MX", "dane.test. 300 IN MX 10 mx.xn--bcher-kva.test.", "10 mx.xn--bcher-kva.test"),
        ("MX", r"dane.test. 300 IN MX 10 m\255x.test.", r"10 m\255x.test"),
        ("MX", r"dane.test. 300 IN MX 10 a\.b\195\188.test.", r"10 a\.b\195\188.test"),
        ("MX", "dane.test. 300 IN MX 10 _mx.dane.test.", "10 _mx.dane.test"),
        ("A", "dane.test. 300 IN A 192.0.2.1", "192.0.2.1"),
        ("AAAA", "dane.test. 300 IN AAAA 2001:DB8::1", "2001:db8::1"),
        ("TXT", 'dane.test. 300 IN TXT "v=STSv1; " "id=1"', "v=STSv1; id=1"),
        ("TLSA", "dane.test. 300 IN TLSA 3 1 1 0A0B", "3 1 1 0a0b"),
    ],
)
async def test_records_come_in_one_plain_form(kind: str, line: str, record: str):
    async with DnsServer(_always(line, ad=True)) as server:
        answer = await _resolver(server).query("Dane.Test.", kind)
    assert answer.records == (record,)
    assert (answer.status, answer.dnssec) == (Status.FOUND, Dnssec.SECURE)


async def test_tlsa_record_of_the_wrong_length_does_not_hide_those_beside_it():
    lines = ("t.test. 300 IN TLSA 3 1 1 0A0B", "t.test. 300 IN TLSA 3 1 1 " + "AB" * 32)
    script = _always("t.test. 300 IN TLSA 3 1 1 0A0B", ad=True)

    def both(query: dns.message.Message) -> dns.message.Message:
        said: dns.message.Message | None = script(query)
        assert said is not None
        said.answer[0].add(response(query, lines[1]).answer[0][0])
        return said

    async with DnsServer(both) as server:
        answer = await _resolver(server).query("t.test", "TLSA")
    assert set(answer.records) == {"3 1 1 0a0b", "3 1 1 " + "ab" * 32}


async def test_query_asks_for_the_ad_bit_with_edns_and_a_safe_size():
    async with DnsServer(_always(ad=True)) as server:
        await _resolver(server).query("dane.test", "MX")
    asked = server.seen[0]
    assert asked.flags & dns.flags.AD
    assert asked.flags & dns.flags.RD
    assert asked.ednsflags & dns.flags.DO
    assert asked.payload == 1232


async def test_nxdomain_and_nodata_are_kept_apart():
    def ask(query: dns.message.Message) -> dns.message.Message:
        is_there = query.question[0].name.to_text() == "here.test."
        return response(query, rcode=dns.rcode.NOERROR if is_there else dns.rcode.NXDOMAIN, soa=SOA)

    async with DnsServer(ask) as server:
        resolver = _resolver(server)
        here, gone = (
            await resolver.query("here.test", "MX"),
            await resolver.query("gone.test", "MX"),
        )
    assert (here.status, gone.status) == (Status.NODATA, Status.NXDOMAIN)


async def test_answer_that_does_not_fit_comes_by_tcp():
    text = " ".join(f'"{"x" * 200}"' for _ in range(20))
    async with DnsServer(
        _always(f"big.test. 300 IN TXT {text}", ad=True), truncates=True
    ) as server:
        answer = await _resolver(server).query("big.test", "TXT")
    assert len(answer.records[0]) == 4000
    assert server.by_tcp == 1


async def test_servfail_for_dnssec_is_bogus_and_keeps_the_resolvers_words():
    failing = _always(rcode=dns.rcode.SERVFAIL, extended=(7, "signature expired in 2025"))
    async with DnsServer(failing) as server:
        answer = await _resolver(server).query("bogus.test", "MX")
    assert (answer.status, answer.dnssec) == (Status.SERVFAIL, Dnssec.BOGUS)
    assert answer.detail == (
        "bogus.test MX: SERVFAIL; signature expired: signature expired in 2025"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("no\x00 \r\nkey\x1b[1m", "no key [1m", id="control characters"),
        pytest.param("x" * 1000, "x" * 400 + "…", id="too long"),
    ],
)
async def test_words_of_the_resolver_are_made_fit_to_be_shown(text: str, shown: str):
    failing = _always(rcode=dns.rcode.SERVFAIL, extended=(6, text))
    async with DnsServer(failing) as server:
        answer = await _resolver(server).query("bogus.test", "MX")
    assert answer.detail == f"bogus.test MX: SERVFAIL; dnssec bogus: {shown}"


@pytest.mark.parametrize("truncates", [False, True], ids=["UDP", "TCP"])
async def test_answer_that_cannot_be_read_is_no_answer(truncates: bool):
    def damaged(query: dns.message.Message) -> dns.message.Message:
        made = response(query, rcode=dns.rcode.SERVFAIL)
        not_utf8 = dns.edns.GenericOption(dns.edns.OptionType.EDE, b"\x00\x06\xff\xfe")
        made.use_edns(0, 0, 1232, options=[not_utf8])
        return made

    async with DnsServer(damaged, truncates=truncates) as server:
        answer = await _resolver(server).query("bogus.test", "MX")
    assert answer.status is Status.TIMEOUT


async def test_servfail_for_other_reasons_is_not_bogus():
    failing = _always(rcode=dns.rcode.SERVFAIL, extended=(22, "no reachable authority"))
    async with DnsServer(failing) as server:
        answer = await _resolver(server).query("down.test", "MX")
    assert (answer.status, answer.dnssec) == (Status.SERVFAIL, Dnssec.UNCHECKED)


@pytest.mark.parametrize(("is_there", "dnssec"), [(True, Dnssec.BOGUS), (False, Dnssec.UNCHECKED)])
async def test_servfail_without_words_is_bogus_if_it_goes_away_unchecked(
    is_there: bool, dnssec: Dnssec
):
    def ask(query: dns.message.Message) -> dns.message.Message:
        if query.flags & dns.flags.CD and is_there:
            return response(query, "bogus.test. 300 IN MX 10 mx.bogus.test.")
        return response(query, rcode=dns.rcode.SERVFAIL)

    async with DnsServer(ask) as server:
        answer = await _resolver(server).query("bogus.test", "MX")
    assert (answer.status, answer.dnssec) == (Status.SERVFAIL, dnssec)


async def test_silence_is_a_time_out():
    async with DnsServer(lambda _: None) as server:
        answer = await _resolver(server).query("slow.test", "MX")
    assert answer.status is Status.TIMEOUT
    assert len(server.seen) == 2


async def test_next_resolver_is_asked_when_the_first_fails():
    async with (
        DnsServer(_always(rcode=dns.rcode.REFUSED)) as first,
        DnsServer(_always("dane.test. 300 IN A 192.0.2.1")) as second,
    ):
        answer = await _resolver(first, second).query("dane.test", "A")
    assert answer.records == ("192.0.2.1",)


async def test_what_one_resolver_calls_bogus_no_other_is_asked_about():
    # Trap: a forged answer fails with the first resolver and must not pass with the second.
    bogus = _always(rcode=dns.rcode.SERVFAIL, extended=(6, ""))
    forged = _always("bogus.test. 300 IN MX 10 mx.forged.test.", ad=True)
    async with DnsServer(bogus) as first, DnsServer(forged) as second:
        answer = await _resolver(first, second).query("bogus.test", "MX")
    assert (answer.status, answer.dnssec, second.seen) == (Status.SERVFAIL, Dnssec.BOGUS, [])


@pytest.mark.parametrize(
    ("rule", "asked"),
    [
        ("auto", ["127.0.0.1", "::1"]),
        ("always", ["192.0.2.53", "127.0.0.1", "::1"]),
        ("never", ["192.0.2.53", "127.0.0.1", "::1"]),
    ],
)
def test_resolvers_whose_word_does_not_count_are_left_out_beside_those_whose_does(
    rule: str, asked: list[str]
):
    resolvers = (("192.0.2.53", 53), ("127.0.0.1", 53), ("::1", 53))
    config = AgentConfig(hostname="mail.mailweb.test", resolvers=resolvers, trust_ad=rule)
    assert [server.address for server in servers_to_ask(config)] == asked


def test_resolvers_afar_are_asked_where_there_are_no_others():
    config = AgentConfig(hostname="mail.mailweb.test", resolvers=(("192.0.2.53", 53),))
    assert [server.address for server in servers_to_ask(config)] == ["192.0.2.53"]


async def test_name_that_cannot_be_one_does_not_exist():
    async with DnsServer(_always()) as server:
        answer = await _resolver(server).query("a..b", "MX")
    assert (answer.status, server.seen) == (Status.NXDOMAIN, [])


# Whom to believe


@pytest.mark.parametrize(
    ("trust_ad", "dnssec"),
    [("auto", Dnssec.SECURE), ("always", Dnssec.SECURE), ("never", Dnssec.UNCHECKED)],
)
async def test_ad_from_loopback_counts_unless_it_must_not(trust_ad: str, dnssec: Dnssec):
    async with DnsServer(_always("dane.test. 300 IN A 192.0.2.1", ad=True)) as server:
        answer = await _resolver(server, trust_ad=trust_ad).query("dane.test", "A")
    assert answer.dnssec is dnssec


@pytest.mark.parametrize(
    ("address", "rule", "does"),
    [
        ("127.0.0.1", "auto", True),
        ("127.0.0.53", "auto", True),
        ("::1", "auto", True),
        ("192.0.2.53", "auto", False),
        ("10.0.0.1", "auto", False),
        ("192.0.2.53", "always", True),
        ("127.0.0.1", "never", False),
    ],
)
def test_ad_is_not_trusted_from_afar_unless_the_operator_says_so(
    address: str, rule: str, does: bool
):
    assert trusts_ad(address, rule) is does


async def test_without_ad_a_validating_resolver_means_insecure():
    script = _validating(_always("plain.test. 300 IN A 192.0.2.1"))
    async with DnsServer(script) as server:
        answer = await _resolver(server).query("plain.test", "A")
    assert answer.dnssec is Dnssec.INSECURE


async def test_without_ad_a_resolver_that_does_not_validate_means_unchecked():
    async with DnsServer(_always("plain.test. 300 IN A 192.0.2.1")) as server:
        resolver = _resolver(server)
        answers = [await resolver.query(name, "A") for name in ("plain.test", "other.test")]
    assert [answer.dnssec for answer in answers] == [Dnssec.UNCHECKED] * 2
    assert len(server.seen) == 3  # the root zone is asked about once


async def test_ad_seen_once_proves_that_the_resolver_validates():
    def ask(query: dns.message.Message) -> dns.message.Message:
        return response(query, ad=query.question[0].name.to_text() == "signed.test.")

    async with DnsServer(ask) as server:
        resolver = _resolver(server)
        await resolver.query("signed.test", "A")
        answer = await resolver.query("plain.test", "A")
    assert answer.dnssec is Dnssec.INSECURE
    assert len(server.seen) == 2


async def test_validation_is_checked_again_after_an_hour():
    clock = FakeClock()
    async with DnsServer(_validating(_always("plain.test. 300 IN A 192.0.2.1"))) as server:
        resolver = _resolver(server, clock=clock)
        await resolver.query("plain.test", "A")
        clock.advance(timedelta(hours=2))
        server._script = _always("plain.test. 300 IN A 192.0.2.1")
        answer = await resolver.query("plain.test", "A")
    assert answer.dnssec is Dnssec.UNCHECKED


async def test_unchecked_answer_is_soon_asked_for_again():
    clock = FakeClock()
    async with DnsServer(_always("plain.test. 3000 IN A 192.0.2.1")) as server:
        resolver = _resolver(server, clock=clock)
        await resolver.query("plain.test", "A")
        clock.advance(timedelta(seconds=61))
        server._script = _always("plain.test. 3000 IN A 192.0.2.1", ad=True)
        answer = await resolver.query("plain.test", "A")
    assert answer.dnssec is Dnssec.SECURE


# Memory


async def test_answer_is_remembered_as_long_as_its_ttl_allows():
    clock = FakeClock()
    async with DnsServer(_always("dane.test. 60 IN A 192.0.2.1", ad=True)) as server:
        resolver = _resolver(server, clock=clock)
        await resolver.query("dane.test", "A")
        clock.advance(timedelta(seconds=59))
        await resolver.query("DANE.test.", "A")
        assert len(server.seen) == 1
        clock.advance(timedelta(seconds=1))
        await resolver.query("dane.test", "A")
        assert len(server.seen) == 2


@pytest.mark.parametrize(("minutes", "questions"), [(59, 1), (60, 2)])
async def test_no_answer_is_remembered_for_more_than_an_hour(minutes: int, questions: int):
    clock = FakeClock()
    async with DnsServer(_always("dane.test. 604800 IN A 192.0.2.1", ad=True)) as server:
        resolver = _resolver(server, clock=clock)
        await resolver.query("dane.test", "A")
        clock.advance(timedelta(minutes=minutes))
        await resolver.query("dane.test", "A")
    assert len(server.seen) == questions


async def test_no_answer_is_remembered_as_the_soa_says():
    clock = FakeClock()
    async with DnsServer(_always(rcode=dns.rcode.NXDOMAIN, soa=SOA, ad=True)) as server:
        resolver = _resolver(server, clock=clock)
        await resolver.query("gone.test", "MX")
        clock.advance(timedelta(seconds=59))
        await resolver.query("gone.test", "MX")
        assert len(server.seen) == 1
        clock.advance(timedelta(seconds=1))
        await resolver.query("gone.test", "MX")
        assert len(server.seen) == 2


async def test_failure_is_not_remembered():
    failing = _always(rcode=dns.rcode.SERVFAIL, extended=(22, ""))
    async with DnsServer(failing) as server:
        resolver = _resolver(server)
        await resolver.query("down.test", "MX")
        server._script = _always("down.test. 300 IN MX 10 mx.down.test.")
        answer = await resolver.query("down.test", "MX")
    assert answer.records == ("10 mx.down.test",)


async def test_same_question_is_asked_once_at_a_time():
    async with DnsServer(_always("dane.test. 300 IN A 192.0.2.1", ad=True)) as server:
        resolver = _resolver(server)
        answers = await asyncio.gather(*(resolver.query("dane.test", "A") for _ in range(50)))
    assert len(server.seen) == 1
    assert len(set(answers)) == 1


async def test_caller_that_gives_up_does_not_disturb_the_others():
    async with DnsServer(_always("dane.test. 300 IN A 192.0.2.1", ad=True)) as server:
        resolver = _resolver(server)
        impatient = asyncio.create_task(resolver.query("dane.test", "A"))
        patient = asyncio.create_task(resolver.query("dane.test", "A"))
        await asyncio.sleep(0)
        impatient.cancel()
        answer = await patient
    assert answer.records == ("192.0.2.1",)


async def test_closing_gives_up_what_is_asked():
    async with DnsServer(lambda _: None) as server:
        resolver = _resolver(server)
        asking = asyncio.create_task(resolver.query("slow.test", "A"))
        await asyncio.sleep(0)
        await resolver.close()
        with pytest.raises(asyncio.CancelledError):
            await asking


def test_cache_drops_the_oldest_when_it_is_full():
    cache, now = AnswerCache(size=2), FakeClock().now()
    for name in ("a", "b", "c"):
        cache.put(Answer(name=name, kind="A", status=Status.FOUND, ttl=60), now=now)
    assert [cache.get(name, "A", now=now) is not None for name in ("a", "b", "c")] == [
        False,
        True,
        True,
    ]
    assert len(cache) == 2


def test_cache_keeps_nothing_without_a_ttl():
    cache, now = AnswerCache(), FakeClock().now()
    cache.put(Answer(name="a", kind="A", status=Status.FOUND), now=now)
    assert len(cache) == 0


# Aliases


async def test_alias_is_an_answer_of_its_own():
    def ask(query: dns.message.Message) -> dns.message.Message:
        if query.question[0].name.to_text() == "alias.test.":
            lines = ["alias.test. 300 IN CNAME real.test."]
            if _kind(query) != "CNAME":
                lines.append("real.test. 300 IN MX 10 mx.real.test.")
            return response(query, *lines, ad=True)
        return response(query, "real.test. 300 IN MX 10 mx.real.test.", ad=True)

    async with DnsServer(ask) as server:
        chain = await follow(_resolver(server), "alias.test", "MX")
    assert [step.name for step in chain.steps] == ["alias.test", "real.test"]
    assert chain.records == ("10 mx.real.test",)
    assert (chain.dnssec, chain.is_aliased) == (Dnssec.SECURE, True)


async def test_signed_alias_to_an_unsigned_name_is_told_apart():
    resolver = FakeResolver(
        {"CNAME alias.signed.test": ["real.plain.test"], "A real.plain.test": ["192.0.2.1"]},
        secure=["signed.test"],
    )
    chain = await follow(resolver, "alias.signed.test", "A")
    assert [step.dnssec for step in chain.steps] == [Dnssec.SECURE, Dnssec.INSECURE]
    assert chain.dnssec is Dnssec.INSECURE


async def test_alias_to_itself_ends():
    resolver = FakeResolver({"CNAME a.test": ["b.test"], "CNAME b.test": ["a.test"]})
    chain = await follow(resolver, "a.test", "MX")
    assert chain.failure is DnsFailure.ALIAS_LOOP


async def test_endless_aliases_end():
    resolver = FakeResolver({f"CNAME a{n}.test": [f"a{n + 1}.test"] for n in range(40)})
    chain = await follow(resolver, "a0.test", "MX")
    assert (chain.failure, len(chain.steps)) == (DnsFailure.ALIAS_LOOP, 16)
