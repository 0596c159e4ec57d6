"""What compose foresees is what the worker does: every domain of the lab, under every order.

See `playing.py` for how it comes about.
"""

from __future__ import annotations

from typing import Any

import pytest

from delivery.lab.profiles import PROFILES
from delivery.lab.world import has_ipv6
from delivery.policy.facts import Proof, Starttls
from delivery.policy.modes import Mode
from delivery.policy.outcome import Result
from delivery.policy.verdict import Way
from tests.delivery.playing import DOWNGRADED, IMPATIENT, ORDERS, orders_for


def cells_of(*names: str) -> list[Any]:
    return [
        pytest.param(name, order, id=f"{name}-{order}")
        for name in names
        for order in orders_for(name)
    ]


CELLS = cells_of(*PROFILES, DOWNGRADED)
BLIND_CELLS = cells_of(*PROFILES)

LATER_WORD = {
    "greylist": Result.DEFERRED,
    "blocklist-mail": Result.FAILED,
    "blocklist-rcpt": Result.FAILED,
    "full": Result.FAILED,
    "rejects-content": Result.FAILED,
    "dualstack": Result.DEFERRED if has_ipv6() else Result.DELIVERED,
}
"""Servers that refuse once TLS is up and the message is spoken of: nobody foresees that."""

NEVER_A_SESSION = ("silent", "busy")
"""Servers that never get as far as EHLO: nothing is known about them, and nothing is claimed."""


@pytest.mark.django_db
@pytest.mark.parametrize(("profile", "order"), CELLS)
def test_the_worker_does_what_compose_foresaw(played, profile, order):
    cell = played.cells[profile, order]
    foreseen, copy, attempt = cell.foreseen, cell.copy, cell.copy.last_attempt
    if foreseen.result is None:
        assert profile in NEVER_A_SESSION
        assert (cell.result, attempt.starttls) == (Result.DEFERRED, Starttls.UNKNOWN)
        return
    is_through = foreseen.result is Result.DELIVERED
    expected = LATER_WORD.get(profile, foreseen.result) if is_through else foreseen.result
    assert cell.result is expected, copy.last_reply
    assert attempt.stopped_by == foreseen.stopped_by
    if is_through:
        proofs = {Proof(proof) for proof in attempt.verified_by}
        assert (cell.way, proofs, attempt.reason) == (
            foreseen.way,
            foreseen.proofs,
            foreseen.reason,
        )
    else:
        assert copy.reason == foreseen.reason
        assert foreseen.way in (Way.NOT_SENT, Way.UNKNOWN)
        assert "C: MAIL" not in attempt.transcript


@pytest.mark.django_db
@pytest.mark.parametrize(("profile", "order"), BLIND_CELLS)
def test_look_ups_alone_never_promise_what_does_not_come(played, profile, order):
    cell = played.cells[profile, order]
    blind = cell.blind
    if blind.result is not None:
        assert blind.result is cell.result
        assert cell.copy.last_attempt.stopped_by == blind.stopped_by
    elif cell.result is Result.DELIVERED and blind.way is Way.VERIFIED:
        assert cell.way is Way.VERIFIED
    else:
        assert blind.way in (Way.VERIFIED, Way.UNKNOWN)


@pytest.mark.django_db
def test_only_what_is_remembered_keeps_a_default_copy_from_a_server_that_dropped_tls(played):
    waits = {
        order: played.cells[DOWNGRADED, order].copy.last_attempt.stopped_by for order in ORDERS
    }
    assert waits["default"] == "history"
    assert waits["default, never in the clear"] == "tls"
    assert waits["default, plain text pledged"] == waits["optional"] == ""


def test_every_domain_of_the_lab_is_told_apart_from_those_nobody_can_foresee():
    assert {*LATER_WORD, *NEVER_A_SESSION, *IMPATIENT} <= set(PROFILES)
    assert {one.mode for one in ORDERS.values()} == set(Mode)
