"""The drain, against the lab."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.services import add_domain
from delivery import selectors
from delivery.agent.agent import Agent
from delivery.models import Attempt, DomainEvidence, DomainLookup, Recipient, State
from delivery.policy.modes import BrokenTls, Mode, SenderPolicy
from delivery.policy.verdict import Way
from tests.delivery.factories import queued

pytestmark = pytest.mark.django_db


def accepted(lab, domain):
    return [one for one in lab.accepted.all() if one.domain == domain]


def outlook(owner, domain, mode):
    copies = [selectors.CopyRequest(address=f"friend@{domain}", domain=domain)]
    return selectors.outlook(
        owner_id=owner.pk,
        copies=copies,
        by_hand=mode,
        sender=SenderPolicy(),
        on_broken_tls=BrokenTls.ASK,
        is_list_reply=False,
        now=timezone.now(),
    )


def test_a_message_reaches_the_server_and_leaves_its_proof(alice, lab, drain):
    message = queued("friend@requiretls.test", owner=alice, now=timezone.now())
    report = drain()
    copy = message.recipients.get()
    assert (report.delivered, copy.state) == (1, State.DELIVERED)
    attempt = copy.last_attempt
    assert (attempt.starttls, attempt.verified_by) == ("offered", ["dane-ee"])
    assert attempt.requiretls_offered
    assert accepted(lab, "requiretls.test")[-1].tls is not None


def test_the_second_message_is_chosen_requiretls_and_carries_it(alice, lab, drain):
    queued("friend@requiretls.test", owner=alice, now=timezone.now())
    drain()
    choice = outlook(alice, "requiretls.test", None).choice
    assert choice.mode is Mode.REQUIRETLS
    mode = choice.modes["friend@requiretls.test"]
    message = queued("friend@requiretls.test", owner=alice, now=timezone.now(), mode=mode)
    drain()
    assert message.recipients.get().last_attempt.requiretls_used
    assert accepted(lab, "requiretls.test")[-1].has_requiretls


def test_a_server_without_tls_gets_plain_text_and_the_record_says_no(alice, lab, drain):
    message = queued("friend@plain.test", owner=alice, now=timezone.now())
    drain()
    assert message.recipients.get().last_attempt.starttls == "not_offered"
    assert selectors.receipt(message).summary == "It went in plain text."
    assert DomainEvidence.objects.get(domain="plain.test").starttls_state == "no"


@pytest.mark.parametrize(
    ("domain", "state", "enhanced"),
    [
        ("nxdomain.test", State.FAILED, "5.1.2"),
        ("nullmx.test", State.FAILED, "5.1.10"),
        ("servfail.test", State.WAITING, ""),
        ("tlsa-servfail.test", State.WAITING, ""),
        ("greylist.test", State.WAITING, ""),
    ],
)
def test_dns_and_servers_decide_what_happens_next(alice, drain, domain, state, enhanced):
    message = queued(f"friend@{domain}", owner=alice, now=timezone.now())
    drain()
    copy = message.recipients.get()
    assert copy.state == state
    assert not enhanced or copy.enhanced == enhanced
    assert copy.last_reply


def test_requiretls_that_nobody_can_meet_fails_at_once(alice, drain):
    message = queued(
        "friend@requiretls-nopolicy.test", owner=alice, now=timezone.now(), mode=Mode.REQUIRETLS
    )
    drain()
    copy = message.recipients.get()
    assert (copy.state, copy.enhanced) == (State.FAILED, "5.7.30")


def test_recipients_of_one_domain_share_one_transaction(alice, lab, drain):
    addresses = [f"friend{number}@pkix.test" for number in range(12)]
    queued(*addresses, owner=alice, now=timezone.now())
    drain()
    assert Attempt.objects.filter(domain="pkix.test").count() == 1
    assert len(accepted(lab, "pkix.test")[-1].recipients) == 12


def test_messages_to_one_host_share_a_connection(alice, lab, drain):
    before = lab.summary()["connections"]
    for _ in range(8):
        queued("friend@dane.test", owner=alice, now=timezone.now())
    assert drain().delivered == 8
    assert lab.summary()["connections"] - before <= 8
    assert DomainEvidence.objects.get(domain="dane.test").deliveries == 8


def test_mail_between_accounts_here_is_filed_and_never_leaves(alice, bob, drain):
    message = queued("bob@mailweb.test", owner=alice, now=timezone.now())
    assert drain().delivered == 1
    assert bob.messages.get().subject == "Hello"
    assert not Attempt.objects.exists()
    assert selectors.receipt(message).parts[0].wire.words == "Stays on this server"


def test_an_unknown_address_here_fails_at_once(alice, drain):
    message = queued("nobody@mailweb.test", owner=alice, now=timezone.now())
    drain()
    assert message.recipients.get().enhanced == "5.1.1"


def test_a_domain_of_ours_that_is_switched_off_is_still_ours(alice, drain):
    domain = add_domain("asleep.test", now=timezone.now())
    domain.is_active = False
    domain.save()
    message = queued("friend@asleep.test", owner=alice, now=timezone.now())
    drain()
    assert message.recipients.get().state in (State.FAILED, State.WAITING)


def test_a_bug_in_delivery_puts_the_copy_off_and_loses_nothing(alice, drain, monkeypatch, caplog):
    async def broken(self, job):
        raise AssertionError("a bug of ours")

    monkeypatch.setattr(Agent, "deliver", broken)
    message = queued("friend@plain.test", owner=alice, now=timezone.now())
    assert drain().deferred == 1
    assert message.recipients.get().state == State.WAITING
    assert "delivery broke" in caplog.text


def test_what_is_not_due_stays(alice, drain):
    later = timezone.now() + timedelta(hours=1)
    queued("friend@plain.test", owner=alice, now=timezone.now(), release_at=later)
    assert drain().claimed == 0
    assert Recipient.objects.get().state == State.SCHEDULED


WAYS_DONE = {
    "REQUIRETLS": Way.REQUIRETLS,
    "Verified TLS": Way.VERIFIED,
    "TLS, not verified": Way.TLS,
    "Plain text": Way.PLAIN,
    "Not sent": Way.NOT_SENT,
    "Not known yet": Way.UNKNOWN,
}


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize(
    "profile",
    [
        "plain",
        "starttls",
        "pkix",
        "sts",
        "dane",
        "requiretls",
        "requiretls-nopolicy",
        "dane-mismatch",
    ],
)
def test_what_compose_foresees_is_what_the_worker_does(alice, drain, profile, mode):
    domain = f"{profile}.test"
    queued(f"first@{domain}", owner=alice, now=timezone.now())
    drain()
    DomainLookup.objects.filter(domain=domain).update(expires_at=timezone.now() + timedelta(days=1))
    foreseen = WAYS_DONE[outlook(alice, domain, mode).copies[0].wire.words]
    message = queued(f"friend@{domain}", owner=alice, now=timezone.now(), mode=mode)
    drain()
    copy = message.recipients.get()
    if copy.state == State.DELIVERED:
        done = WAYS_DONE[selectors.receipt(message).parts[0].wire.words]
    else:
        done = Way.NOT_SENT
    assert foreseen is done, (foreseen, done, copy.last_reply)


def test_a_row_that_cannot_be_read_does_not_stop_the_others(alice, drain, lab):
    broken = queued("friend@pkix.test", owner=alice, now=timezone.now())
    Recipient.objects.filter(message=broken).update(mode="newer")
    fine = queued("friend@pkix.test", owner=alice, now=timezone.now())
    report = drain()
    assert (report.deferred, report.delivered) == (1, 1)
    assert fine.recipients.get().state == State.DELIVERED
    waiting = broken.recipients.get()
    assert waiting.state == State.WAITING
    assert waiting.enhanced == "4.3.0"


def test_what_dns_said_is_known_to_the_next_drain(alice, drain, lab, settings):
    queued("friend@pkix.test", owner=alice, now=timezone.now())
    assert drain().delivered == 1
    settings.DNS_RESOLVERS = ["127.0.0.1:9"]  # discard: nobody answers there
    queued("friend@pkix.test", owner=alice, now=timezone.now())
    assert drain().delivered == 1
