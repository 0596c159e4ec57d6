from __future__ import annotations

import email
from dataclasses import replace
from datetime import timedelta

import pytest
from flufl.bounce import all_failures, scan_message

from delivery.policy.modes import Mode
from delivery.report import Action, build
from delivery.report.original import MOST_RETURNED
from mailweb.webmail.mime.parse import parse
from tests.unit.report.cases import (
    DELAYED,
    FAILED,
    NOW,
    ORIGINAL,
    RELAYED,
    REPORT,
    about,
    fields,
    parts,
    read,
    readable,
    unfolded,
)

LOCAL = replace(RELAYED, action=Action.DELIVERED, server="", server_address="", reply="")
EXPIRED = replace(
    FAILED, enhanced="5.4.7", reply="451-4.3.0 Still\n451 4.3.0 busy", explanation="It is busy."
)


def test_report_has_the_three_parts_of_its_kind():
    message = read(REPORT)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["Auto-Submitted"] == "auto-replied"
    assert [part.get_content_type() for part in parts(message)] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]


def test_report_joins_the_conversation_of_what_it_is_about():
    message = read(REPORT)
    assert message["In-Reply-To"] == message["References"] == "<deed@mailweb.test>"
    assert message["To"] == "<alice@mailweb.test>"
    assert message["From"] == "Mailweb <postmaster@mail.mailweb.test>"


def test_fields_about_the_message():
    (first, _) = fields(about(FAILED, envid="QQ+314 159", release_at=NOW - timedelta(hours=2)))
    assert dict(first.items()) == {
        "Original-Envelope-Id": "QQ+314 159",
        "Reporting-MTA": "dns; mail.mailweb.test",
        "Arrival-Date": "Fri, 20 Nov 2026 08:00:00 +0000",
        "Future-Release-Request": "until; 2026-11-20T10:00:00Z",
    }


def test_fields_of_a_failed_recipient():
    (_, one) = fields(about(replace(FAILED, orcpt="rfc822;Post@harbour.test")))
    assert {name: unfolded(value) for name, value in one.items()} == {
        "Original-Recipient": "rfc822; Post@harbour.test",
        "Final-Recipient": "rfc822; post@harbour.test",
        "Action": "failed",
        "Status": "5.1.1 (mx.harbour.test refuses mail for this recipient.)",
        "Remote-MTA": "dns; mx.harbour.test (192.0.2.7)",
        "Diagnostic-Code": "smtp; 550-5.1.1 No such 550 5.1.1 mailbox here",
        "Last-Attempt-Date": "Fri, 20 Nov 2026 11:59:00 +0000",
    }


def test_late_recipient_has_the_time_at_which_it_is_given_up():
    (_, one) = fields(about(DELAYED))
    assert (one["Action"], one["Status"].split()[0]) == ("delayed", "4.2.1")
    assert one["Will-Retry-Until"] == "Wed, 25 Nov 2026 08:00:00 +0000"


def test_expired_copy_has_5_4_7_and_the_last_reply_as_it_was():
    (_, one) = fields(about(EXPIRED))
    assert one["Status"] == "5.4.7 (delivery time expired)"
    assert unfolded(one["Diagnostic-Code"]) == "smtp; 451-4.3.0 Still 451 4.3.0 busy"


@pytest.mark.parametrize(
    ("case", "enhanced", "status"),
    [
        (FAILED, "4.2.2", "5.0.0"),
        (FAILED, "", "5.0.0"),
        (DELAYED, "5.7.1", "4.0.0"),
        (DELAYED, "", "4.0.0"),
        (RELAYED, "", "2.0.0"),
        (RELAYED, "2.1.5", "2.1.5"),
    ],
)
def test_class_of_the_status_fits_what_became_of_the_copy(case, enhanced, status):
    (_, one) = fields(about(replace(case, enhanced=enhanced)))
    assert one["Status"].split()[0] == status


@pytest.mark.parametrize(("case", "action"), [(RELAYED, "relayed"), (LOCAL, "delivered")])
def test_arrival_is_reported_as_what_is_known_of_it(case, action):
    (_, one) = fields(about(case))
    assert (one["Action"], one["Status"].split()[0]) == (action, "2.0.0")


def test_copy_that_no_server_spoke_about_has_no_diagnostic_and_no_remote_mta():
    quiet = replace(FAILED, reply="", server="", server_address="", last_attempt_at=None)
    (_, one) = fields(about(quiet))
    assert not {"Diagnostic-Code", "Remote-MTA", "Last-Attempt-Date"} & set(one.keys())


def test_all_recipients_stand_in_one_report():
    several = [replace(FAILED, address=f"a{n}@harbour.test") for n in range(60)]
    report = about(*several, total=70)
    assert read(report)["Subject"] == "Not delivered: 60 of 70 recipients"
    found = [one["Final-Recipient"] for one in fields(report)[1:]]
    assert found == [f"rfc822; a{n}@harbour.test" for n in range(60)]
    assert "did not reach 60 of 70 recipients" in readable(report)
    assert "And 10 more" in readable(report)


# What comes back of the original


@pytest.mark.parametrize("changes", [{}, {"returns_content": True, "requires_tls": True}])
def test_only_the_header_comes_back_unless_all_of_it_may_and_shall(changes):
    data = build(about(FAILED, **changes))
    assert b"Subject: Deed copies, folder 14" in data
    assert b"The secret." not in data


