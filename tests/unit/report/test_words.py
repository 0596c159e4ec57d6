from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from delivery.policy.modes import Mode
from delivery.policy.reasons import Reason
from delivery.report import Action, RecipientReport, build
from delivery.report.meaning import meaning_of
from mailweb.webmail.mime.parse import parse
from tests.unit.report.cases import DELAYED, FAILED, NOW, RELAYED, about, read, readable


def said(*recipients: RecipientReport, **changes: object) -> str:
    """Return the words of a report without the breaks between its lines."""
    return " ".join(readable(about(*recipients, **changes)).split())


def test_report_says_what_happened_and_what_can_be_done():
    text = said(FAILED)
    for words in (
        "“Deed copies, folder 14” was not delivered. mx.harbour.test refuses mail for this",
        "mx.harbour.test (192.0.2.7) answered on Fri 20 Nov 2026, 11:59 UTC:",
        "There is no mailbox with this address.",
        "Check the spelling before the @",
        "https://mail.mailweb.test/mail/outbox/",
    ):
        assert words in text


def test_each_line_of_the_reply_has_a_line():
    assert "    550-5.1.1 No such\n    550 5.1.1 mailbox here\n" in readable(about(FAILED))


def test_first_words_are_what_a_list_shows():
    twelve = replace(FAILED, attempts=12)
    report = about(twelve, queued_at=NOW - timedelta(days=5))
    assert parse(build(report)).snippet.startswith(
        "“Deed copies, folder 14” was tried 12 times in 5 days. mx.harbour.test refuses"
    )


def test_message_without_a_subject_has_a_name_too():
    assert "A message without a subject was not delivered." in said(FAILED, subject="")


@pytest.mark.parametrize(
    ("attempts", "next_in", "until_in", "words"),
    [
        (7, 3, 120, "then about every 4 hours, for the last time on Wed 25 Nov 2026, 12:00 UTC"),
        (5, 1, 120, "then after waits of 2 hours to 4 hours, for the last time on"),
        (30, 2, 3, "It is tried again on Fri 20 Nov 2026, 14:00 UTC, for the last time on Fri 20"),
        (30, 3, 3, "It is tried for the last time on Fri 20 Nov 2026, 15:00 UTC."),
        (
            30,
            None,
            3,
            "It is being tried again now, and if that fails until Fri 20 Nov 2026, 15:00",
        ),
    ],
)
def test_late_copy_is_told_the_times_of_its_schedule(attempts, next_in, until_in, words):
    next_at = None if next_in is None else NOW + timedelta(hours=next_in)
    late = replace(DELAYED, attempts=attempts, next_attempt_at=next_at)
    assert words in said(late, expires_at=NOW + timedelta(hours=until_in))


def test_nothing_has_to_be_done_about_a_late_copy():
    text = said(DELAYED)
    assert "is still waiting" in said(replace(DELAYED, attempts=1))
    assert "You need not do anything: it is still being tried." in text
    assert "Check the spelling" not in said(replace(DELAYED, enhanced="4.1.1"))


def test_expired_copy_is_told_for_how_long_it_was_tried_and_why_it_failed():
    expired = replace(
        FAILED, enhanced="5.4.7", reply="452 4.2.2 Over quota", explanation="mx put it off."
    )
    text = said(expired, queued_at=NOW - timedelta(days=5), expires_at=NOW)
    assert "It was tried for 5 days, and then given up." in text
    assert "The mailbox is full." in text


def test_time_of_a_message_that_left_later_counts_from_its_release():
    expired = replace(FAILED, enhanced="5.4.7", attempts=30)
    changes = {"queued_at": NOW - timedelta(days=30), "release_at": NOW - timedelta(days=5)}
    text = said(expired, expires_at=NOW, **changes)
    assert "was tried 30 times in 5 days" in text
    assert "It was tried for 5 days" in text


def test_mail_that_a_server_took_is_not_called_delivered():
    text = said(RELAYED)
    assert "was taken by the server of post@harbour.test." in text
    assert "mx.harbour.test does not say when it is in the mailbox." in text
    assert "outbox" not in text


