"""Transports that renew their tokens: what is kept, who asks, and what operators do about it."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from asgiref.sync import async_to_sync
from django.core.management import CommandError, call_command
from django.utils import timezone

from delivery import transports
from delivery.models import State, Transport, TransportToken
from delivery.sasl.renewal import Renewed, TokenError
from delivery.tokens import DatabaseTokens
from delivery.transport_rules import BadTransportError
from tests.delivery.factories import queued
from tests.delivery.routing import OPERATOR, new_transport, route_to
from tests.services import free_port

pytestmark = pytest.mark.django_db

URL = "https://login.example.org/token"
SETTINGS = {
    "name": "smarthost",
    "kind": "submission",
    "hosts": ["smtp.example.org"],
    "username": "us",
    "mechanisms": ["XOAUTH2"],
    "token_url": URL,
    "client_id": "app",
}


def renewing(**changes):
    return new_transport(secret="refresh-1", **(SETTINGS | changes))


@pytest.fixture
def row():
    row = renewing()
    transports.change(row, {}, client_secret="s3cret", actor=OPERATOR, now=timezone.now())
    return row


class Store:
    """The store, without async."""

    def __init__(self):
        store = DatabaseTokens()
        self.get, self.begin = async_to_sync(store.get), async_to_sync(store.begin)
        self.keep, self.give_up = async_to_sync(store.keep), async_to_sync(store.give_up)


def key_of(row):
    return row.name, row.version


def issued(row, now, **changes):
    """Let a worker get a token."""
    store = Store()
    grant = store.begin(key_of(row), now=now, until=now + timedelta(minutes=1))
    usual = {"token": "token-1", "refresh_token": "refresh-1"}
    renewed = Renewed(used_for=timedelta(hours=1), **(usual | changes))
    store.keep(key_of(row), renewed, grant=grant, good_until=now + renewed.used_for)
    row.refresh_from_db()


def test_the_relay_is_never_told_what_renews_its_token(row, now):
    via = transports.value_of(row, now=now)
    assert via.credentials.renews
    assert via.credentials.secret == ""
    fixed = new_transport(
        name="fixed",
        kind="submission",
        hosts=["smtp.example.org"],
        username="us",
        mechanisms=["XOAUTH2"],
        secret="token",
    )
    credentials = transports.value_of(fixed, now=now).credentials
    assert (credentials.secret, credentials.renews) == ("token", False)


def test_one_worker_asks_at_a_time_and_all_use_what_it_got(row, now):
    store, soon = Store(), now + timedelta(minutes=1)
    assert store.get(key_of(row)) is None
    grant = store.begin(key_of(row), now=now, until=soon)
    assert (grant.refresh_token, grant.client_secret) == ("refresh-1", "s3cret")
    assert store.begin(key_of(row), now=now, until=soon) is None
    renewed = Renewed(token="token-1", used_for=timedelta(hours=1), refresh_token="refresh-2")
    store.keep(key_of(row), renewed, grant=grant, good_until=soon)
    kept = store.get(key_of(row))
    assert (kept.token, kept.good_until) == ("token-1", soon)
    row.refresh_from_db()
    assert row.secret == "refresh-2"
    assert store.begin(key_of(row), now=now, until=soon).refresh_token == "refresh-2"


def test_whoever_asked_and_died_keeps_nobody_from_asking(row, now):
    store, soon = Store(), now + timedelta(minutes=1)
    store.begin(key_of(row), now=now, until=soon)
    assert store.begin(key_of(row), now=soon, until=soon) is not None
    store.give_up(key_of(row))
    assert store.begin(key_of(row), now=now, until=soon) is not None


def test_secrets_lie_sealed(row, now):
    issued(row, now)
    token = TransportToken.objects.get()
    stored = [row.sealed_secret, row.sealed_client_secret, token.sealed_token]
    for secret in (b"refresh-1", b"s3cret", b"token-1"):
        assert not any(secret in bytes(one) for one in stored)


def test_what_an_operator_enters_while_a_worker_asks_is_kept(row, now):
    store = Store()
    grant = store.begin(key_of(row), now=now, until=now)
    key = key_of(row)
    transports.change(row, {}, secret="by hand", actor=OPERATOR, now=now)
    renewed = Renewed(token="token-1", used_for=timedelta(hours=1), refresh_token="refresh-2")
    store.keep(key, renewed, grant=grant, good_until=now)
    row.refresh_from_db()
    assert row.secret == "by hand"
    assert store.get(key_of(row)) is None
    with pytest.raises(TokenError):
        store.begin(key, now=now, until=now)


def test_a_change_of_something_else_keeps_the_refresh_token_that_came_meanwhile(row, now):
    before = Transport.objects.get(pk=row.pk)
    issued(row, now, refresh_token="refresh-2")
    transports.change(before, {"ehlo_name": "mail.example.org"}, actor=OPERATOR, now=now)
    row.refresh_from_db()
    assert (row.secret, row.ehlo_name) == ("refresh-2", "mail.example.org")
    assert Store().get(key_of(row)).token == "token-1"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"token_url": "http://login.example.org/token"}, "token_url"),
        ({"token_url": "https://us:them@login.example.org/"}, "token_url"),
        ({"token_url": ""}, "token_url"),
        ({"client_id": ""}, "client_id"),
        ({"mechanisms": []}, "mechanisms"),
        ({"mechanisms": ["PLAIN"]}, "mechanisms"),
        ({"kind": "socks"}, "mechanisms"),
    ],
    ids=str,
)
def test_what_can_not_renew_anything_is_refused(changes, field):
    with pytest.raises(BadTransportError) as refusal:
        renewing(**changes)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("changes", "secrets", "field"),
    [
        ({"token_url": "https://evil.example.org/"}, {}, "secret"),
        ({"token_url": "https://evil.example.org/"}, {"secret": "new"}, "client_secret"),
        ({"hosts": ["evil.example.org"]}, {}, "secret"),
        ({"token_url": "", "client_id": ""}, {"client_secret": ""}, "secret"),
    ],
    ids=str,
)
def test_no_secret_is_told_to_another_server_unless_it_is_entered_again(
    row, now, changes, secrets, field
):
    with pytest.raises(BadTransportError) as refusal:
        transports.change(row, changes, actor=OPERATOR, now=now, **secrets)
    assert refusal.value.field == field


def test_a_paused_one_goes_on_with_a_new_refresh_token(row, now):
    issued(row, now)
    transports.pause_by_itself(row, because="login.example.org refused: invalid_grant.", now=now)
    row.refresh_from_db()
    transports.change(row, {}, secret="refresh-9", actor=OPERATOR, now=now)
    assert Transport.objects.get().paused_at is None
    assert not TransportToken.objects.exists()


def test_mail_waits_while_the_server_of_tokens_can_not_be_reached(alice, drain):
    renewing(token_url=f"https://127.0.0.1:{free_port()}/token")
    route_to("smarthost")
    message = queued("friend@plain.test", owner=alice, now=timezone.now())
    assert drain().deferred == 1
    copy = message.recipients.get()
    assert (copy.state, copy.attempts_made) == (State.WAITING, 0)
    assert copy.explanation == (
        "The transport “smarthost” can't log in now: the server that lets us in for its relay"
        " could not be asked. The copy is tried again."
    )
    assert Transport.objects.get().paused_at is None
    assert TransportToken.objects.get().asking_until is None


# At a shell, and in the admin


def run(*arguments):
    out = StringIO()
    call_command("transport", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def files(tmp_path):
    paths = {}
    for name, text in (("refresh", "refresh-1\n"), ("client", "s3cret\n")):
        (tmp_path / name).write_text(text)
        paths[name] = str(tmp_path / name)
    return paths


def test_one_is_set_up_at_a_shell(files):
    where = ("--kind", "submission", "--host", "smtp.example.org", "--user", "us")
    how = ("--mechanism", "XOAUTH2", "--token-url", URL, "--client-id", "app")
    secret = ("--secret-file", files["refresh"], "--client-secret-file", files["client"])
    shown = json.loads(run("add", "smarthost", *where, *how, *secret, "--json"))
    assert (shown["token_url"], shown["client_id"]) == (URL, "app")
    assert (shown["has_secret"], shown["has_client_secret"]) == (True, True)
    row = Transport.objects.get()
    assert (row.secret, row.client_secret) == ("refresh-1", "s3cret")
    with pytest.raises(CommandError, match="Enter the password again"):
        run("change", "smarthost", "--token-url", "https://evil.example.org/")
    assert "refresh-1" not in run("list", "--json")


FORM = {
    "name": "smarthost",
    "kind": "submission",
    "is_enabled": "on",
    "hosts": "smtp.example.org",
    "tls": "verified",
    "families": "both",
    "username": "us",
    "mechanisms": "XOAUTH2",
    "token_url": URL,
    "client_id": "app",
    "code": "554",
    "enhanced": "5.7.0",
}


def test_one_is_set_up_in_the_admin_and_its_secrets_are_never_shown(as_operator):
    secrets = {"secret": "refresh-1", "client_secret": "s3cret"}
    answer = as_operator.post("/admin/delivery/transport/add/", FORM | secrets)
    assert answer.status_code == 302
    row = Transport.objects.get()
    assert (row.secret, row.client_secret) == ("refresh-1", "s3cret")
    page = f"/admin/delivery/transport/{row.pk}/change/"
    text = as_operator.get(page).text
    assert URL in text
    assert "refresh-1" not in text
    assert "s3cret" not in text
    assert as_operator.post(page, FORM | {"ehlo_name": "mail.example.org"}).status_code == 302
    row.refresh_from_db()
    assert (row.secret, row.client_secret, row.ehlo_name) == (
        "refresh-1",
        "s3cret",
        "mail.example.org",
    )
    elsewhere = as_operator.post(page, FORM | {"token_url": "https://evil.example.org/"})
    assert elsewhere.status_code == 200
    assert "Enter the client secret again" in elsewhere.text
    row.refresh_from_db()
    assert row.token_url == URL


def test_saving_one_that_does_not_log_in_resumes_nothing(as_operator, now):
    row = new_transport(name="open", kind="relay", tls="may", hosts=["smtp.example.org"])
    transports.pause(row, because="Maintenance.", actor=OPERATOR, now=now)
    form = {"name": "open", "kind": "relay", "tls": "may", "username": "", "mechanisms": ""}
    form |= {"token_url": "", "client_id": ""}
    page = f"/admin/delivery/transport/{row.pk}/change/"
    assert as_operator.post(page, FORM | form).status_code == 302
    assert Transport.objects.get().paused_at == now
