"""What each profile's host says, to a client that is not ours."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from delivery.lab import PROFILES, Lab
from delivery.lab.world import has_ipv6
from tests.lab.client import Client, talking_to, until

ALICE = "alice@mailweb.test"
WELCOMING = [
    "plain", "starttls", "pkix", "downgrade", "sts", "sts-testing", "dane", "dane-ta",
    "dane-mismatch", "dane-unusable", "requiretls", "requiretls-sts", "requiretls-nopolicy",
    "slow", "rcptmax", "rcpt452", "eai", "no8bit", "bare", "cname", "backup", "implicit",
    "tlsa-servfail", "bogus",
]  # fmt: skip


@pytest.mark.parametrize("name", WELCOMING)
async def test_a_message_is_accepted_and_kept(name: str):
    async with Lab(profiles=[name], pace=0.001) as lab:
        async with await Client.of(lab, f"{name}.test") as client:
            await client.hello()
            replies = await client.send(ALICE, f"bob@{name}.test")
        assert [reply[:3] for reply in replies] == ["250", "250", "354", "250"]
        (message,) = lab.accepted.for_profile(name)
        assert replies[-1].endswith(f"Accepted as {message.id}")
        assert message.mail_from == ALICE
        assert message.recipients == (f"bob@{name}.test",)
        assert message.content == b"Subject: hello\r\n\r\nHello.\r\n"
        assert message.tls is None
        assert message.helo == "client.mailweb.test"


async def test_plain_offers_no_tls():
    async with talking_to("plain") as (_lab, client):
        assert "STARTTLS" not in await client.hello()
        assert (await client.say("STARTTLS")).startswith("502 ")


@pytest.mark.parametrize("name", ["starttls", "pkix", "sts", "dane", "requiretls"])
async def test_mail_over_tls_is_kept_with_what_tls_showed(name: str):
    async with Lab(profiles=[name]) as lab:
        async with await Client.of(lab, f"{name}.test") as client:
            assert "STARTTLS" in await client.hello()
            assert "STARTTLS" not in await client.start_tls(name=f"mx.{name}.test")
            await client.send(ALICE, f"bob@{name}.test")
        (message,) = lab.accepted.all()
        assert message.tls is not None
        assert message.tls.version == "TLSv1.3"
        assert message.tls.server_name == f"mx.{name}.test"


@pytest.mark.parametrize("name", ["requiretls", "requiretls-sts", "requiretls-nopolicy"])
async def test_requiretls_is_announced_over_tls_only_and_noted(name: str):
    async with Lab(profiles=[name]) as lab:
        async with await Client.of(lab, f"{name}.test") as client:
            assert "REQUIRETLS" not in await client.hello()
            assert "REQUIRETLS" in await client.start_tls()
            await client.send(ALICE, f"bob@{name}.test", parameters=" REQUIRETLS SIZE=30")
        (message,) = lab.accepted.all()
        assert message.has_requiretls
        assert set(message.mail_parameters) == {"REQUIRETLS", "SIZE=30"}


async def test_starttls_disappears_after_three_sessions():
    async with Lab(profiles=["downgrade"]) as lab:
        offers = []
        for _ in range(5):
            async with await Client.of(lab, "downgrade.test") as client:
                offers.append("STARTTLS" in await client.hello())
        assert offers == [True, True, True, False, False]


async def test_starttls_is_out_of_order_inside_a_transaction():
    async with talking_to("pkix") as (_lab, client):
        await client.hello()
        await client.say(f"MAIL FROM:<{ALICE}>")
        assert (await client.say("STARTTLS")).startswith("503 ")


async def test_bytes_behind_starttls_end_the_session():
    async with talking_to("pkix") as (_lab, client):
        await client.hello()
        client.write(b"STARTTLS\r\nMAIL FROM:<mallory@mailweb.test>\r\n")
        assert (await client.read_to_end()).startswith(b"554 ")


async def test_injection_sends_a_forged_reply_in_the_clear():
    async with talking_to("injection") as (_lab, client):
        await client.hello()
        assert (await client.say("STARTTLS")).startswith("220 ")
        assert "forged" in await client.reply()


async def test_tls_refused_answers_starttls_with_454():
    async with talking_to("tls-refused") as (_, client):
        assert "STARTTLS" in await client.hello()
        assert (await client.say("STARTTLS")).startswith("454 ")


async def test_tls_broken_answers_the_handshake_in_plain_text():
    async with talking_to("tls-broken") as (_, client):
        await client.hello()
        with pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
            await client.shake_hands()


async def test_tls10_cannot_agree_with_a_client_of_today():
    async with talking_to("tls10") as (_lab, client):
        await client.hello()
        with pytest.raises(ssl.SSLError):
            await client.shake_hands()


async def test_late_alert_comes_after_the_handshake():
    async with talking_to("late-alert") as (_, client):
        await client.hello()
        await client.shake_hands()
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
            await client.say("EHLO client.mailweb.test")


async def test_greylist_asks_each_pair_to_come_back_once():
    async with Lab(profiles=["greylist"]) as lab:
        for expected in ("450", "250"):
            async with await Client.of(lab, "greylist.test") as client:
                await client.hello()
                replies = await client.send(ALICE, "bob@greylist.test")
                assert replies[1].startswith(expected)
        async with await Client.of(lab, "greylist.test") as client:
            await client.hello()
            replies = await client.send(ALICE, "charlie@greylist.test")
            assert replies[1].startswith("450")


async def test_a_lab_that_forgets_meets_everybody_for_the_first_time_again():
    async with Lab(profiles=["greylist", "downgrade"]) as lab:
        for _ in range(2):
            async with await Client.of(lab, "greylist.test") as client:
                await client.hello()
                replies = await client.send(ALICE, "bob@greylist.test")
            assert replies[1].startswith("450 ")
            for session in range(4):
                async with await Client.of(lab, "downgrade.test") as client:
                    assert ("STARTTLS" in await client.hello()) is (session < 3)
            lab.forget()


async def test_blocklist_mail_refuses_the_sender_and_closes():
    async with talking_to("blocklist-mail") as (_, client):
        await client.hello()
        client.write(f"MAIL FROM:<{ALICE}>\r\nRCPT TO:<bob@blocklist-mail.test>\r\n".encode())
        assert (await client.reply()).startswith("550 5.7.1 ")
        assert await client.read_to_end() == b""


async def test_blocklist_rcpt_closes_before_it_answers_data():
    async with talking_to("blocklist-rcpt") as (_, client):
        await client.hello()
        client.write(
            f"MAIL FROM:<{ALICE}>\r\nRCPT TO:<bob@blocklist-rcpt.test>\r\nDATA\r\n".encode()
        )
        assert (await client.reply()).startswith("250 ")
        assert (await client.reply()).startswith("554 5.7.1 ")
        assert await client.read_to_end() == b""


@pytest.mark.parametrize(("name", "most"), [("rcptmax", 1), ("rcpt452", 2)])
async def test_recipients_above_the_limit_get_452(name: str, most: int):
    async with Lab(profiles=[name]) as lab, await Client.of(lab, f"{name}.test") as client:
        assert ("LIMITS RCPTMAX=1" in await client.hello()) == (name == "rcptmax")
        replies = await client.send(ALICE, *(f"bob{number}@{name}.test" for number in range(4)))
        codes = [reply[:3] for reply in replies[1:5]]
        assert codes == ["250"] * most + ["452"] * (4 - most)


@pytest.mark.parametrize(
    ("name", "step", "expected"),
    [("full", 1, "552 5.2.2 "), ("rejects-content", 3, "554 5.6.0 ")],
)
async def test_a_refusal_comes_where_it_should(name: str, step: int, expected: str):
    async with Lab(profiles=[name]) as lab, await Client.of(lab, f"{name}.test") as client:
        await client.hello()
        replies = await client.send(ALICE, f"bob@{name}.test")
        assert replies[step].startswith(expected)
        assert not lab.accepted.all()


async def test_busy_greets_with_421_and_closes():
    async with talking_to("busy") as (_lab, client):
        assert (await client.read_to_end()).startswith(b"421 4.3.2 ")


async def test_some_mailboxes_of_every_domain_refuse():
    async with talking_to("pkix") as (lab, client):
        await client.hello()
        replies = await client.send(
            ALICE, "bob@pkix.test", "nobody@pkix.test", "later@pkix.test", "bob@plain.test"
        )
        codes = [reply[:9] for reply in replies[1:5]]
        assert codes == ["250 2.1.5", "550 5.1.1", "450 4.2.1", "550 5.7.1"]
        assert lab.accepted.all()[0].recipients == ("bob@pkix.test",)


async def test_smtputf8_and_8bitmime_are_announced_where_they_should_be():
    async with Lab(profiles=["eai", "no8bit", "pkix"]) as lab:
        announced = {}
        for name in ("eai", "no8bit", "pkix"):
            async with await Client.of(lab, f"{name}.test") as client:
                announced[name] = await client.hello()
        assert "SMTPUTF8" in announced["eai"]
        assert "8BITMIME" not in announced["no8bit"]
        assert "SMTPUTF8" not in announced["pkix"]
        assert "8BITMIME" in announced["pkix"]


async def test_an_international_recipient_is_kept_as_written():
    async with Lab(profiles=["eai"]) as lab:
        async with await Client.of(lab, "eai.test") as client:
            await client.hello()
            await client.send(ALICE, "böb@eai.test", parameters=" SMTPUTF8")
        assert lab.accepted.all()[0].recipients == ("böb@eai.test",)


async def test_pipelined_commands_are_answered_in_order():
    async with talking_to("pkix") as (lab, client):
        await client.hello()
        client.write(
            b"MAIL FROM:<>\r\nRCPT TO:<bob@pkix.test>\r\nDATA\r\n..dotted\r\n.\r\nNOOP\r\nQUIT\r\n"
        )
        replies = (await client.read_to_end()).decode().split("\r\n")
        assert [reply[:3] for reply in replies] == ["250", "250", "354", "250", "250", "221", ""]
        assert lab.accepted.all()[0].content == b".dotted\r\n"


async def test_content_in_small_pieces_is_put_together():
    async with talking_to("pkix") as (lab, client):
        await client.hello()
        for line in (f"MAIL FROM:<{ALICE}>", "RCPT TO:<bob@pkix.test>", "DATA"):
            await client.say(line)
        for piece in (b"one\r", b"\n.", b".two\r\n", b"."):
            client.write(piece)
        assert (await client.say("")).startswith("250 ")  # its CRLF ends the lone dot
        assert lab.accepted.all()[0].content == b"one\r\n.two\r\n"


async def test_a_chunked_message_is_put_together():
    async with talking_to("pkix") as (lab, client):
        await client.hello()
        for line in (f"MAIL FROM:<{ALICE}>", "RCPT TO:<bob@pkix.test>"):
            await client.say(line)
        client.write(b"BDAT 5\r\none\r\nBDAT 5 LAST\r\ntwo\r\n")
        assert (await client.reply()).startswith("250 ")
        assert (await client.reply()).startswith("250 ")
        assert lab.accepted.all()[0].content == b"one\r\ntwo\r\n"


@pytest.mark.parametrize(
    ("parameter", "expected"), [("REQUIRETLS", "555 "), ("SMTPUTF8", "555 "), ("X=1", "555 ")]
)
async def test_what_was_not_announced_is_refused(parameter: str, expected: str):
    async with talking_to("pkix") as (_, client):
        await client.hello()
        await client.start_tls()
        assert (await client.say(f"MAIL FROM:<{ALICE}> {parameter}")).startswith(expected)


async def test_requiretls_without_tls_is_refused():
    async with talking_to("requiretls") as (_, client):
        await client.hello()
        assert (await client.say(f"MAIL FROM:<{ALICE}> REQUIRETLS")).startswith("523 5.7.10 ")


async def test_a_message_larger_than_announced_is_refused():
    async with talking_to("pkix") as (_, client):
        assert "SIZE 26214400" in await client.hello()
        assert (await client.say(f"MAIL FROM:<{ALICE}> SIZE=26214401")).startswith("552 ")


async def test_bare_announces_nothing_but_starttls():
    async with talking_to("bare") as (_, client):
        assert await client.hello() == "250-mx.bare.test\n250 STARTTLS"


async def test_silent_says_nothing():
    async with Lab(profiles=["silent"]) as lab, await Client.of(lab, "silent.test") as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.reply(), 0.2)


async def test_a_client_that_gives_up_on_silent_is_forgotten():
    async with Lab(profiles=["silent"]) as lab:
        async with await Client.of(lab, "silent.test"):
            await until(lambda: bool(lab.hosts[0].sessions))
        await until(lambda: not lab.hosts[0].sessions)
        assert lab.hosts[0].counters.connections == 1


async def test_a_client_that_talks_before_a_slow_greeting_is_answered_in_order():
    async with talking_to("slow") as (_lab, client):
        client.write(b"EHLO client.mailweb.test\r\n")
        client.write(b"QUIT\r\n")
        replies = (await client.read_to_end()).decode().splitlines()
    assert [replies[0][:3], replies[1][:4], replies[-1][:3]] == ["220", "250-", "221"]


async def test_a_line_without_end_is_refused():
    async with talking_to("pkix") as (_lab, client):
        await client.hello()
        client.write(b"x" * 100_000 + b"\r\n")
        assert (await client.reply()).startswith("500 ")


async def test_dualstack_refuses_over_ipv6_what_it_accepts_over_ipv4():
    async with Lab(profiles=["dualstack"]) as lab:
        replies = {}
        for host, (_, address) in enumerate(lab.domains["dualstack.test"].hosts):
            async with await Client.of(lab, "dualstack.test", host=host) as client:
                await client.hello()
                answers = await client.send(ALICE, "bob@dualstack.test")
                replies[":" in address] = answers[1]
        assert replies[False].startswith("250 ")
        assert (True in replies) == has_ipv6()
        assert replies.get(True, "550 5.7.1 ").startswith("550 5.7.1 ")


async def test_the_first_host_of_backup_takes_no_connections():
    async with Lab(profiles=["backup"]) as lab:
        assert [name for name, _ in lab.domains["backup.test"].hosts] == ["mx2.backup.test"]


def test_every_profile_has_a_sentence_and_its_own_address():
    domains = Lab().domains
    addresses = [address for domain in domains.values() for _, address in domain.hosts]
    assert len(addresses) == len(set(addresses))
    assert all(profile.description.endswith(".") for profile in PROFILES.values())
