"""Look-ups, probes, notices and the commands around them, against the lab."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from delivery import events, lookups, maintenance, probes, selectors, services
from delivery.agent.clock import SystemClock
from delivery.config import DeliveryConfig
from delivery.models import (
    Attempt,
    DomainLookup,
    OutboundMessage,
    ProbeRequest,
    Recipient,
    State,
)
from tests.delivery.factories import REFUSED, claimed, queued, settled

pytestmark = pytest.mark.django_db

LETTER = "From: alice@mailweb.test\nTo: friend@x.test\nSubject: By hand\n\nHello.\n"


def told(name, *arguments):
    out = StringIO()
    call_command(name, *arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def look_up(owner, domain):
    config, clock = DeliveryConfig.from_settings(), SystemClock()
    lookups.look_up(owner_id=owner.pk, domain=domain, config=config, clock=clock)


@pytest.fixture
def news(monkeypatch):
    """What open pages are told: kind and ids."""
    heard = []
    monkeypatch.setattr(
        events, "publish", lambda user_id, kind, **ids: heard.append((user_id, kind, ids))
    )
    return heard


def test_a_look_up_tells_the_page_about_each_part_as_it_arrives(alice, drain, news):
    look_up(alice, "requiretls.test")
    assert len(news) >= 2
    assert set(map(str, news)) == {
        str((alice.pk, events.DOMAIN_CHANGED, {"domain": "requiretls.test"}))
    }
    row = selectors.ledger_row(owner_id=alice.pk, domain="requiretls.test", now=timezone.now())
    assert [bar.word for bar in row.bars][1:4] == ["No policy", "Signed", "Matches"]
    assert not row.is_checking


def test_a_failed_look_up_is_asked_again_sooner(alice, drain):
    look_up(alice, "pkix.test")
    look_up(alice, "servfail.test")
    good = DomainLookup.objects.get(domain="pkix.test").expires_at
    bad = DomainLookup.objects.get(domain="servfail.test").expires_at
    assert bad < good - timedelta(minutes=5)


def test_check_now_learns_what_the_server_offers_without_sending(alice, lab, drain):
    services.request_probe(owner=alice, domain="requiretls.test", now=timezone.now())
    before = lab.summary()["messages"]
    probe = ProbeRequest.objects.get()
    for _ in range(2):
        probes.answer(probe_id=probe.pk, config=DeliveryConfig.from_settings(), clock=SystemClock())
    attempt = Attempt.objects.get()
    assert (attempt.source, attempt.outcome, attempt.requiretls_offered) == (
        "probe",
        "probed",
        True,
    )
    assert lab.summary()["messages"] == before
    row = selectors.ledger_row(owner_id=alice.pk, domain="requiretls.test", now=timezone.now())
    assert (row.bars[0].word, row.bars[4].word) == ("Yes", "Yes")


def test_a_sender_is_told_of_a_failure_exactly_once(alice, now):
    queued(owner=alice, now=now)
    settled(claimed(now), REFUSED, now)
    for _ in range(2):
        maintenance.sweep(now=now)
    assert alice.messages.filter(reports_on__isnull=False).count() == 1
    assert not Recipient.objects.filter(notice_due=True).exists()


def test_the_sweep_says_whether_mail_is_due(alice, now):
    assert not maintenance.sweep(now=now)
    queued(owner=alice, now=now)
    assert maintenance.sweep(now=now)


def test_security_prints_the_five_bars_and_the_verdict(alice, drain):
    queued("friend@requiretls.test", owner=alice, now=timezone.now())
    drain()
    said = told("security", "requiretls.test", "--account", "alice@mailweb.test")
    assert list(said["bars"]) == ["starttls", "mta_sts", "dnssec", "dane", "requiretls"]
    assert said["recommended"] == "requiretls"
    assert said["bars"]["requiretls"]["state"] == "yes"
    assert said["bars"]["starttls"]["sessions"] == 1
    assert "announced it" in said["because"]


def test_security_can_visit_the_servers_first(alice, drain):
    said = told("security", "plain.test", "--account", "alice@mailweb.test", "--probe")
    assert said["bars"]["starttls"]["state"] == "no"
    assert said["outlook"]["way"] == "Plain text"


def test_security_without_an_account_knows_only_look_ups(drain):
    said = told("security", "dane.test")
    assert (said["bars"]["dane"]["state"], said["bars"]["starttls"]["state"]) == ("yes", "unknown")


@pytest.mark.parametrize("arguments", [["x"], ["x.test", "--account", "nobody@mailweb.test"]])
def test_security_refuses_what_it_can_not_answer(db, arguments):
    with pytest.raises(CommandError):
        call_command("security", *arguments)


def test_attempts_are_listed_by_every_filter(alice, bob, drain):
    queued("friend@plain.test", owner=alice, now=timezone.now())
    queued("friend@full.test", owner=bob, now=timezone.now())
    drain()
    assert {row["domain"] for row in told("attempts")} == {"plain.test", "full.test"}
    (row,) = told("attempts", "--account", "alice@mailweb.test", "--since", "1h")
    assert (row["domain"], row["starttls"], row["outcome"]) == (
        "plain.test",
        "not_offered",
        "delivered",
    )
    assert [row["domain"] for row in told("attempts", "--failed")] == ["full.test"]
    assert told("attempts", "--host", "mx.plain.test")
    assert told("attempts", "--domain", "elsewhere.test") == []


def test_send_queues_a_file_and_files_the_sent_copy(alice, tmp_path):
    path = tmp_path / "letter.eml"
    path.write_text(LETTER)
    said = told("send", "--from", "alice@mailweb.test", "--to", "Friend <friend@x.test>", str(path))
    (copy,) = said["recipients"]
    assert (copy["address"], copy["mode"]) == ("friend@x.test", "default")
    message = OutboundMessage.objects.get(pk=said["message"])
    assert bytes(message.content.data) == LETTER.replace("\n", "\r\n").encode()
    assert alice.messages.get(outbound=message).subject == "By hand"
    assert message.recipients.get().state == State.QUEUED


@pytest.mark.parametrize(
    ("header", "mode"),
    [
        ("TLS-Required: No", "optional"),
        ("TLS-Required: no\nTLS-Required: NO", "optional"),
        ("TLS-Required: no\nTLS-Required: maybe", "default"),
        ("TLS-Required: yes", "default"),
    ],
)
def test_the_header_counts_only_if_every_occurrence_says_no(alice, tmp_path, header, mode):
    path = tmp_path / "letter.eml"
    path.write_text(f"{header}\n{LETTER}")
    said = told("send", "--from", "alice@mailweb.test", "--to", "friend@x.test", str(path))
    assert said["recipients"][0]["mode"] == mode


@pytest.mark.parametrize(
    "arguments",
    [
        ["--from", "nobody@mailweb.test", "--to", "a@x.test"],
        ["--from", "alice@mailweb.test", "--to", "nobody"],
        ["--from", "alice@mailweb.test", "--to", "a@x.test", "--at", "soon"],
    ],
)
def test_send_refuses_in_words_and_queues_nothing(alice, tmp_path, arguments):
    path = tmp_path / "letter.eml"
    path.write_text(LETTER)
    with pytest.raises(CommandError):
        call_command("send", *arguments, str(path))
    assert not OutboundMessage.objects.exists()
