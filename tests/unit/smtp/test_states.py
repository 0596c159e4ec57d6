from __future__ import annotations

import pytest

from delivery.smtp.commands import Kind
from delivery.smtp.limits import Phase
from delivery.smtp.states import (
    AFTER_REPLY,
    MAY_SEND,
    RESTING_IN,
    TRANSACTION,
    WAITING_FOR,
    Answer,
    Machine,
    State,
)


@pytest.mark.parametrize(("state", "kind"), sorted(MAY_SEND))
def test_what_is_planned_is_what_success_brings(state, kind):
    success = Answer.MORE if kind is Kind.DATA else Answer.YES
    assert AFTER_REPLY.get((state, kind, success), state) is MAY_SEND[state, kind]


@pytest.mark.parametrize(("state", "kind", "answer"), sorted(AFTER_REPLY))
def test_no_reply_leads_out_of_the_end(state, kind, answer):
    assert state not in {State.CLOSING, State.CLOSED, State.BROKEN, State.TLS_DUE}


def test_every_kind_of_command_has_a_phase():
    assert set(WAITING_FOR) == set(Kind)
    assert set(RESTING_IN) <= set(State)
    assert set(WAITING_FOR.values()) | set(RESTING_IN.values()) | {
        Phase.IDLE,
        Phase.CONNECT,
    } == set(Phase)


@pytest.mark.parametrize("state", sorted(TRANSACTION))
def test_rset_leads_out_of_every_transaction(state):
    assert AFTER_REPLY[state, Kind.RESET, Answer.YES] is State.READY


@pytest.mark.parametrize("state", State)
def test_421_leads_to_the_end_from_everywhere(state):
    machine = Machine()
    machine.state = machine.planned = state
    machine.answered(Kind.INFO, 421, is_settled=False)
    assert machine.state is machine.planned is State.CLOSING


def test_plan_ends_where_a_command_is_out_of_order():
    machine = Machine()
    machine.answered(Kind.GREETING, 220)
    assert machine.plan([Kind.HELLO, Kind.MAIL, Kind.RCPT]) is State.RCPT
    assert machine.plan([Kind.HELLO, Kind.RCPT, Kind.RESET]) is None
    assert machine.state is State.HELLO
