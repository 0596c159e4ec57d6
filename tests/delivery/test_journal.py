"""One id leads through the log, from the page to the last word of the other server."""

from __future__ import annotations

import io
import json
import logging

import pytest
from django.utils import timezone

from delivery import services
from delivery.journal import log_id
from delivery.policy.modes import SenderPolicy
from delivery.services import NewRecipient
from mailweb.lib import levels, logs

pytestmark = pytest.mark.django_db

BODY = b"From: alice@mailweb.test\r\nSubject: Very private\r\n\r\nNobody else's business.\r\n"


@pytest.fixture
def written(request):
    """Return what the whole program logs, as JSON, at the level that the test asks for."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logs.formatter_for("json"))
    root, before = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(request.param)
    yield text
    root.removeHandler(handler)
    root.setLevel(before)


def sent(alice, *addresses):
    return services.submit(
        owner=alice,
        mail_from="alice@mailweb.test",
        recipients=[NewRecipient(address=address) for address in addresses],
        content=BODY,
        sender_policy=SenderPolicy(),
        now=timezone.now(),
        subject="Very private",
    )


def lines(text):
    return [json.loads(line) for line in text.getvalue().splitlines()]


@pytest.mark.parametrize("written", [levels.TRACE], indirect=True)
def test_one_id_tells_the_story_of_a_message(
    alice, lab, drain, written, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        message = sent(alice, "friend@starttls.test", "friend@blocklist-rcpt.test")
    other = sent(alice, "friend@plain.test")
    drain()
    name = log_id(message.uuid)
    assert str(message.uuid).startswith(name)
    story = [line for line in lines(written) if name in json.dumps(line)]
    told = [line["event"] for line in story]
    assert told[0] == "message accepted"
    assert "attempt ended" in told
    assert "copies written down" in told
    spoken = [line for line in story if line["logger"] == "delivery.dialogue"]
    assert any(line["event"].startswith("C: RCPT TO:<friend@starttls.test>") for line in spoken)
    assert {line["mail"] for line in spoken} == {name}
    copies = {str(copy.pk) for copy in message.recipients.all()}
    assert {line["copies"] for line in spoken} == copies
    assert {line["attempt"] for line in spoken} == {1}
    assert all(line["session"] for line in spoken)
    assert not any(log_id(other.uuid) in json.dumps(line) for line in spoken)


@pytest.mark.parametrize("written", [logging.INFO, levels.TRACE], indirect=True)
def test_no_content_no_subject_and_no_secret_is_in_it(alice, client, lab, drain, written, settings):
    client.post("/accounts/login/", {"username": "alice@mailweb.test", "password": "hunter2xyz"})
    client.force_login(alice, backend="accounts.backends.AddressBackend")
    sent(alice, "friend@starttls.test", "friend@greylist.test", "friend@nxdomain.test")
    drain()
    client.get("/nowhere/?token=s3cr3tvalue")
    text = written.getvalue()
    assert "copies written down" in text
    assert "nowhere" in text
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    for secret in ("Very private", "Nobody else", "hunter2xyz", "s3cr3tvalue", session):
        assert secret not in text


@pytest.mark.parametrize("written", [logging.INFO], indirect=True)
def test_message_that_was_not_kept_is_not_told_of(alice, written):
    with pytest.raises(services.RefusedMessageError):
        sent(alice)
    sent(alice, "friend@starttls.test")  # the test's own transaction is never committed
    assert "message accepted" not in written.getvalue()
