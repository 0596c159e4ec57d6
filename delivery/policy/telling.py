"""The sentences of a forecast: what is insisted on, what was seen, why a copy would wait."""

from __future__ import annotations

from delivery.policy.facts import DnsFailure, SessionEvidence, Starttls
from delivery.policy.record import Mechanism
from delivery.policy.requirements import Demand, Refusal, Tls

NO_HOST = {
    DnsFailure.NXDOMAIN: "There is no domain {domain}.",
    DnsFailure.NULL_MX: "{domain} says in DNS that it takes no mail.",
    DnsFailure.OWN_HOST: "DNS names this server as the mail host of {domain}, but it is not one of "
    "ours.",
}
"""Why a domain can't get mail at all; any other failure may pass."""

_POLICIES = {
    Mechanism.DANE: "What its DANE record asks for",
    Mechanism.MTA_STS: "What its MTA-STS policy asks for",
}
_INSISTED_ON = {
    Mechanism.DANE: "DANE is insisted on.",
    Mechanism.MTA_STS: "Its MTA-STS policy is insisted on.",
}


def refused(
    gate: Demand, refusal: Refusal, evidence: SessionEvidence, history: str, domain: str
) -> str:
    """Return why the last session would not have got the copy.

    `history` is what is remembered of TLS with the domain, dated in the reader's words.
    """
    tls = evidence.tls
    if refusal.stopped_by is Mechanism.HISTORY:
        now = (
            "did not offer it" if tls.starttls is Starttls.NOT_OFFERED else "could not bring it up"
        )
        return (
            f"{history}, and {now} when it was last asked. Someone in between may be hiding it, so "
            "the copy waits rather than travel in plain text."
        )
    if refusal.stopped_by in _POLICIES:
        return (
            f"{_POLICIES[refusal.stopped_by]} could not be met when it was last tried. "
            "The copy waits until that changes."
        )
    if not tls.is_encrypted:
        return f"{domain} did not bring up TLS when it was last asked."
    if gate.requiretls:
        return f"{domain} did not announce REQUIRETLS when it was last asked."
    return f"{domain} did not prove who it is when it was last asked."


def handed_over(gate: Demand, way: str) -> str:
    """Return how the copy would travel, and what makes sure of it. `way` is a `Way`'s value."""
    if gate.requiretls:
        return "Verified TLS here, and every later server must do the same."
    if gate.tls is Tls.PROVEN:
        return _INSISTED_ON.get(gate.by, "A valid certificate is insisted on.")
    if way == "plain":
        return "Anyone on the way could read this copy."
    if gate.tls is Tls.MAY:
        return {
            "ver": "It proved who it is last time. Nothing insists on it.",
        }.get(way, "Encrypted, to whoever answers. Nothing insists on it.")
    was_there = ", because it was there before" if gate.by is Mechanism.HISTORY else ""
    if way == "ver":
        return f"It proved who it is last time. TLS is insisted on{was_there}; that proof is not."
    return f"TLS is insisted on{was_there}; who answers is not proven."


def untested(gate: Demand) -> str:
    """Return what is done with the copy once the server has shown what it can."""
    if gate.requiretls:
        return "Sent if the server announces REQUIRETLS, else returned to you."
    if gate.tls is Tls.PROVEN:
        return _INSISTED_ON.get(
            gate.by, "Sent if the server shows a valid certificate, else kept waiting."
        )
    if gate.tls is Tls.ENCRYPTED:
        return "Sent if the server offers TLS, else kept waiting."
    return "TLS if the server offers it, else plain text."
