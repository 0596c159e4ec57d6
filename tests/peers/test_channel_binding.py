"""Log-ins bound to TLS, against GNU SASL and pyOpenSSL."""

from __future__ import annotations

from pathlib import Path

import pytest

from delivery.agent import binding
from delivery.agent.login import log_in
from delivery.policy.outcome import Result, Scope
from delivery.sasl import ChannelBinding, Credentials, Mechanism
from tests.fakes.certificates import Authority
from tests.peers.relays import session_with
from tests.peers.servers.gnu_sasl import SECRET, USERNAME, GnuSasl

ALICE = Credentials(username=USERNAME, secret=SECRET)
KINDS = {"TLSv1.3": "tls-exporter", "TLSv1.2": "tls-unique"}


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return Authority().leaf("relay.test").write(tmp_path / "relay.pem")


@pytest.mark.parametrize("version", KINDS)
@pytest.mark.parametrize("name", [one for one in Mechanism if one.binds])
async def test_gnu_sasl_takes_what_we_bind_to(certificate: Path, name: Mechanism, version: str):
    async with (
        GnuSasl(certificate, mechanisms=name, version=version) as server,
        session_with(server.port, is_implicit=True, time_scale=1) as session,
    ):
        done = await log_in(session, ALICE)
    assert (done.outcome, done.mechanism, done.binding) == (None, name, KINDS[version])
    assert done.is_bound


@pytest.mark.parametrize("version", KINDS)
async def test_gnu_sasl_refuses_another_connection(
    certificate: Path, version: str, monkeypatch: pytest.MonkeyPatch
):
    def of_another(connection):
        return (ChannelBinding(KINDS[version], bytes(32 if version == "TLSv1.3" else 12)),)

    monkeypatch.setattr("delivery.agent.login.bindings_of", of_another)
    async with (
        GnuSasl(certificate, mechanisms="SCRAM-SHA-256-PLUS", version=version) as server,
        session_with(server.port, is_implicit=True, time_scale=1) as session,
    ):
        done = await log_in(session, ALICE)
    assert done.outcome is not None
    assert (done.outcome.result, done.outcome.scope) == (Result.DEFERRED, Scope.TRANSPORT)
    assert (done.outcome.enhanced, done.pauses) == ("4.7.8", True)


async def test_gnu_sasl_that_does_not_know_the_kind_never_sees_a_proof(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(binding, "_openssl", lambda: None)
    async with (
        GnuSasl(certificate, mechanisms="SCRAM-SHA-256-PLUS", version="TLSv1.3") as server,
        session_with(server.port, is_implicit=True, time_scale=1) as session,
    ):
        done = await log_in(session, ALICE)
    assert done.outcome is not None
    assert (done.outcome.enhanced, done.pauses) == ("4.7.9", True)
    assert "(tls-server-end-point)" in done.outcome.private
    assert [line.split()[0] for line in server.said] == ["EHLO", "AUTH", "QUIT"]


async def test_gnu_sasl_whose_binding_was_struck_out_breaks_it_off(certificate: Path):
    async with (
        GnuSasl(certificate, mechanisms="SCRAM-SHA-256", version="TLSv1.3") as server,
        session_with(server.port, is_implicit=True, time_scale=1) as session,
    ):
        done = await log_in(session, ALICE)
    assert done.outcome is not None
    assert "somebody in between" in done.outcome.private


@pytest.mark.parametrize("name", [Mechanism.SCRAM_SHA_256, Mechanism.SCRAM_SHA_1])
async def test_gnu_sasl_lets_in_whoever_cannot_bind(certificate: Path, name: Mechanism):
    async with (
        GnuSasl(certificate, mechanisms=name, version="TLSv1.3") as server,
        session_with(server.port, is_implicit=True, time_scale=1) as session,
    ):
        done = await log_in(session, ALICE, allowed=[name])
    assert (done.outcome, done.mechanism, done.is_bound) == (None, name, False)
