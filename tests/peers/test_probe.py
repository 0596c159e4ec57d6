from __future__ import annotations

from delivery.policy.facts import Proof, Starttls
from delivery.policy.record import Mechanism
from tests.fakes.smtp_server import Say, SmtpServer, context_of
from tests.peers.conftest import ROOT, Net


async def test_probe_says_hello_twice_and_leaves(net: Net):
    context = context_of(ROOT.leaf("mx.d.test"), str(net.directory / "leaf.pem"))
    server = await net.serve(
        SmtpServer(context=context, announces_tls=("PIPELINING", "REQUIRETLS"))
    )
    report = await (await net.agent()).probe("d.test")
    assert server.conversations[0].verbs == ["EHLO", "STARTTLS", "EHLO", "QUIT"]
    (attempt,) = report.attempts
    assert attempt.evidence is not None
    assert attempt.evidence.offers_requiretls
    assert attempt.evidence.tls.proofs == {Proof.PKIX}
    assert (attempt.results, attempt.stopped_by) == ((), Mechanism.NONE)
    assert "S: 221" in attempt.transcript


async def test_probe_visits_every_host_in_order_up_to_five(net: Net):
    for n in range(2, 9):
        await net.serve(SmtpServer(address=f"127.0.0.{n}"), mx=f"{n} mx{n}.d.test")
    report = await (await net.agent()).probe("d.test")
    assert [attempt.host for attempt in report.attempts] == [f"mx{n}.d.test" for n in range(2, 7)]


async def test_probe_notes_what_is_wrong_host_by_host(net: Net):
    context = context_of(ROOT.leaf("mx.d.test"), str(net.directory / "leaf.pem"))
    await net.serve(SmtpServer({"STARTTLS": Say("220 go on", "close")}, context=context))
    net.name("20 down.d.test", "127.0.0.9")
    net.name("30 nowhere.d.test")
    net.resolver.records["TXT nowhere.d.test"] = ("x",)
    report = await (await net.agent()).probe("d.test")
    broken, down, nowhere = report.attempts
    assert broken.evidence is not None
    assert broken.evidence.tls.starttls is Starttls.FAILED
    assert (down.evidence, down.outcome.enhanced) == (None, "4.4.1")
    assert (nowhere.evidence, nowhere.outcome.enhanced) == (None, "4.4.4")


async def test_probe_tries_the_next_address_of_a_host(net: Net):
    await net.serve(SmtpServer())
    net.resolver.records["A mx.d.test"] = ("127.0.0.9", "127.0.0.1")
    report = await (await net.agent()).probe("d.test")
    assert report.attempts[0].address == "127.0.0.1"


async def test_probe_of_a_domain_without_hosts_has_just_the_facts(net: Net):
    report = await (await net.agent()).probe("gone.test")
    assert (report.attempts, report.facts.failure) == ((), "nxdomain")


async def test_probe_tries_broken_tls_again_with_the_version_a_delivery_would_use(net: Net):
    context = context_of(ROOT.leaf("mx.d.test"), str(net.directory / "leaf.pem"))
    broken_once: list[str | Say] = [Say("220 go on", "close"), "220 go on"]
    server = await net.serve(SmtpServer({"STARTTLS": broken_once}, context=context))
    (attempt,) = (await (await net.agent()).probe("d.test")).attempts
    assert attempt.evidence is not None
    assert (attempt.evidence.tls.starttls, attempt.evidence.tls.version) == (
        Starttls.OFFERED,
        "TLSv1.2",
    )
    assert len(server.conversations) == 2


async def test_probe_takes_refused_starttls_for_an_answer(net: Net):
    context = context_of(ROOT.leaf("mx.d.test"), str(net.directory / "leaf.pem"))
    server = await net.serve(SmtpServer({"STARTTLS": "454 4.7.0 not now"}, context=context))
    (attempt,) = (await (await net.agent()).probe("d.test")).attempts
    assert attempt.evidence is not None
    assert attempt.evidence.tls.starttls is Starttls.FAILED
    assert len(server.conversations) == 1
