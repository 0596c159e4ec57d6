from __future__ import annotations

import email
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import Message

import pytest

from mailweb.webmail.mime.notice import Failure, Notice, build
from mailweb.webmail.mime.parse import parse

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
FAILURE = Failure(
    address="post@harbour.test",
    explanation="The server's certificate does not match its own DNS record.",
    reply="550-5.7.1 No.\r\n550 5.7.1 Never.\r\n",
    enhanced="5.7.1",
    server="mx.harbour.test",
    attempts=12,
    last_attempt_at=NOW,
)
NOTICE = Notice(
    hostname="mail.mailweb.test",
    notice_id="failed.1@mail.mailweb.test",
    to="alice@mailweb.test",
    subject="Deed copies, folder 14",
    original_id="<deed@mailweb.test>",
    original_header=b"Subject: Deed copies, folder 14\r\nTo: post@harbour.test",
    queued_at=NOW - timedelta(days=5),
    now=NOW,
    failures=(FAILURE,),
    recipients=3,
    outbox_url="https://mail.mailweb.test/mail/outbox/",
)


def within(part: Message) -> list[Message]:
    """Return the parts of a part, as the standard library reads them."""
    parts = part.get_payload()
    return [one for one in parts if isinstance(one, Message)]


def test_notice_says_what_happened_and_what_can_be_done():
    parsed = parse(build(NOTICE))
    assert parsed.subject == "Not delivered: post@harbour.test"
    assert parsed.in_reply_to == "<deed@mailweb.test>"
    assert parsed.snippet.startswith(
        "“Deed copies, folder 14” was tried 12 times in 5 days. "
        "The server's certificate does not match its own DNS record."
    )
    for said in ("mx.harbour.test answered:", "550-5.7.1 No.", "550 5.7.1 Never.", "/mail/outbox/"):
        assert said in parsed.text


def test_notice_about_a_message_that_required_tls_says_why_it_encloses_no_text():
    # RFC 8689 §5.
    told = "encloses its\nheader and nothing of its text."
    assert told in parse(build(replace(NOTICE, requires_tls=True))).text
    assert told not in parse(build(NOTICE)).text


def test_programs_find_the_fields_of_a_report():
    read = email.message_from_bytes(build(NOTICE))
    assert read.get_content_type() == "multipart/report"
    assert read["Auto-Submitted"] == "auto-replied"
    about_message, about_recipient = within(within(read)[1])
    enclosed = within(read)[2]
    assert about_message["Reporting-MTA"] == "dns; mail.mailweb.test"
    assert about_recipient["Final-Recipient"] == "rfc822; post@harbour.test"
    assert about_recipient["Action"] == "failed"
    assert about_recipient["Status"] == "5.7.1"
    assert about_recipient["Remote-MTA"] == "dns; mx.harbour.test"
    assert about_recipient["Diagnostic-Code"] == "smtp; 550-5.7.1 No. / 550 5.7.1 Never."
    assert enclosed.get_content_type() == "text/rfc822-headers"
    assert "Deed copies" in str(enclosed)


def test_late_copy_is_called_late_and_says_until_when_it_is_tried():
    late = replace(FAILURE, enhanced="5.7.1", retries_until=NOW + timedelta(days=2))
    parsed = parse(build(replace(NOTICE, failures=(late,))))
    assert parsed.subject == "Delayed: post@harbour.test"
    assert "It is tried again until Sun 22 Nov 2026, 12:00 UTC." in parsed.text
    assert b"Action: delayed" in build(replace(NOTICE, failures=(late,)))
    assert late.status == "4.0.0"


def test_several_recipients_are_counted_and_each_one_told():
    several = tuple(replace(FAILURE, address=f"a{n}@harbour.test") for n in range(60))
    data = build(replace(NOTICE, failures=several, recipients=70))
    parsed = parse(data)
    assert parsed.subject == "Not delivered: 60 of 70 recipients"
    assert "did not reach 60 of 70 recipients" in parsed.snippet
    assert "And 10 more." in parsed.text
    assert data.count(b"Final-Recipient:") == 60


@pytest.mark.parametrize(
    "text", ["a\r\nBcc: eve@evil.test", "a\nb", "ä\r\n\r\nbody", "\x00", "--=_failed.1--"]
)
def test_nothing_that_a_server_or_a_sender_wrote_becomes_a_header(text):
    odd = replace(FAILURE, address=text, reply=text, server=text, explanation="")
    read = email.message_from_bytes(
        build(replace(NOTICE, failures=(odd,), subject=text, original_id=text))
    )
    assert read["Bcc"] is None
    assert {name.lower() for name in read} <= {
        "from", "to", "subject", "date", "message-id", "in-reply-to", "auto-submitted",
        "mime-version", "content-type",
    }  # fmt: skip
    assert len(within(within(read)[1])) == 2


def test_address_in_unicode_is_kept():
    data = build(replace(NOTICE, failures=(replace(FAILURE, address="jörg@bücher.test"),)))
    assert parse(data).subject == "Not delivered: jörg@bücher.test"
    assert "Final-Recipient: utf-8; jörg@bücher.test".encode() in data
