"""From what a sender asks for to what a later server hears of it (RFC 3461)."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from delivery import notices, releasing, services
from delivery.models import OutboundMessage, Recipient
from delivery.policy.modes import Mode, SenderPolicy
from delivery.policy.reporting import TELL_WHEN_DELIVERED, BadReportingError, Reporting
from delivery.smtp import Notify, Ret
from tests.delivery.factories import CONTENT, queued

pytestmark = pytest.mark.django_db

LETTER = "From: alice@mailweb.test\nSubject: Wishes\nMessage-ID: <w@mailweb.test>\n\nHello.\n"


@pytest.fixture
def send(alice, tmp_path):
    """Hand a letter over with `manage.py send`; return its row."""
    path = tmp_path / "letter.eml"
    path.write_text(LETTER)

    def run(*options: str, to: str = "friend@plain.test") -> OutboundMessage:
        out = StringIO()
        words = ["send", "--from", "alice@mailweb.test", "--to", to, *options, "--json", str(path)]
        call_command(*words, stdout=out)
        return OutboundMessage.objects.get(pk=json.loads(out.getvalue())["message"])

    return run


def submitted(owner, now, **recipient) -> OutboundMessage:
    return services.submit(
        owner=owner,
        mail_from="alice@mailweb.test",
        recipients=[services.NewRecipient(address="friend@x.test", **recipient)],
        content=CONTENT,
        sender_policy=SenderPolicy(),
        now=now,
    )


def test_wishes_given_at_the_shell_reach_the_server(send, lab, drain):
    send("--notify", "delay,success", "--ret", "hdrs", "--envid", "order 7", to="a@pkix.test")
    drain()
    taken = lab.accepted.all()[-1]
    assert {"RET=HDRS", "ENVID=order+207"} <= set(taken.mail_parameters)
    assert taken.recipient_parameters == (("NOTIFY=SUCCESS,DELAY",),)
    notices.tell(now=timezone.now())
    assert not OutboundMessage.objects.get().notices.exists()


def test_server_without_dsn_makes_us_report_that_it_took_the_message(send, lab, drain):
    message = send("--notify", "success", to="a@bare.test")
    drain()
    notices.tell(now=timezone.now())
    assert message.notices.get().subject == "Handed over: a@bare.test"


def test_mail_that_requires_tls_asks_for_headers_only(alice, lab, drain):
    # RFC 8689 §5.
    reporting = Reporting(ret=Ret.FULL)
    now = timezone.now()
    queued("a@requiretls.test", owner=alice, now=now, mode=Mode.REQUIRETLS, reporting=reporting)
    drain()
    parameters = lab.accepted.all()[-1].mail_parameters
    assert "REQUIRETLS" in parameters
    assert "RET=HDRS" in parameters


def test_what_is_not_said_is_kept_as_not_said(send):
    message = send()
    copy = message.recipients.get()
    assert (message.ret, message.envid, copy.notify, copy.orcpt) == ("", "", "", "")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--notify", "sometimes"), "sometimes"),
        (("--notify", "never,delay"), "NEVER stands alone"),
        (("--envid", "ä"), "ENVID"),
        (("--envid", "x" * 101), "ENVID"),
        (("--at", "2999-01-01T00:00:00Z"), "more than 60 days"),
    ],
)
def test_wish_that_makes_no_sense_is_refused_with_a_reason(send, options, complaint):
    with pytest.raises(CommandError, match=complaint):
        send(*options)
    assert not Recipient.objects.exists()


@pytest.mark.parametrize(
    "orcpt", ["bob@x.test", "rfc822;", "rfc822;bö@x.test", "utf-8;" + "ä" * 99]
)
def test_original_recipient_that_no_server_would_take_is_refused(alice, now, orcpt):
    with pytest.raises(services.RefusedMessageError):
        submitted(alice, now, orcpt=orcpt)


def test_never_beside_something_else_is_refused(alice, now):
    with pytest.raises(services.RefusedMessageError):
        submitted(alice, now, notify=frozenset({Notify.NEVER, Notify.DELAY}))
    with pytest.raises(BadReportingError):
        Reporting(notify=frozenset({Notify.NEVER, Notify.DELAY}))


def test_original_recipient_is_kept(alice, now):
    message = submitted(alice, now, orcpt="rfc822;Old@x.test")
    assert message.recipients.get().orcpt == "rfc822;Old@x.test"


def test_tell_me_when_it_is_delivered_adds_to_what_is_told_anyway(alice, now):
    message = queued(owner=alice, now=now, reporting=TELL_WHEN_DELIVERED)
    assert message.recipients.get().notify == "SUCCESS,FAILURE,DELAY"


# Lifetimes and later release


def test_lifetime_is_the_accounts_and_is_frozen_with_the_message(alice, now, settings):
    settings.QUEUE_LIFETIME_HOURS = 100
    usual = queued(owner=alice, now=now)
    own = queued("b@x.test", owner=alice, now=now, lifetime_hours=48)
    assert (usual.expires_at, own.expires_at) == (
        now + timedelta(hours=100),
        now + timedelta(hours=48),
    )
    assert SenderPolicy.from_json(own.sender_policy).lifetime_hours == 48
    services.start_lifetimes([usual.pk, own.pk], at=now + timedelta(hours=10))
    usual.refresh_from_db()
    own.refresh_from_db()
    assert (usual.expires_at, own.expires_at) == (
        now + timedelta(hours=110),
        now + timedelta(hours=58),
    )


def test_preferences_of_the_account_say_how_long_its_mail_lives(alice):
    from accounts.selectors import preferences_of

    preferences = preferences_of(alice)
    assert preferences.policy.lifetime_hours is None
    preferences.lifetime_hours = 24
    assert preferences.policy.lifetime_hours == 24


@pytest.mark.parametrize("days", [0, 1, 60])
def test_message_can_leave_up_to_sixty_days_later_and_lives_from_then(alice, now, days):
    release_at = now + timedelta(days=days)
    message = queued(owner=alice, now=now, release_at=release_at)
    assert message.expires_at == release_at + timedelta(days=5)
    assert message.release_at == release_at


def test_message_cannot_leave_later_than_that(alice, now):
    with pytest.raises(services.RefusedMessageError, match="more than 60 days ahead"):
        queued(owner=alice, now=now, release_at=now + timedelta(days=60, seconds=1))


def test_message_cannot_be_put_off_further_than_that_either(alice, now):
    message = queued(owner=alice, now=now, release_at=now + timedelta(days=30))
    releasing.reschedule(message=message, at=now + timedelta(days=60), now=now)
    with pytest.raises(services.RefusedMessageError, match="more than 60 days ahead"):
        releasing.reschedule(message=message, at=now + timedelta(days=61), now=now)
    message.refresh_from_db()
    assert message.release_at == now + timedelta(days=60)
    assert message.expires_at == now + timedelta(days=65)


def test_undo_window_is_no_request_for_a_later_release(alice, now):
    soon = now + timedelta(seconds=15)
    message = queued(owner=alice, now=now, release_at=soon, undo_until=now)
    assert message.release_at is None


def test_time_that_has_passed_is_now(alice, now):
    message = queued(owner=alice, now=now, release_at=now - timedelta(days=9))
    assert message.expires_at == now + timedelta(days=5)


def test_sending_early_starts_the_lifetime_early(alice, now):
    message = queued(owner=alice, now=now, release_at=now + timedelta(days=30))
    services.send_now(message=message, now=now)
    message.refresh_from_db()
    assert message.expires_at == now + timedelta(days=5)


def test_trying_again_at_once_gives_no_new_lifetime(alice, now):
    message = queued(owner=alice, now=now)
    message.recipients.update(state="waiting")
    services.retry_now(message=message, now=now + timedelta(days=2))
    message.refresh_from_db()
    assert message.expires_at == now + timedelta(days=5)
