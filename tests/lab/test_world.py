"""The lab as a whole: it starts, stops, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import socket
from pathlib import Path

import pytest

from delivery.lab import PROFILES, Lab
from tests.lab.client import Client


def open_files() -> set[str]:
    """Return the targets of this process's descriptors: sockets, pipes, files."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.add(str(entry.readlink()))
        except FileNotFoundError:
            pass
    return found


async def test_start_and_stop_leave_no_socket_and_no_task():
    gc.collect()
    before, tasks = open_files(), asyncio.all_tasks()
    async with (
        Lab(pace=0.01) as lab,
        await Client.of(lab, "slow.test"),
        await Client.of(lab, "silent.test"),
    ):
        assert len(open_files()) > len(before) + len(lab.hosts)
    await asyncio.sleep(0)
    assert open_files() <= before
    assert asyncio.all_tasks() == tasks


async def test_open_sessions_end_when_the_lab_stops():
    async with Lab(profiles=["pkix"]) as lab:
        client = await Client.of(lab, "pkix.test")
        await client.hello()
    async with client:
        assert await client.read_to_end() == b""


async def test_ports_can_be_chosen():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with Lab(profiles=["sts"], smtp_port=port) as lab:
        assert lab.environment["SMTP_PORT"] == str(port)
        async with await Client.of(lab, "sts.test") as client:
            assert (await client.reply()).startswith("220 mx.sts.test ")


async def test_two_labs_live_side_by_side():
    async with Lab(profiles=["pkix"]) as one, Lab(profiles=["pkix"]) as other:
        assert one.smtp_port != other.smtp_port
        assert one.dns_port != other.dns_port
        assert one.domains == other.domains


async def test_a_start_that_fails_leaves_nothing():
    gc.collect()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        before = open_files()
        with pytest.raises(OSError, match="in use"):
            async with Lab(profiles=["sts"], sts_port=taken.getsockname()[1]):
                pass
        await asyncio.sleep(0)
        assert open_files() <= before


async def test_everything_is_on_loopback():
    async with Lab() as lab:
        addresses = [address for domain in lab.domains.values() for _, address in domain.hosts]
        assert all(one.startswith("127.") or one == "::1" for one in addresses)
        assert lab.environment["DNS_RESOLVERS"].startswith("127.0.0.1:")


async def test_a_domain_of_each_profile_is_there():
    async with Lab() as lab:
        assert [domain.profile for domain in lab.domains.values()] == list(PROFILES)
