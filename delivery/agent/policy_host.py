"""One HTTPS request for a policy (RFC 8461 §3.3): no redirects, not much, not for long.

Only the certificate of the policy host is examined here, against the public authorities and for
its own name; what an MX host shows is none of its business.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl

import httpx2

from delivery.agent.answers import Resolver, follow
from delivery.agent.config import AgentConfig
from delivery.agent.roots import https_context
from delivery.policy.mtasts import LARGEST_POLICY
from delivery.policy.reasons import Reason

FETCH_SECONDS = 60.0
MOST_ADDRESSES = 4


class FetchError(Exception):
    """There is no policy to be had, with the reason of RFC 8460."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class UnreachableError(FetchError):
    """This address gave no answer; another one may."""

    def __init__(self, detail: str) -> None:
        super().__init__(Reason.STS_POLICY_FETCH_ERROR, detail)


class PolicyHost:
    """Fetches policies from `mta-sts.<domain>`, at the addresses our own resolver gives."""

    def __init__(self, config: AgentConfig, *, resolver: Resolver) -> None:
        self._resolver = resolver
        self._port = config.sts_port
        self._ca_file = config.ca_file
        self._seconds = FETCH_SECONDS * config.time_scale

    async def fetch(self, domain: str) -> str:
        """Return the policy of `domain` as text.

        Raises:
            FetchError: the host, its certificate or its answer is not as it must be.
        """
        name = f"mta-sts.{domain}"
        try:
            async with asyncio.timeout(self._seconds):
                return await self._from_first(name, await self._addresses(name))
        except TimeoutError:
            raise FetchError(
                Reason.STS_POLICY_FETCH_ERROR, f"{name} took more than {self._seconds:g} seconds"
            ) from None

    async def _addresses(self, name: str) -> list[str]:
        six, four = await asyncio.gather(
            follow(self._resolver, name, "AAAA"), follow(self._resolver, name, "A")
        )
        addresses = [*four.records, *six.records][:MOST_ADDRESSES]
        if not addresses:
            detail = four.detail or six.detail or f"{name} has no address"
            raise FetchError(Reason.STS_POLICY_FETCH_ERROR, detail)
        return addresses

    async def _from_first(self, name: str, addresses: list[str]) -> str:
        """Ask the addresses in turn; only one that can't be reached is passed over."""
        for address in addresses[:-1]:
            try:
                return await self._get(name, address)
            except UnreachableError:
                continue
        return await self._get(name, addresses[-1])

    async def _get(self, name: str, address: str) -> str:
        host = f"[{address}]" if ipaddress.ip_address(address).version == 6 else address
        # A client of its own: a kept connection would be taken for another name's.
        async with httpx2.AsyncClient(
            verify=https_context(self._ca_file),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(self._seconds, connect=min(15.0, self._seconds / 2)),
        ) as client:
            request = client.build_request(
                "GET",
                f"https://{host}:{self._port}/.well-known/mta-sts.txt",
                headers={"Host": name, "Accept": "text/plain", "Accept-Encoding": "identity"},
                extensions={"sni_hostname": name},
            )
            try:
                return await _read(name, await client.send(request, stream=True))
            except httpx2.HTTPError as error:
                raise _failure(name, error) from error


async def _read(name: str, response: httpx2.Response) -> str:
    try:
        _check_head(name, response)
        body = b""
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > LARGEST_POLICY:
                raise FetchError(Reason.STS_POLICY_INVALID, f"{name} sent more than 64 KiB")
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FetchError(Reason.STS_POLICY_INVALID, f"{name} sent no text") from error
    finally:
        await response.aclose()


def _check_head(name: str, response: httpx2.Response) -> None:
    """Refuse what can't be a policy before its body is read.

    RFC 8461 §3.3: only 200 counts. §3.2: another media type than text/plain may be what some
    visitor of the web server put there. Nobody asked for compression, and unpacking has no limit.
    """
    if response.status_code != 200:
        raise FetchError(Reason.STS_POLICY_FETCH_ERROR, f"{name} answered {response.status_code}")
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != "text/plain":
        shown = media_type[:60] or "no media type"
        raise FetchError(Reason.STS_POLICY_INVALID, f"{name} sent {shown}, not text/plain")
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding != "identity":
        raise FetchError(Reason.STS_POLICY_INVALID, f"{name} sent the policy as {coding[:60]}")


def _failure(name: str, error: Exception) -> FetchError:
    """Tell a bad certificate from silence, and both from an answer that is not HTTP."""
    detail = f"{name}: {str(error) or type(error).__name__}"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return FetchError(Reason.STS_WEBPKI_INVALID, detail)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, (httpx2.NetworkError, httpx2.TimeoutException)):
        return UnreachableError(detail)
    return FetchError(Reason.STS_POLICY_FETCH_ERROR, detail)
