"""The pure rules: who may be called, when again, and how a call is signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.webhooks import schedule, signature, targets

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OFFICE = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.5.5",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:192.168.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:c0a8:101::1",
        "2001:0:7f00:1::",
        "fec0::1",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b:1::a00:1",
        "4000::1",
    ],
)
def test_nothing_inside_is_called(address):
    assert not targets.may_call(address, is_tls=True, networks=())


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_public_addresses_are_called_over_tls_only(address):
    assert targets.may_call(address, is_tls=True, networks=())
    assert not targets.may_call(address, is_tls=False, networks=())


@pytest.mark.parametrize("address", ["10.1.2.3", "fd00::5", "::ffff:10.1.2.3"])
def test_the_operators_networks_are_called_even_without_tls(address):
    assert targets.may_call(address, is_tls=False, networks=OFFICE)
    assert not targets.may_call("10.2.0.1", is_tls=True, networks=OFFICE)


@given(st.ip_addresses(v=4))
def test_an_address_written_as_an_ipv6_one_is_judged_the_same(address):
    mapped = f"::ffff:{address}"
    assert targets.may_call(mapped, is_tls=True, networks=()) == targets.may_call(
        str(address), is_tls=True, networks=()
    )


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://hooks.example", "hooks.example", 443, "/"),
        ("https://Hooks.Example:8443/in?x=1", "hooks.example", 8443, "/in?x=1"),
        ("http://192.0.2.7/a", "192.0.2.7", 80, "/a"),
        ("https://[2001:db8::0:1]/", "2001:db8::1", 443, "/"),
        ("https://büro.example/", "xn--bro-hoa.example", 443, "/"),
    ],
)
def test_a_url_names_its_target(url, host, port, path):
    target = targets.parse(url)
    assert (target.host, target.port, target.path) == (host, port, path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "https://",
        "https://user:secret@hooks.example/",
        "https://hooks.example/#part",
        "https://hooks.example:99999/",
        "https://hooks.example/a b",
        "https://hooks.example/\r\nHost: other",
        "https://[::1/",
        "https://hooks..example/",
        "https://hooks.example/" + "a" * 500,
        "https://hooks.example/ä",
    ],
)
def test_what_is_no_url_is_refused_in_words(url):
    with pytest.raises(targets.BadUrlError, match=r"URL"):
        targets.parse(url)


@given(st.text(max_size=80))
def test_any_text_is_a_target_or_refused(text):
    try:
        target = targets.parse(f"https://{text}")
    except targets.BadUrlError:
        return
    assert target.host
    assert 0 <= target.port <= 65535


def test_calls_are_tried_for_three_days_in_ever_longer_steps():
    at, times = NOW, []
    tries = 1
    while (again := schedule.next_try(tries, now=at, jitter=0.0)) is not None:
        times.append(again - at)
        at, tries = again, tries + 1
    assert times == sorted(times)
    assert times[0] == timedelta(seconds=10)
    assert timedelta(days=3) < at - NOW < timedelta(days=4)


@pytest.mark.parametrize(
    ("asked_for", "wait"),
    [
        (timedelta(seconds=3), timedelta(seconds=10)),
        (timedelta(minutes=7), timedelta(minutes=7)),
        (timedelta(days=9), timedelta(hours=1)),
    ],
)
def test_a_server_may_ask_for_more_time_but_not_for_any(asked_for, wait):
    assert schedule.next_try(1, now=NOW, jitter=0.0, asked_for=asked_for) == NOW + wait


def test_a_signature_is_what_its_specification_says():
    secret = signature.new_secret()
    fields = signature.headers(call_id="msg_1", at=NOW, body=b'{"a":1}', secret=secret)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f'msg_1.{int(NOW.timestamp())}.{{"a":1}}'.encode()
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert fields == {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": f"v1,{expected}",
    }
    assert len(key) == 32
    assert signature.new_secret() != secret


def test_a_signature_is_that_of_the_published_example():
    # The example of the Standard Webhooks specification.
    fields = signature.headers(
        call_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=datetime.fromtimestamp(1614265330, UTC),
        body=b'{"test": 2432232314}',
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    assert fields["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
