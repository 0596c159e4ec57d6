from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.dashboard.timeline import timeline
from delivery.models import Attempt, OutboundMessage
from delivery.policy.facts import Dnssec, Proof, Starttls
from delivery.policy.reasons import Reason
from delivery.policy.record import Mechanism

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def attempt(**values: Any) -> Attempt:
    known = {
        "at": NOW,
        "domain": "far.test",
        "mx": "mx.far.test",
        "starttls": Starttls.OFFERED,
        "tls_version": "TLSv1.3",
        "dnssec": Dnssec.INSECURE,
        "outcome": "delivered",
        "reply": "250 2.0.0 Ok",
        "message": OutboundMessage(subject="Lease"),
    }
    return Attempt(**(known | values))


@pytest.mark.parametrize(
    ("values", "tone", "title"),
    [
        ({"verified_by": [Proof.DANE_EE]}, "yes", "Delivered “Lease” over verified TLS"),
        ({"requiretls_used": True}, "yes", "Delivered “Lease” with REQUIRETLS"),
        ({}, "yes", "Delivered “Lease” over TLS, not verified"),
        ({"tls_version": ""}, "warn", "Delivered “Lease” in plain text"),
        ({"outcome": "failed"}, "bad", "Gave up on “Lease”"),
        ({"outcome": "failed", "message": None}, "bad", "Gave up"),
        ({"outcome": "deferred"}, "warn", "Not handed over, to be tried again"),
        (
            {"outcome": "deferred", "stopped_by": Mechanism.DANE},
            "bad",
            "Not handed over, to be tried again",
        ),
        ({"outcome": "probed", "source": "probe"}, "quiet", "Checked, nothing was sent"),
    ],
)
def test_each_session_says_what_became_of_it(values, tone, title):
    (event,) = timeline([attempt(**values)], NOW)
    assert (event.tone, event.title) == (tone, title)


def test_what_the_server_said_is_quoted_and_what_we_say_is_not():
    said = attempt(
        outcome="deferred", reply="421 4.3.2 Too busy", transcript="S: 421 4.3.2 Too busy"
    )
    ours = attempt(outcome="deferred", reply="454 4.7.5 Nothing proved who answered.")
    quoted, own = timeline([said, ours], NOW)
    assert quoted.reply == "421 4.3.2 Too busy"
    assert own.reply == ""
    assert own.text == "mx.far.test, TLS 1.3. Nothing proved who answered."


def test_a_session_without_a_server_has_only_the_reason():
    one = attempt(
        mx="", tls_version="", starttls="", outcome="failed", reply="550 5.1.2 No such domain."
    )
    assert timeline([one], NOW)[0].text == "No such domain."


def test_broken_tls_is_told_even_where_the_message_got_through():
    one = attempt(starttls=Starttls.FAILED, tls_version="", detail="wrong version number")
    assert timeline([one], NOW)[0].text == "mx.far.test. TLS did not come up: wrong version number."


def test_a_reason_is_a_sentence():
    one = attempt(reason=Reason.CERTIFICATE_EXPIRED)
    assert timeline([one], NOW)[0].text.endswith("TLS 1.3. The certificate is out of date.")


def test_transcripts_tell_who_spoke():
    script = "S: 220 hello\nC: EHLO us\n*: TLS failed: closed\n*: TLSv1.3 AES"
    (event,) = timeline([attempt(transcript=script)], NOW)
    assert [line.kind for line in event.script] == ["", "us", "end", ""]


def certified(mark: str, days: int, **values: Any) -> Attempt:
    shown = {"fingerprint": mark, "issuer": "Test CA", "not_after": "2027-02-01T00:00:00+00:00"}
    return attempt(at=NOW - timedelta(days=days), certificate=shown, **values)


def test_a_new_certificate_is_an_event_of_its_own():
    events = timeline(
        [certified("bb", 0), certified("cc", 1, mx="mx2.far.test"), certified("aa", 2)], NOW
    )
    assert [event.title for event in events].count("The certificate changed") == 1
    assert events[1].text == "mx.far.test shows a new one from Test CA, good until 1 February 2027."


def test_times_are_told_for_people():
    days = [
        event.when
        for event in timeline(
            [certified("a", 0), certified("a", 1), certified("a", 2), certified("a", 400)], NOW
        )
    ]
    assert days == ["Today 12:00", "Yesterday 12:00", "18 Nov 12:00", "16 Oct 2025 12:00"]
