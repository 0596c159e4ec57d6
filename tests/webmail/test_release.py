"""A scheduled message through the pages: promised, judged again at its time, held, decided."""

from __future__ import annotations

from datetime import timedelta

import pytest

from delivery import dispatch, notices, stored
from delivery.agent.cache import AnswerCache
from delivery.agent.health import Health
from delivery.config import DeliveryConfig
from delivery.models import OutboundMessage, State
from delivery.policy.facts import DomainFacts, HostFacts, TlsaState
from delivery.policy.verdict import Way
from mailweb.webmail.models import Draft, Message, Notice
from tests.fakes.clock import FakeClock
from tests.labs import running_lab
from tests.unit.policy.worlds import RECORD

DAY = timedelta(days=1)
ADDRESS = "friend@starttls.test"


@pytest.fixture
def work(settings, monkeypatch):
    """Work the queue off at a time, against a domain that publishes nothing."""
    monkeypatch.setattr(dispatch._only_one, "health", Health())
    monkeypatch.setattr(dispatch._only_one, "answers", AnswerCache())
    with running_lab("starttls") as lab:
        for name, value in lab.environment.items():
            setattr(settings, name, int(value) if name.endswith("_PORT") else value)
        settings.DNS_RESOLVERS = [lab.environment["DNS_RESOLVERS"]]

        def run(at):
            config = DeliveryConfig.from_settings()
            return dispatch.drain(config=config, clock=FakeClock(at), once=True)

        yield run


def publish_dane(now) -> None:
    """Let the look-up say what it said then: DANE for the only server."""
    host = HostFacts(
        name="mx.starttls.test",
        preference=10,
        addresses=("127.0.0.9",),
        tlsa_state=TlsaState.USABLE,
        tlsa=(RECORD,),
    )
    stored.keep_facts(
        [DomainFacts(domain="starttls.test", looked_up_at=now, hosts=(host,))], now=now
    )


@pytest.mark.django_db
def test_a_scheduled_message_is_held_when_it_would_travel_worse(
    as_alice, alice, now, work, time_machine
):
    time_machine.move_to(now, tick=False)
    publish_dane(now)
    key = "0b2ff0a4-51a0-4c0f-8f2e-6f6f2a6f1c10"
    written = {"sender": "alice@mailweb.test", "to": ADDRESS, "subject": "Order", "body": "Hello"}
    as_alice.post(
        f"/mail/compose/{key}/send/", written | {"later": "at", "send_at": "2026-11-21T12:00"}
    )
    message = OutboundMessage.objects.get()
    assert message.recipients.get().promised == Way.VERIFIED
    assert "it is held and you are told" in as_alice.get("/mail/outbox/").text

    time_machine.move_to(now + DAY, tick=False)
    assert work(now + DAY).held == 1
    for path in ("/mail/outbox/", "/mail/inbox/"):
        page = as_alice.get(path).text
        assert "it was to go over verified TLS. Now nothing tells how it would go." in page
        assert "Send all the same" in page
    assert "since 12:00" in as_alice.get("/mail/outbox/").text

    notices.tell(now=now + DAY)
    notice = Message.objects.get(notice=Notice.HELD)
    assert (notice.subject, notice.is_seen) == (f"Held: {ADDRESS}", False)
    assert notice.thread_id == Message.objects.get(outbound=message).thread_id
    inbox = as_alice.get("/mail/inbox/").text
    assert inbox.count("row--card-warn") == 1, "the notice and the question are one card"
    assert f'id="row-{notice.uuid}"' not in inbox
    page = as_alice.get(f"/mail/m/{notice.uuid}/").text
    assert "Nothing leaves before you have decided" in " ".join(page.split())
    assert "Send all the same" in page
    again = as_alice.get("/mail/inbox/").text
    assert f'id="row-{notice.uuid}"' in again
    assert again.count("row--card-warn") == 1, "it stays until it is answered"

    copy = message.recipients.get()
    as_alice.post(f"/mail/outbox/{message.uuid}/{copy.pk}/send/")
    assert work(now + DAY).delivered == 1
    assert message.recipients.get().state == State.DELIVERED
    assert "row--card" not in as_alice.get("/mail/inbox/").text
    assert "Send all the same" not in as_alice.get(f"/mail/m/{notice.uuid}/").text


@pytest.mark.django_db
def test_held_it_can_go_back_to_the_draft(as_alice, alice, now, work, time_machine):
    test_day = now + DAY
    time_machine.move_to(now, tick=False)
    publish_dane(now)
    written = {"sender": "alice@mailweb.test", "to": ADDRESS, "subject": "Order", "body": "Hello"}
    key = "0b2ff0a4-51a0-4c0f-8f2e-6f6f2a6f1c11"
    as_alice.post(
        f"/mail/compose/{key}/send/", written | {"later": "at", "send_at": "2026-11-21T12:00"}
    )
    work(test_day)
    message = OutboundMessage.objects.get()
    as_alice.post(f"/mail/outbox/{message.uuid}/undo/")
    assert Draft.objects.get().subject == "Order"
    assert work(test_day).claimed == 0
