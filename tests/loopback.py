"""Keeps a test on this machine: any other connection or look-up of a name fails it."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


class LoopbackGuard:
    """Wraps the ways out of this process.

    `pytest.fail` raises a BaseException, so no `except Exception` of ours swallows it; what a
    thread or a callback swallows all the same is found by `check` at the end.
    """

    def __init__(self) -> None:
        self.strays: list[str] = []

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the guard in front of every way out."""
        for name in ("connect", "connect_ex"):
            monkeypatch.setattr(socket.socket, name, self._guarded(getattr(socket.socket, name)))
        monkeypatch.setattr(socket.socket, "sendto", self._guarded(socket.socket.sendto))
        monkeypatch.setattr(socket, "getaddrinfo", self._guarded_lookup(socket.getaddrinfo))

    def check(self) -> None:
        """Fail if anything strayed, even if the code under test hid it."""
        if self.strays:
            pytest.fail(f"left this machine: {', '.join(self.strays)}")

    def _guarded(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(this: socket.socket, *args: Any) -> Any:
            if this.family in {socket.AF_INET, socket.AF_INET6}:
                self._allow(args[-1][0])
            return method(this, *args)

        return call

    def _guarded_lookup(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(host: Any, *args: Any, **options: Any) -> Any:
            self._allow(host)
            return method(host, *args, **options)

        return call

    def _allow(self, host: Any) -> None:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in {None, "", "localhost"} and not _is_local(name):
            self.strays.append(name)
            pytest.fail(f"left this machine: {name}")


def _is_local(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
