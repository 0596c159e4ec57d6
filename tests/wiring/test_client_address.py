from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from mailweb.lib.client_address import ClientAddressMiddleware

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings


def address_seen(peer: str, forwarded: str | None) -> str:
    seen: list[str] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request.META["REMOTE_ADDR"])
        return HttpResponse()

    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    ClientAddressMiddleware(view)(RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer))
    return seen[0]


@pytest.mark.parametrize(
    ("peer", "forwarded", "seen"),
    [
        ("127.0.0.1", None, "127.0.0.1"),
        ("127.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", "198.51.100.1, 192.0.2.7", "192.0.2.7"),
        ("192.0.2.9", "198.51.100.1", "192.0.2.9"),
    ],
    ids=["nobody in between", "a proxy", "a client that lies", "no proxy of ours"],
)
def test_client_is_who_the_trusted_proxy_saw(
    settings: Settings, peer: str, forwarded: str | None, seen: str
) -> None:
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    assert address_seen(peer, forwarded) == seen
