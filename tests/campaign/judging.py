"""What holds for the mail of an installation, whatever happened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.campaign.installation import Installation


def judge(installation: Installation, copies: int) -> dict[str, int]:
    """Prove what holds whatever happened; return the numbers."""
    accepted, lost = installation.accepted(), installation.lost_leases()
    states = dict(installation.query("SELECT state, count(*) FROM delivery_recipient GROUP BY 1"))
    settled = installation.query(
        "SELECT recipient, count(*) FROM witness WHERE new = 'delivered' GROUP BY 1"
    )
    repeated = {address: times for address, times in accepted.items() if times > 1}
    assert states == {"delivered": copies}, states
    assert len(accepted) == copies, "somebody never got a copy"
    assert len(settled) == copies
    assert {times for _, times in settled} == {1}, "a copy was settled twice"
    for address, times in repeated.items():
        assert times <= 1 + lost[address], f"{address} got {times} copies without a lost lease"
    assert "deadlock detected" not in installation.postgresql.log
    return {
        "copies": copies,
        "accepted": sum(accepted.values()),
        "repeated": len(repeated),
        "leases lost": sum(lost.values()),
        "put off": installation.count("witness", "new = 'waiting'"),
    }
