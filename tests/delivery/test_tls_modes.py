"""REQUIRETLS and TLS-Required: No from the queue to the lab's servers: each copy for itself."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from delivery import services
from delivery.models import Recipient
from delivery.policy.modes import Mode, SenderPolicy

pytestmark = pytest.mark.django_db

LETTER = "From: alice@mailweb.test\nTo: friend@x.test\nSubject: {}\n\nHello.\n"


def states():
    return {one.address: (one.state, one.enhanced) for one in Recipient.objects.all()}


def taken(lab, subject):
    """Return what the lab's hosts took, by recipient."""
    found = (one for one in lab.accepted.all() if f"Subject: {subject}\r\n".encode() in one.content)
    return {one.recipients: one for one in found}


def submit(owner, subject, **modes):
    now = timezone.now()
    content = LETTER.format(subject).replace("\n", "\r\n").encode()
    services.submit(
        owner=owner,
        mail_from="alice@mailweb.test",
        recipients=[
            services.NewRecipient(address=f"{name}@requiretls.test", mode=mode)
            for name, mode in modes.items()
        ],
        content=content,
        subject=subject,
        message_id=f"<{subject}@mailweb.test>",
        sender_policy=SenderPolicy(),
        now=now,
    )


def test_each_recipient_has_a_mode_of_its_own(alice, lab, drain):
    subject = "own-mode"
    submit(alice, subject, strict=Mode.REQUIRETLS, usual=Mode.DEFAULT, lax=Mode.OPTIONAL)
    drain()
    found = taken(lab, subject)
    assert {to: one.has_requiretls for to, one in found.items()} == {
        ("strict@requiretls.test",): True,
        ("usual@requiretls.test",): False,
        ("lax@requiretls.test",): False,
    }
    carries = {to: b"TLS-Required: No\r\n" in one.content for to, one in found.items()}
    assert [to for to, has in carries.items() if has] == [("lax@requiretls.test",)]


def test_requiretls_fails_for_one_recipient_and_the_other_gets_the_message(alice, lab, drain):
    now = timezone.now()
    for address, mode in [("a@pkix.test", Mode.REQUIRETLS), ("b@pkix.test", Mode.DEFAULT)]:
        services.submit(
            owner=alice,
            mail_from="alice@mailweb.test",
            recipients=[services.NewRecipient(address=address, mode=mode)],
            content=b"Subject: x\r\n\r\nHello.\r\n",
            subject="x",
            message_id="<x@mailweb.test>",
            sender_policy=SenderPolicy(),
            now=now,
        )
    drain()
    assert states() == {"a@pkix.test": ("failed", "5.7.30"), "b@pkix.test": ("delivered", "2.0.0")}
    assert Recipient.objects.get(address="a@pkix.test").attempts_made == 1


def sent(tmp_path, header, to, *options):
    """Hand a file over with `manage.py send`; return the mode of its copy."""
    path = tmp_path / "letter.eml"
    path.write_text(header + LETTER.format("by-hand"))
    out = StringIO()
    call_command(
        "send",
        "--from",
        "alice@mailweb.test",
        "--to",
        to,
        *options,
        str(path),
        "--json",
        stdout=out,
    )
    return json.loads(out.getvalue())["recipients"][0]["mode"]


@pytest.mark.parametrize("mode", ["requiretls", "verified", "optional"])
def test_mode_that_is_asked_for_outranks_the_header_of_the_message(alice, tmp_path, mode):
    # RFC 8689 §3: the header is looked at only where nothing stronger was said.
    assert sent(tmp_path, "TLS-Required: No\n", "friend@x.test", "--tls", mode) == mode


@pytest.mark.parametrize(
    ("header", "mode"),
    [
        ("TLS-Required: No\n", "optional"),
        ("TLS-Required:\n No\n", "optional"),
        ("TLS-Required: No\nTLS-Required: Yes\n", "default"),
        ("TLS-Required: Nope\n", "default"),
        ("X-TLS-Required: No\n", "default"),
    ],
)
def test_header_of_the_message_chooses_the_mode_or_counts_for_nothing(
    alice, tmp_path, header, mode
):
    assert sent(tmp_path, header, "friend@x.test") == mode


def test_line_of_the_body_is_no_header(alice, tmp_path):
    path = tmp_path / "letter.eml"
    path.write_text(LETTER.format("x") + "TLS-Required: No\n")
    call_command(
        "send",
        "--from",
        "alice@mailweb.test",
        "--to",
        "friend@x.test",
        str(path),
        stdout=StringIO(),
    )
    assert Recipient.objects.get().mode == "default"


@pytest.mark.parametrize("profile", ["sts-expired", "sts-mismatch", "sts-plain", "dane-mismatch"])
def test_scenario_14_message_with_the_header_gets_through_and_one_without_waits(
    alice, tmp_path, drain, profile
):
    sent(tmp_path, "TLS-Required: No\n", f"lax@{profile}.test")
    sent(tmp_path, "", f"usual@{profile}.test")
    drain()
    found = {address: state for address, (state, _) in states().items()}
    assert found == {f"lax@{profile}.test": "delivered", f"usual@{profile}.test": "waiting"}


def test_message_with_a_header_that_counts_for_nothing_waits_like_any_other(alice, tmp_path, drain):
    sent(tmp_path, "TLS-Required: No\nTLS-Required: Yes\n", "usual@sts-expired.test")
    drain()
    assert states()["usual@sts-expired.test"][0] == "waiting"
