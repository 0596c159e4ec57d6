"""The POST of a webhook over TLS: to the address that was examined, under the name that was given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from delivery.agent.caller import Caller, CallError
from tests.fakes.certificates import Authority
from tests.fakes.hook_server import HookServer
from tests.fakes.resolver import FakeResolver

ROOT = Authority()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HookServer]:
    pem = ROOT.leaf("hooks.test").write(tmp_path / "leaf.pem")
    with HookServer(pem) as server:
        yield server


@pytest.fixture
def ca_file(tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    path.write_bytes(ROOT.pem)
    return str(path)


def caller(ca_file: str, records: dict[str, list[str]], allowed=("127.0.0.1",)) -> Caller:
    return Caller(
        resolver=FakeResolver(records),
        ca_file=ca_file,
        allows=lambda address, _: address in allowed,
    )


async def post(caller: Caller, server: HookServer, host: str = "hooks.test"):
    return await caller.post(
        is_tls=True,
        host=host,
        port=server.port,
        path="/in",
        headers={"Content-Type": "application/json"},
        body=b"{}",
        seconds=5,
    )


async def test_the_name_is_verified_though_the_address_is_called(server, ca_file):
    answer = await post(caller(ca_file, {"A hooks.test": ["127.0.0.1"]}), server)
    assert (answer.status, answer.words) == (200, "thank you")
    ((path, fields, body),) = server.heard
    assert (path, body) == ("/in", b"{}")
    assert fields["host"] == f"hooks.test:{server.port}"


async def test_a_certificate_for_another_name_ends_the_call(server, ca_file):
    with pytest.raises(CallError, match=r"other\.test"):
        await post(caller(ca_file, {"A other.test": ["127.0.0.1"]}), server, "other.test")
    assert server.heard == []


async def test_a_certificate_nobody_vouches_for_ends_the_call(server):
    with pytest.raises(CallError, match=r"hooks\.test"):
        await post(caller("", {"A hooks.test": ["127.0.0.1"]}), server)
    assert server.heard == []


async def test_only_addresses_that_are_allowed_are_called(server, ca_file):
    records = {"A hooks.test": ["127.0.0.9", "127.0.0.1"]}
    assert (await post(caller(ca_file, records), server)).status == 200
    with pytest.raises(CallError, match="not a public address"):
        await post(caller(ca_file, records, allowed=()), server)
    assert len(server.heard) == 1


async def test_the_next_address_is_called_if_one_cannot_be_reached(server, ca_file):
    records = {"A hooks.test": ["127.0.0.9", "127.0.0.1"]}
    both = ("127.0.0.9", "127.0.0.1")
    assert (await post(caller(ca_file, records, allowed=both), server)).status == 200


async def test_a_name_without_an_address_is_told(server, ca_file):
    with pytest.raises(CallError, match=r"hooks\.test has no address"):
        await post(caller(ca_file, {}), server)
