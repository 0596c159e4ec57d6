"""The memory of TLS end to end: the lab's `downgrade` drops STARTTLS after its third session."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from accounts import selectors as accounts
from accounts import services as account_services
from delivery import claims, probes, releasing, selectors, services
from delivery.agent.clock import SystemClock
from delivery.config import DeliveryConfig
from delivery.models import Attempt, DomainEvidence, OutboundMessage, ProbeRequest, State
from delivery.policy.modes import BrokenTls, Mode, PledgeKind, SenderPolicy
from tests.delivery.factories import CONTENT, claimed, queued
from tests.labs import running_lab

pytestmark = pytest.mark.django_db

DOMAIN = "downgrade.test"
ADDRESS = f"friend@{DOMAIN}"


@pytest.fixture
def lab():
    """A lab of its own, because its host counts sessions."""
    with running_lab("downgrade") as lab:
        yield lab


def send(owner, mode: Mode = Mode.DEFAULT) -> OutboundMessage:
    """Submit a message as compose does: with the pledge that applies now."""
    return services.submit(
        owner=owner,
        mail_from="alice@mailweb.test",
        recipients=[
            services.NewRecipient(
                address=ADDRESS,
                mode=mode,
                pledge=accounts.pledges_for(owner, [ADDRESS]).get(ADDRESS),
            )
        ],
        content=CONTENT,
        subject="Hello",
        sender_policy=SenderPolicy(),
        now=timezone.now(),
    )


@pytest.fixture
def fourth(alice, drain):
    """Three messages that went over TLS, and the one after STARTTLS was gone."""
    for _ in range(3):
        message = send(alice)
        drain()
        assert message.recipients.get().last_attempt.tls_version
    message = send(alice)
    drain()
    return message


def foreseen(owner, *, pledge: PledgeKind | None = None):
    (copy,) = selectors.outlook(
        owner_id=owner.pk,
        copies=[selectors.CopyRequest(address=ADDRESS, domain=DOMAIN, pledge=pledge)],
        by_hand=None,
        sender=SenderPolicy(),
        on_broken_tls=BrokenTls.AUTOMATIC,
        is_list_reply=False,
        now=timezone.now(),
    ).copies
    return copy


def test_the_fourth_copy_waits_and_mail_is_never_said_in_the_clear(lab, fourth):
    copy = fourth.recipients.get()
    attempt = copy.last_attempt
    assert (copy.state, copy.enhanced) == (State.WAITING, "4.7.10")
    assert (attempt.stopped_by, attempt.reason) == ("history", "starttls-not-supported")
    assert (attempt.scope, attempt.starttls, attempt.tls_version) == ("host", "not_offered", "")
    assert "EHLO" in attempt.transcript
    assert "MAIL" not in attempt.transcript
    assert [message.tls is not None for message in lab.accepted.all()] == [True] * 3


def test_the_sender_reads_dated_evidence_wherever_the_copy_is_shown(alice, fourth):
    today = timezone.now()
    evidence = f"used TLS in 3 of 3 sessions, last on {today.day} {today:%B %Y}, and does not now."
    (item,) = selectors.outbox(owner_id=alice.pk, now=today).moving
    assert evidence in item.sentence
    assert [way.step for way in item.choices] == ["optional"]
    facts = dict(fact[:2] for fact in selectors.receipt(fourth).parts[0].facts)
    assert evidence in facts["Why"]
    assert "TLS optional" in facts["Why"]
    warning = foreseen(alice)
    assert "used TLS in 3 of 4 sessions, last just now, and did not offer it" in warning.sentence
    assert warning.alternative.mode is Mode.OPTIONAL


def test_it_is_tried_again_on_the_usual_schedule_and_refused_again(alice, fourth, drain):
    copy = fourth.recipients.get()
    wait = copy.next_attempt_at - timezone.now()
    assert timedelta(0) < wait < timedelta(minutes=10)
    services.retry_now(message=fourth, now=timezone.now())
    drain()
    copy.refresh_from_db()
    assert (copy.state, copy.attempts_made) == (State.WAITING, 2)
    row = DomainEvidence.objects.get(owner=alice, domain=DOMAIN)
    assert (row.starttls_hits, row.starttls_sessions, row.stopped_by) == (3, 5, "history")


def test_tls_that_comes_back_lets_it_go(lab, fourth, drain):
    lab.hosts[0].counters.connections = 0
    services.retry_now(message=fourth, now=timezone.now())
    drain()
    assert fourth.recipients.get().last_attempt.tls_version
    assert fourth.recipients.get().state == State.DELIVERED


def by_outbox(message):
    releasing.change_mode(message=message, mode=Mode.OPTIONAL, now=timezone.now())


def by_command(message):
    key = str(message.recipients.get().pk)
    call_command("queue", "mode", "optional", "--id", key, stdout=StringIO())
    call_command("queue", "kick", "--id", key, stdout=StringIO())


@pytest.mark.parametrize("allow", [by_outbox, by_command], ids=["outbox", "queue mode"])
def test_set_to_tls_optional_it_goes_in_plain_text_and_only_that_copy(
    alice, lab, fourth, drain, allow
):
    allow(fourth)
    drain()
    copy = fourth.recipients.get()
    assert (copy.state, copy.last_attempt.tls_version) == (State.DELIVERED, "")
    assert lab.accepted.all()[-1].content.startswith(b"TLS-Required: No\r\n")
    fifth = send(alice)
    drain()
    assert fifth.recipients.get().last_attempt.stopped_by == "history"


@pytest.mark.parametrize("target", [DOMAIN, ADDRESS], ids=["domain", "address"])
def test_a_pledge_that_plain_text_is_fine_lets_later_copies_go(alice, lab, fourth, drain, target):
    account_services.make_pledge(
        user=alice, target=target, kind=PledgeKind.PLAIN, now=timezone.now()
    )
    assert foreseen(alice, pledge=PledgeKind.PLAIN).wire.words == "Plain text"
    message = send(alice)
    drain()
    assert message.recipients.get().state == State.DELIVERED
    assert lab.accepted.all()[-1].tls is None


def test_what_one_account_remembers_says_nothing_to_another(alice, bob, fourth, drain):
    message = queued(ADDRESS, owner=bob, now=timezone.now())
    drain()
    assert message.recipients.get().state == State.DELIVERED


def test_a_check_now_is_remembered_like_a_delivery(alice, lab, drain):
    probe = ProbeRequest.objects.create(owner=alice, domain=DOMAIN)
    config = DeliveryConfig.from_settings()
    probes.answer(probe_id=probe.pk, config=config, clock=SystemClock())
    lab.hosts[0].counters.connections = 3
    message = send(alice)
    drain()
    assert message.recipients.get().last_attempt.stopped_by == "history"


def test_what_is_half_a_year_old_is_forgotten(alice, fourth, drain):
    DomainEvidence.objects.update(starttls_yes_at=timezone.now() - timedelta(days=181))
    services.retry_now(message=fourth, now=timezone.now())
    drain()
    assert fourth.recipients.get().state == State.DELIVERED


def test_claiming_loads_what_is_remembered_in_one_query(
    alice, bob, fourth, django_assert_max_num_queries
):
    services.cancel(message=fourth, now=timezone.now())
    now = timezone.now()
    queued(owner=alice, now=now)
    with django_assert_max_num_queries(20) as few:
        claimed(now, limit=1)
    for number in range(20):
        queued(f"a@{number}.test", ADDRESS, owner=alice if number % 2 else bob, now=now)
    with django_assert_max_num_queries(len(few.captured_queries)):
        claim = claimed(now)
    jobs = [job for job in claims.jobs_from(claim, claim.copies) if job.domain == DOMAIN]
    known = {job.history is not None: job for job in jobs}
    assert len(jobs) == 20
    assert set(known) == {True, False}
    assert (known[True].history.hits, known[True].history.sessions) == (3, 4)


def test_mail_without_an_owner_has_no_memory(alice, fourth, drain):
    message = queued(ADDRESS, owner=None, now=timezone.now())
    drain()
    assert message.recipients.get().state == State.DELIVERED
    assert Attempt.objects.filter(message=message).get().stopped_by == ""


def test_memory_reaches_back_to_before_it_was_kept(alice, fourth, drain):
    DomainEvidence.objects.update(starttls_yes_at=None)
    past = import_module("delivery.migrations.0004_remember_tls_of_the_past")
    past.fill_in(apps, None)
    last = Attempt.objects.filter(domain=DOMAIN).exclude(tls_version="").latest("at")
    assert DomainEvidence.objects.get(owner=alice).starttls_yes_at == last.at


def test_the_outbox_offers_the_way_out_and_the_dashboard_names_it(as_alice, alice, fourth, drain):
    page = as_alice.get("/mail/outbox/").content.decode()
    assert "TLS optional, once" in page
    copy = fourth.recipients.get()
    assert f"/mail/outbox/{fourth.uuid}/{copy.pk}/" in page
    told = as_alice.get(f"/security/{DOMAIN}/").content.decode()
    assert "used to bring up TLS and does not now" in told
    assert "used TLS in 3 of 4 sessions" in told
    as_alice.post(reverse("webmail:change-mode", args=[fourth.uuid, copy.pk, "optional"]))
    drain()
    copy.refresh_from_db()
    assert (copy.state, copy.mode) == (State.DELIVERED, "optional")