def test_mail_filed_here_is_called_delivered():
    here = replace(RELAYED, action=Action.DELIVERED, server="", reply="")
    assert "is in the mailbox of post@harbour.test." in said(here)


# What a code means


@pytest.mark.parametrize(
    ("reply", "enhanced", "cause", "advice"),
    [
        ("550 5.1.1 no", "5.1.1", "no mailbox", "spelling"),
        ("552 5.2.2 full", "5.2.2", "full", "room"),
        ("552 5.3.4 big", "5.3.4", "larger", "smaller parts"),
        ("550 5.7.1 no", "5.7.1", "rules", "answer often says why"),
        ("550 5.7.26 dmarc", "5.7.26", "confirm", "SPF, DKIM, DMARC"),
        ("550 5.7.99 odd", "5.7.99", "rules", "answer"),
        ("550 5.5.4 what", "5.5.4", "did not understand", "runs this server"),
        ("550 no", "", "no such mailbox, or", "Check the address first"),
        ("554 no", "", "", "again later"),
        ("555 5.9.9 odd", "5.9.9", "", "again later"),
    ],
)
def test_code_is_told_in_plain_words(reply, enhanced, cause, advice):
    found = meaning_of(replace(FAILED, reply=reply, enhanced=enhanced))
    assert cause in found.cause
    assert advice in found.advice


@pytest.mark.parametrize(
    ("mode", "enhanced", "reason", "advice"),
    [
        (Mode.REQUIRETLS, "5.7.30", Reason.NONE, "without REQUIRETLS"),
        (Mode.REQUIRETLS, "5.4.7", Reason.CERTIFICATE_EXPIRED, "without REQUIRETLS"),
        (Mode.DEFAULT, "5.4.7", Reason.CERTIFICATE_EXPIRED, "TLS optional"),
        (Mode.VERIFIED, "5.7.10", Reason.NONE, "TLS optional"),
    ],
)
def test_trouble_with_tls_names_the_ways_out(mode, enhanced, reason, advice):
    copy = replace(FAILED, reply="", mode=mode, enhanced=enhanced, reason=reason)
    assert advice in meaning_of(copy).advice


def test_where_no_server_spoke_none_is_blamed():
    stopped = replace(FAILED, reply="", enhanced="5.7.0", explanation="The operator stopped it.")
    found = meaning_of(stopped)
    assert (found.cause, found.advice) == ("", "Ask whoever runs this server.")


def test_arrival_needs_no_meaning():
    assert meaning_of(RELAYED).advice == meaning_of(RELAYED).cause == ""


HELD = RecipientReport(
    address="post@harbour.test",
    domain="harbour.test",
    action=Action.HELD,
    explanation="When you sent this, it was to go over verified TLS. Now nothing tells how it would go.",
    mode=Mode.REQUIRETLS,
)


def plain(*recipients: RecipientReport) -> str:
    found = read(about(*recipients, requires_tls=True)).get_payload(decode=True)
    assert isinstance(found, bytes)
    return " ".join(found.decode().split())


def test_what_is_held_is_a_question_and_no_status_report():
    message = read(about(HELD))
    assert message.get_content_type() == "text/plain"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["In-Reply-To"] == "<deed@mailweb.test>"
    assert message["Subject"] == "Held: post@harbour.test"


def test_what_is_held_says_why_and_what_can_be_done():
    assert plain(HELD) == (
        "“Deed copies, folder 14” was not sent to post@harbour.test. When you sent this, it was to"
        " go over verified TLS. Now nothing tells how it would go. post@harbour.test What you can"
        " do: Send it all the same, let it wait until it travels as you were told, choose another"
        " mode, or take it back. The outbox has it, for as long as you like. Nothing leaves before"
        " you have decided: https://mail.mailweb.test/mail/outbox/"
    )


def test_several_that_are_held_each_say_why():
    other = replace(HELD, address="desk@quay.test", explanation="Now quay.test offers no TLS.")
    text = plain(HELD, other)
    assert text.startswith("“Deed copies, folder 14” is held for 2 of 3 recipients.")
    assert "desk@quay.test Now quay.test offers no TLS." in text
