"""One HTTP POST to somebody else's server: no redirects, little read, not for long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

import httpx2

from delivery.agent.answers import Resolver, follow
from delivery.agent.roots import https_context

CALL_SECONDS = 30.0
KEPT_OCTETS = 512
MOST_ADDRESSES = 4


class CallError(Exception):
    """There was no answer; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswer:
    """What the server answered: its status, the beginning of its words, and when it wants us back."""

    status: int
    words: str
    retry_after: str = ""


class Caller:
    """Makes calls at addresses that our own resolver gives and `allows` lets through.

    The address that was examined is the one that is called: a name that answers differently the
    second time gains nothing.
    """

    def __init__(
        self,
        *,
        resolver: Resolver,
        ca_file: str,
        allows: Callable[[str, bool], bool],
        kept_octets: int = KEPT_OCTETS,
    ) -> None:
        self._resolver = resolver
        self._ca_file = ca_file
        self._allows = allows
        self._kept_octets = kept_octets

    async def post(
        self,
        *,
        is_tls: bool,
        host: str,
        port: int,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        seconds: float = CALL_SECONDS,
    ) -> CallAnswer:
        """Post `body`; return the answer, whatever its status.

        Raises:
            CallError: no server that may be called has answered in time.
        """
        try:
            async with asyncio.timeout(seconds):
                error = CallError(f"{host} can't be reached.")
                for address in await self._addresses(host, is_tls):
                    try:
                        return await self._post(address, is_tls, host, port, path, headers, body)
                    except httpx2.ConnectError as failure:
                        error = CallError(f"{host}: {str(failure) or 'no connection'}")
                raise error
        except TimeoutError:
            raise CallError(f"{host} took more than {seconds:g} seconds.") from None
        except httpx2.HTTPError as failure:
            raise CallError(f"{host}: {str(failure) or type(failure).__name__}") from failure

    async def _addresses(self, host: str, is_tls: bool) -> list[str]:
        found = await self._found(host)
        if not found:
            raise CallError(f"{host} has no address.")
        allowed = [address for address in found if self._allows(address, is_tls)]
        if not allowed:
            raise CallError(f"{host} is not a public address that may be called.")
        return allowed[:MOST_ADDRESSES]

    async def _found(self, host: str) -> list[str]:
        if _is_address(host):
            return [host]
        four, six = await asyncio.gather(
            follow(self._resolver, host, "A"), follow(self._resolver, host, "AAAA")
        )
        return [*four.records, *six.records]

    async def _post(
        self,
        address: str,
        is_tls: bool,
        host: str,
        port: int,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> CallAnswer:
        shown = f"[{address}]" if ":" in address else address
        named = f"[{host}]" if ":" in host else host
        default = 443 if is_tls else 80
        async with httpx2.AsyncClient(
            verify=https_context(self._ca_file),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(CALL_SECONDS, connect=CALL_SECONDS / 3),
        ) as client:
            request = client.build_request(
                "POST",
                f"{'https' if is_tls else 'http'}://{shown}:{port}{path}",
                headers={
                    **headers,
                    "Host": named if port == default else f"{named}:{port}",
                    "Accept-Encoding": "identity",
                },
                content=body,
                extensions={} if _is_address(host) else {"sni_hostname": host},
            )
            response = await client.send(request, stream=True)
            try:
                return CallAnswer(
                    status=response.status_code,
                    words=await _beginning(response, self._kept_octets),
                    retry_after=response.headers.get("Retry-After", "")[:40],
                )
            finally:
                await response.aclose()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def _beginning(response: httpx2.Response, most: int) -> str:
    """Return the first octets as text; the rest is never read."""
    read = b""
    async for piece in response.aiter_raw():
        read += piece
        if len(read) >= most:
            break
    return read[:most].decode("utf-8", "replace").replace("\0", "")
