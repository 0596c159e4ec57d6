from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from delivery.sasl.renewal import Endpoint, Grant, TokenError, read

GRANT = Grant(
    endpoint=Endpoint.of("https://login.test/token"),
    client_id="us",
    client_secret="s3cret",
    refresh_token="refresh-1",
    scope="https://relay.test/.default offline_access",
)
GOOD = {"access_token": "token-1", "token_type": "Bearer", "expires_in": 3600}


def answered(status: int = 200, **document: object) -> object:
    return read(status, json.dumps(document), GRANT)


def test_request_has_what_rfc_6749_wants_and_nothing_that_is_empty() -> None:
    assert parse_qs(GRANT.body.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["refresh-1"],
        "client_id": ["us"],
        "client_secret": ["s3cret"],
        "scope": ["https://relay.test/.default offline_access"],
    }
    public = Grant(endpoint=GRANT.endpoint, client_id="us", refresh_token="refresh-1")
    assert parse_qs(public.body.decode()).keys() == {"grant_type", "refresh_token", "client_id"}


def test_nothing_secret_shows_when_it_is_printed() -> None:
    renewed = read(200, json.dumps(GOOD | {"refresh_token": "refresh-2"}), GRANT)
    shown = repr(GRANT) + repr(renewed)
    assert not any(one in shown for one in ("s3cret", "refresh-1", "refresh-2", "token-1"))


@pytest.mark.parametrize(
    ("life", "used_for"),
    [
        (3600, timedelta(minutes=55)),
        ("3600", timedelta(minutes=55)),
        (None, timedelta(minutes=55)),
        ("soon", timedelta(minutes=55)),
        (60, timedelta(seconds=45)),
        (0, timedelta(0)),
        (-5, timedelta(0)),
        (10**30, timedelta(minutes=55)),
        (10**9, timedelta(days=7) - timedelta(minutes=5)),
    ],
)
def test_a_token_is_renewed_before_it_ends(life: object, used_for: timedelta) -> None:
    assert read(200, json.dumps(GOOD | {"expires_in": life}), GRANT).used_for == used_for


def test_a_new_refresh_token_replaces_the_old_one() -> None:
    assert read(200, json.dumps(GOOD), GRANT).refresh_token == "refresh-1"
    again = read(200, json.dumps(GOOD | {"refresh_token": "refresh-2"}), GRANT)
    assert again.refresh_token == "refresh-2"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "[]",
        "[" * 100_000,
        "{}",
        '{"access_token": 7, "token_type": "Bearer"}',
        '{"access_token": "token-1", "token_type": "mac"}',
        '{"access_token": "to\\u0001ken", "token_type": "Bearer"}',
        json.dumps(GOOD | {"access_token": "x" * 9000}),
    ],
)
def test_what_is_no_token_may_be_one_the_next_time(text: str) -> None:
    with pytest.raises(TokenError) as failure:
        read(200, text, GRANT)
    assert not failure.value.is_final


@pytest.mark.parametrize("error", ["invalid_grant", "invalid_client", "unauthorized_client"])
def test_what_the_server_refuses_by_name_is_for_a_person(error: str) -> None:
    with pytest.raises(TokenError) as failure:
        answered(400, error=error, error_description="It has\nbeen revoked.")
    assert failure.value.is_final
    assert str(failure.value) == (
        f"login.test refused to issue a new token: {error} (It has been revoked.)."
    )


@pytest.mark.parametrize(
    ("status", "document"),
    [
        (500, {"error": "server_error"}),
        (503, {}),
        (429, {"error": "slow_down"}),
        (302, {}),
        (400, {"error": ["invalid_grant"]}),
        (400, {"error": "temporarily_unavailable"}),
    ],
)
def test_other_refusals_may_pass(status: int, document: dict[str, object]) -> None:
    with pytest.raises(TokenError) as failure:
        answered(status, **document)
    assert not failure.value.is_final


def test_words_that_repeat_a_secret_are_not_passed_on() -> None:
    for secret in ("refresh-1", "s3cret"):
        with pytest.raises(TokenError) as failure:
            answered(400, error="invalid_grant", error_description=f"unknown: {secret}")
        assert secret not in str(failure.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://login.test", ("login.test", 443, "/")),
        ("https://login.test:8443/a/b?c=d", ("login.test", 8443, "/a/b?c=d")),
        ("https://[::1]:8443/token", ("::1", 8443, "/token")),
    ],
)
def test_an_endpoint_is_read(url: str, expected: tuple[str, int, str]) -> None:
    found = Endpoint.of(url)
    assert (found.host, found.port, found.path) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "login.test/token",
        "http://login.test/token",
        "https://",
        "https://us:them@login.test/",
        "https://login.test/#x",
        "https://login.test/a b",
        "https://login.test/\r\nX: y",
        "https://login.test:port/",
        "https://login.test:99999/",
    ],
)
def test_other_addresses_are_none(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Endpoint.of(url)
