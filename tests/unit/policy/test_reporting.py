"""What a sender wants to be told (RFC 3461 §4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.policy.reporting import (
    TELL_WHEN_DELIVERED,
    BadReportingError,
    Reporting,
    check_orcpt,
    from_stored,
    to_stored,
    wants,
)
from delivery.smtp import Notify

KINDS = (Notify.SUCCESS, Notify.FAILURE, Notify.DELAY)


@pytest.mark.parametrize(
    ("notify", "told"),
    [
        ("", {Notify.FAILURE, Notify.DELAY}),
        ("NEVER", set()),
        ("SUCCESS", {Notify.SUCCESS}),
        ("FAILURE", {Notify.FAILURE}),
        ("DELAY", {Notify.DELAY}),
        ("SUCCESS,FAILURE", {Notify.SUCCESS, Notify.FAILURE}),
        ("SUCCESS,FAILURE,DELAY", set(KINDS)),
    ],
)
def test_sender_is_told_what_was_asked_for_or_else_what_went_wrong(notify, told):
    assert {kind for kind in KINDS if wants(notify, kind)} == told


@given(st.frozensets(st.sampled_from(KINDS)))
def test_wishes_are_read_as_they_were_stored(notify):
    assert from_stored(to_stored(notify)) == notify


def test_tell_me_when_delivered_takes_nothing_away():
    stored = to_stored(TELL_WHEN_DELIVERED.notify)
    assert all(wants(stored, kind) for kind in KINDS)


@pytest.mark.parametrize(
    "wish",
    [
        {"notify": frozenset({Notify.NEVER, Notify.SUCCESS})},
        {"envid": "a\r\nRSET"},
        {"envid": "+" * 34},
        {"envid": "ä"},
    ],
)
def test_wish_that_smtp_cannot_carry_is_refused(wish):
    with pytest.raises(BadReportingError):
        Reporting(**wish)


@pytest.mark.parametrize("orcpt", ["rfc822;a+b@x.test", "utf-8;jörg@bücher.test", "x400;/c=de/"])
def test_original_recipient_of_any_type_can_be_named(orcpt):
    check_orcpt(orcpt)


@pytest.mark.parametrize(
    "orcpt",
    ["a@x.test", ";a@x.test", "rfc822;", "rfc822;ä@x.test", "rfc822;a\r\nb", "rfc822;" + "a" * 494],
)
def test_original_recipient_without_sense_or_end_is_refused(orcpt):
    with pytest.raises(BadReportingError):
        check_orcpt(orcpt)


def test_length_of_an_original_recipient_counts_as_it_travels():
    check_orcpt("rfc822;" + "a" * 493)
    with pytest.raises(BadReportingError, match="500"):
        check_orcpt("rfc822;" + "+" * 170)
