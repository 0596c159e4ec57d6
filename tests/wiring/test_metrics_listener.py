from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from django.core.exceptions import ImproperlyConfigured

from mailweb import metrics, metrics_listener
from tests.services import free_port
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django.fixtures import Settings


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[metrics_listener.Listener]:
    monkeypatch.setattr(metrics, "_queue_now", list)
    listener = metrics_listener.Listener("127.0.0.1:0")
    listener.start()
    assert listener.is_listening.wait(10)
    yield listener
    listener.close()
    listener.join(10)


def ask(port: int, path: str = "/metrics", **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_listener_shows_what_the_page_shows(listener: metrics_listener.Listener) -> None:
    status, text = ask(listener.port)
    assert status == 200
    assert 'mailweb_attempts_total{outcome="delivered",scope="host"}' in text
    assert ask(listener.port, "/admin/")[0] == 404


def test_listener_takes_nobody_behind_a_proxy_for_this_machine(
    listener: metrics_listener.Listener,
) -> None:
    assert ask(listener.port, **{"X-Forwarded-For": "127.0.0.1"})[0] == 403


def test_listener_asks_others_for_the_token(
    listener: metrics_listener.Listener, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.METRICS_TOKEN = "open sesame"
    real = metrics.may_ask
    monkeypatch.setattr(
        metrics_listener, "may_ask", lambda _, authorization: real("192.0.2.7", authorization)
    )
    assert ask(listener.port)[0] == 403
    assert ask(listener.port, Authorization="Bearer open")[0] == 403
    assert ask(listener.port, Authorization="Bearer open sesame")[0] == 200


def test_second_worker_takes_over_when_the_first_one_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_queue_now", list)
    monkeypatch.setattr(metrics_listener, "TAKES_OVER_AFTER_SECONDS", 0.05)
    where = f"127.0.0.1:{free_port()}"
    first, second = metrics_listener.Listener(where), metrics_listener.Listener(where)
    first.start()
    assert first.is_listening.wait(10)
    second.start()
    assert not second.is_listening.is_set()
    first.close()
    try:
        assert second.is_listening.wait(10)
        assert eventually(lambda: ask(second.port)[0] == 200)
    finally:
        second.close()
        first.join(10)
        second.join(10)


@pytest.mark.parametrize("text", ["9100", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:99999"])
def test_nonsense_is_said_at_once(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="METRICS_LISTEN is address:port"):
        metrics_listener.Listener(text)


def test_addresses_are_read() -> None:
    assert metrics_listener.endpoint("[::1]:9100") == ("::1", 9100)
    assert metrics_listener.endpoint(":9100") == ("127.0.0.1", 9100)


def test_nobody_listens_unless_it_is_asked_for(settings: Settings) -> None:
    settings.METRICS_LISTEN = ""
    assert metrics_listener.start() is None


def connection(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def threads_of_requests() -> int:
    return sum("process_request_thread" in one.name for one in threading.enumerate())


def test_many_who_say_nothing_keep_nobody_from_asking(listener: metrics_listener.Listener) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(connection(listener.port)) for _ in range(60)]
        assert ask(listener.port)[0] == 200
        assert listener.connections <= metrics_listener.MOST_CONNECTIONS
        most = metrics_listener.MOST_CONNECTIONS
        assert eventually(lambda: threads_of_requests() <= most)
        # Whoever waited longest made room.
        assert idle[0].recv(1) == b""
    assert eventually(lambda: listener.connections == 0)


def test_slow_writer_is_cut_off(
    listener: metrics_listener.Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_listener, "REQUEST_SECONDS", 0.5)
    with connection(listener.port) as slow:

        def is_cut_off() -> bool:
            try:
                slow.sendall(b"X")
                slow.settimeout(0.1)
                return slow.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        assert eventually(is_cut_off)
    assert eventually(lambda: listener.connections == 0)


def test_slow_reader_is_cut_off(
    listener: metrics_listener.Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_listener, "REQUEST_SECONDS", 0.5)
    monkeypatch.setattr(metrics_listener, "exposition", lambda: bytes(50_000_000))
    with connection(listener.port) as slow:
        slow.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        slow.recv(1)
        assert eventually(lambda: listener.connections == 0)


def test_who_has_asked_is_not_put_out_by_newcomers(
    listener: metrics_listener.Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def answer() -> bytes:
        asked.set()
        assert may_answer.wait(30)
        return b"numbers"

    monkeypatch.setattr(metrics_listener, "REQUEST_SECONDS", 60.0)
    monkeypatch.setattr(metrics_listener, "exposition", answer)
    with ExitStack() as stack:
        asker = stack.enter_context(connection(listener.port))
        asker.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert asked.wait(10)
        for _ in range(3 * metrics_listener.MOST_CONNECTIONS):
            stack.enter_context(connection(listener.port))
        assert eventually(lambda: listener.connections == metrics_listener.MOST_CONNECTIONS)
        may_answer.set()
        with asker.makefile("rb") as answered:
            assert answered.read().endswith(b"numbers")