def test_whole_message_comes_back_where_that_was_asked_for():
    last = parts(read(about(FAILED, returns_content=True)))[-1]
    assert last.get_content_type() == "message/rfc822"
    (inner,) = parts(last)
    assert (inner["Subject"], inner.get_payload()) == ("Deed copies, folder 14", "The secret.\r\n")


@pytest.mark.parametrize("case", [DELAYED, RELAYED])
def test_only_a_failure_brings_the_whole_message_back(case):
    assert b"The secret." not in build(about(case, returns_content=True))


def test_what_is_too_large_comes_back_as_a_header_and_the_report_says_why():
    large = about(FAILED, returns_content=True, size_bytes=MOST_RETURNED + 1)
    assert b"The secret." not in build(large)
    assert "too large to be enclosed" in readable(large)


def test_eight_bits_of_a_returned_message_are_declared():
    original = ORIGINAL + "Grüße\r\n".encode()
    report = about(FAILED, returns_content=True, original=original, size_bytes=len(original))
    message = read(report)
    assert message["Content-Transfer-Encoding"] == "8bit"
    encodings = [part["Content-Transfer-Encoding"] for part in parts(message)]
    assert encodings == ["quoted-printable", "7bit", "8bit"]


def test_notice_about_mail_that_required_tls_says_why_it_encloses_no_text():
    # RFC 8689 §5.
    told = "encloses its header and nothing of its text."
    assert told in " ".join(readable(about(FAILED, requires_tls=True)).split())
    assert told not in " ".join(readable(REPORT).split())


# Addresses outside ASCII (RFC 6533)

JOERG = replace(FAILED, address="jörg@bücher.test", domain="xn--bcher-kva.test")


def test_domain_in_letters_of_its_own_travels_as_a_labels():
    case = replace(FAILED, address="post@bücher.test", domain="xn--bcher-kva.test")
    (_, one) = fields(about(case))
    assert one["Final-Recipient"] == "rfc822; post@xn--bcher-kva.test"
    assert build(about(case)).isascii()


def test_address_outside_ascii_is_packed_where_the_report_is_ascii():
    (_, one) = fields(about(replace(JOERG, orcpt="utf-8;jörg@bücher.test")))
    packed = r"utf-8; j\x{F6}rg@b\x{FC}cher.test"
    assert (one["Final-Recipient"], one["Original-Recipient"]) == (packed, packed)


def test_international_report_has_its_parts_in_utf_8():
    report = about(
        replace(JOERG, reply="550 5.1.1 jörg kennt hier niemand"),
        is_international=True,
        to="zoë@mailweb.test",
        original="Subject: Grüße\r\n\r\nx".encode(),
    )
    data = build(report)
    message = email.message_from_bytes(data)
    assert message.get_param("report-type") == "global-delivery-status"
    kinds = [part.get_content_type() for part in parts(message)]
    assert kinds == ["text/plain", "message/global-delivery-status", "message/global-headers"]
    assert "Final-Recipient: utf-8; jörg@bücher.test\r\n".encode() in data
    assert "Diagnostic-Code: smtp; 550 5.1.1 jörg kennt hier niemand\r\n".encode() in data
    assert "To: <zoë@mailweb.test>\r\n".encode() in data
    assert "Subject: Grüße\r\n".encode() in data


def test_international_message_comes_back_whole_as_message_global():
    original = "Subject: Grüße\r\n\r\nÄ\r\n".encode()
    report = about(
        JOERG,
        is_international=True,
        returns_content=True,
        original=original,
        size_bytes=len(original),
    )
    data = build(report)
    assert b"Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit" in data
    assert original in data


def test_title_outside_ascii_is_read_as_it_was():
    assert parse(build(about(JOERG))).subject == "Not delivered: jörg@bücher.test"


@pytest.mark.parametrize("is_international", [False, True])
@pytest.mark.parametrize(
    ("returns_content", "last"), [(False, "part-3.txt"), (True, "message.eml")]
)
def test_parts_have_names_that_can_be_opened(is_international, returns_content, last):
    report = about(FAILED, is_international=is_international, returns_content=returns_content)
    assert [file.name for file in parse(build(report)).files] == ["part-2.txt", last]


# An independent reader


@pytest.mark.parametrize(
    ("case", "temporary", "permanent"),
    [
        (FAILED, set(), {b"post@harbour.test"}),
        (EXPIRED, set(), {b"post@harbour.test"}),
        (DELAYED, {b"post@harbour.test"}, set()),
        (RELAYED, set(), set()),
        (LOCAL, set(), set()),
    ],
    ids=["failed", "expired", "delayed", "relayed", "delivered"],
)
def test_another_program_reads_from_it_who_failed_and_who_is_late(case, temporary, permanent):
    message = email.message_from_bytes(build(about(case)))
    assert scan_message(message) == permanent
    assert all_failures(message) == (temporary, permanent)


def test_another_program_reads_every_recipient():
    cases = [replace(FAILED, address=f"a{n}@harbour.test") for n in range(3)]
    message = email.message_from_bytes(build(about(*cases)))
    assert all_failures(message)[1] == {f"a{n}@harbour.test".encode() for n in range(3)}


def test_receipt_of_mail_with_a_mode_of_its_own_tells_what_to_do():
    strict = replace(FAILED, mode=Mode.REQUIRETLS, enhanced="5.7.30", reply="")
    assert "send it without REQUIRETLS" in " ".join(readable(about(strict)).split())
