"""What is offered for a copy in trouble: only what can help, and no rule undone in silence."""

from __future__ import annotations

import pytest

from delivery.policy.modes import Mode, Order, PledgeKind, SenderPolicy
from delivery.policy.record import Mechanism
from delivery.policy.verdict import Forecast, Way
from delivery.policy.ways_out import Plight, Step, Trouble, ways_out

DEFAULT = Order()
REQUIRETLS = Order(mode=Mode.REQUIRETLS)
VERIFIED = Order(mode=Mode.VERIFIED)
OPTIONAL = Order(mode=Mode.OPTIONAL)
PLEDGED = Order(pledge=PledgeKind.VERIFIED)
PLEDGED_REQUIRETLS = Order(mode=Mode.REQUIRETLS, pledge=PledgeKind.VERIFIED)
NEVER_PLAIN = Order(sender=SenderPolicy(allows_plain_text=False))
FAILED, WAITING, HELD = Plight.FAILED, Plight.WAITING, Plight.HELD
NONE, DANE, STS, TLS, HISTORY = (
    Mechanism.NONE,
    Mechanism.DANE,
    Mechanism.MTA_STS,
    Mechanism.TLS,
    Mechanism.HISTORY,
)


def steps(plight, order, by=NONE, enhanced="", **more) -> list[str]:
    trouble = Trouble(
        plight=plight, domain="x.test", order=order, stopped_by=by, enhanced=enhanced, **more
    )
    return [way.step.value for way in ways_out(trouble)]


@pytest.mark.parametrize(
    ("plight", "order", "by", "enhanced", "offered"),
    [
        # Nobody there, or the message does not fit: trying again can't help.
        (FAILED, DEFAULT, NONE, "5.1.1", "other"),
        (FAILED, REQUIRETLS, NONE, "5.1.10", "other"),
        (FAILED, DEFAULT, NONE, "5.3.4", "other"),
        # Refused or expired for reasons that may pass.
        (FAILED, DEFAULT, NONE, "5.2.2", "again other"),
        (FAILED, DEFAULT, NONE, "5.7.1", "again other"),
        (FAILED, REQUIRETLS, NONE, "5.7.1", "again other"),
        (FAILED, DEFAULT, NONE, "5.4.7", "again other"),
        # TLS.
        (FAILED, DEFAULT, DANE, "5.4.7", "again optional other"),
        (FAILED, DEFAULT, STS, "5.4.7", "again optional other"),
        (FAILED, DEFAULT, HISTORY, "5.4.7", "again optional other"),
        (FAILED, NEVER_PLAIN, TLS, "5.4.7", "again optional other"),
        (FAILED, REQUIRETLS, TLS, "5.7.30", "default again other"),
        (FAILED, REQUIRETLS, NONE, "5.7.30", "default again other"),
        (FAILED, VERIFIED, TLS, "5.7.10", "default again other"),
        (FAILED, OPTIONAL, TLS, "5.4.7", "again other"),
        # A pledge is changed where it was made, never by sending.
        (FAILED, PLEDGED, DANE, "5.4.7", "again pledges other"),
        (FAILED, PLEDGED_REQUIRETLS, TLS, "5.7.30", "default again other"),
        # Waiting goes on in any case.
        (WAITING, DEFAULT, NONE, "4.7.1", ""),
        (WAITING, DEFAULT, DANE, "4.7.5", "optional"),
        (WAITING, DEFAULT, HISTORY, "4.7.10", "optional"),
        (WAITING, NEVER_PLAIN, TLS, "4.7.10", "optional"),
        (WAITING, REQUIRETLS, DANE, "4.7.5", "default"),
        (WAITING, PLEDGED, TLS, "4.7.10", "pledges"),
        (WAITING, OPTIONAL, NONE, "4.4.1", ""),
    ],
)
def test_only_what_can_help_is_offered(plight, order, by, enhanced, offered):
    assert steps(plight, order, by, enhanced) == offered.split()


@pytest.mark.parametrize(
    ("order", "way", "by", "offered"),
    [
        (DEFAULT, Way.PLAIN, NONE, "send wait"),
        (DEFAULT, Way.TLS, NONE, "send wait"),
        (DEFAULT, Way.UNKNOWN, NONE, "send wait"),
        (DEFAULT, Way.NOT_SENT, HISTORY, "optional wait"),
        (DEFAULT, Way.NOT_SENT, DANE, "optional wait"),
        (REQUIRETLS, Way.NOT_SENT, TLS, "default wait"),
        (PLEDGED, Way.NOT_SENT, TLS, "pledges wait"),
    ],
)
def test_a_copy_that_would_travel_worse_can_go_or_wait(order, way, by, offered):
    forecast = Forecast(way=way, sentence="", stopped_by=by)
    assert steps(HELD, order, forecast=forecast) == offered.split()


def test_before_anything_is_known_about_it_a_held_copy_can_still_go():
    assert steps(HELD, DEFAULT) == ["send", "wait"]


def test_without_its_bytes_a_copy_can_only_be_written_anew():
    assert steps(FAILED, DEFAULT, DANE, "5.4.7", has_content=False) == ["other"]


def words(order, by, enhanced="5.4.7") -> str:
    trouble = Trouble(plight=FAILED, domain="x.test", order=order, stopped_by=by, enhanced=enhanced)
    return " ".join(way.text for way in ways_out(trouble))


def test_who_never_sends_in_the_clear_is_told_what_a_way_out_would_do():
    assert "which your rules forbid otherwise" in words(NEVER_PLAIN, HISTORY)
    assert "which your rules forbid otherwise" in words(NEVER_PLAIN, DANE)
    assert "forbid" not in words(DEFAULT, DANE)


def test_without_requiretls_a_pledge_still_counts():
    assert "as you pledged" in words(PLEDGED_REQUIRETLS, TLS, "5.7.30")
    never = Order(mode=Mode.REQUIRETLS, sender=SenderPolicy(allows_plain_text=False))
    assert "never goes in plain text" in words(never, TLS, "5.7.30")


@pytest.mark.parametrize("way", [one for one in Way if one is not Way.NOT_SENT])
def test_sending_all_the_same_says_how(way):
    trouble = Trouble(
        plight=HELD, domain="x.test", order=DEFAULT, forecast=Forecast(way=way, sentence="")
    )
    first = ways_out(trouble)[0]
    assert first.step is Step.SEND
    assert first.text.endswith(".")


@pytest.mark.parametrize(("days", "span"), [(1, "another day"), (5, "five days"), (30, "30 days")])
def test_keep_trying_says_for_how_long(days, span):
    trouble = Trouble(plight=FAILED, domain="x.test", order=DEFAULT, lifetime_days=days)
    assert span in ways_out(trouble)[0].text
