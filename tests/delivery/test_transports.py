"""Transports and routes as operators handle them: services, commands, admin."""

from __future__ import annotations

import io
import json
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from delivery import routes, transports
from delivery.models import Route, Transport
from delivery.transport_rules import BadTransportError
from tests.delivery.routing import OPERATOR, new_transport, relay_to, route_to
from tests.fakes.smtp_server import SmtpServer
from tests.threads import serving

pytestmark = pytest.mark.django_db

SUBMISSION = {"kind": "submission", "hosts": ["smtp.example.org"], "username": "us"}


def run(*words: str, stdin: str = "") -> str:
    out = io.StringIO()
    with patch("sys.stdin", io.StringIO(stdin)):
        call_command(*words, stdout=out)
    return out.getvalue()


def changed(row: Transport, secret: str | None = None, **changes: object) -> Transport:
    transports.change(row, changes, secret=secret, actor=OPERATOR, now=timezone.now())
    return Transport.objects.get(pk=row.pk)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"name": "direct"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"hosts": []}, "hosts"),
        ({"hosts": ["no host"]}, "hosts"),
        ({"port": 70000}, "port"),
        ({"username": "us", "secret": ""}, "secret"),
        ({"username": "", "secret": "x"}, "username"),
        ({"username": "us", "secret": "x", "tls": "encrypted"}, "tls"),
        ({"kind": "submission", "tls": "may"}, "tls"),
        ({"kind": "direct"}, "hosts"),
        ({"kind": "direct", "hosts": [], "username": "us", "secret": "x"}, "username"),
        ({"mechanisms": ["MAGIC"]}, "mechanisms"),
        ({"sources": ["192.0.2.1", "192.0.2.2"]}, "sources"),
        ({"exits": ["nowhere"]}, "exits"),
        ({"kind": "fail", "hosts": [], "text": ""}, "text"),
        ({"kind": "fail", "hosts": [], "text": "No.", "code": 250}, "code"),
        ({"kind": "fail", "hosts": [], "text": "No.", "code": 450}, "enhanced"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_at_their_field(settings, field):
    with pytest.raises(BadTransportError) as refused:
        new_transport(**({"name": "x", "kind": "relay", "hosts": ["a.test"]} | settings))
    assert refused.value.field == field


def test_the_secret_lies_sealed_and_is_in_no_log():
    row = new_transport(name="smarthost", secret="hunter2", **SUBMISSION)
    assert b"hunter2" not in bytes(row.sealed_secret)
    assert Transport.objects.get().secret == "hunter2"
    assert transports.value_of(row, now=timezone.now()).credentials.secret == "hunter2"
    changed(row, secret="hunter3")
    assert "hunter" not in json.dumps(list(AuditEntry.objects.values_list("detail", flat=True)))
    assert AuditEntry.objects.filter(target="smarthost").count() == 2


@pytest.mark.parametrize(
    "changes", [{"hosts": ["mine.example.net"]}, {"kind": "relay"}, {"tls": "may"}], ids=str
)
def test_nobody_learns_the_secret_by_leading_the_transport_to_another_server(changes):
    row = new_transport(name="smarthost", secret="hunter2", **SUBMISSION)
    with pytest.raises(BadTransportError) as refused:
        changed(Transport.objects.get(pk=row.pk), **changes)
    assert refused.value.field in ("secret", "tls")
    row.refresh_from_db()
    assert row.hosts == SUBMISSION["hosts"]
    assert changed(row, secret="mine", hosts=["mine.example.net"]).secret == "mine"


def test_a_secret_of_another_secret_key_makes_mail_wait(settings):
    row = new_transport(name="smarthost", secret="hunter2", **SUBMISSION)
    settings.SECRET_KEY = "another key, long enough to be one, for this test alone"
    barred = transports.value_of(row, now=timezone.now()).barred
    assert barred is not None
    assert "SECRET_KEY" in barred.public


@pytest.mark.parametrize(
    ("changes", "secret", "is_paused"),
    [({}, "new", False), ({"username": "them"}, None, False), ({"families": "ipv4"}, None, True)],
)
def test_a_paused_transport_goes_on_when_it_logs_in_otherwise(changes, secret, is_paused):
    row = new_transport(name="smarthost", secret="wrong", **SUBMISSION)
    assert transports.pause_by_itself(row, because="535 5.7.8 no", now=timezone.now())
    after = changed(Transport.objects.get(), secret, **changes)
    assert (after.paused_at is not None) is is_paused


def test_a_refused_log_in_pauses_only_the_settings_it_was_refused_with(caplog):
    row = new_transport(name="smarthost", secret="wrong", **SUBMISSION)
    before = Transport.objects.get()
    changed(row, "right")
    assert not transports.pause_by_itself(before, because="535", now=timezone.now())
    assert Transport.objects.get().paused_at is None
    assert "transport paused" not in caplog.text


def test_a_transport_that_routes_lead_to_stays():
    row = new_transport(name="smarthost", kind="relay", hosts=["a.test"])
    route = route_to("smarthost")
    with pytest.raises(transports.TransportInUseError):
        transports.remove(row, actor=OPERATOR, now=timezone.now())
    routes.remove(route.pk, actor=OPERATOR, now=timezone.now())
    transports.remove(row, actor=OPERATOR, now=timezone.now())
    assert not Transport.objects.exists()


def test_a_command_sets_up_changes_lists_and_removes(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    run(
        *("transport", "add", "smarthost", "--kind", "submission", "--host", "smtp.example.org"),
        *("--user", "us", "--secret-file", str(secret)),
    )
    assert Transport.objects.get().secret == "hunter2"
    run("transport", "change", "smarthost", "--secret-file", "-", stdin="hunter3\n")
    assert Transport.objects.get().secret == "hunter3"
    run("transport", "pause", "smarthost", "--reason", "The bill.")
    listed = json.loads(run("transport", "list", "--json"))
    assert listed[0]["paused_because"] == "The bill."
    assert listed[0]["has_secret"] is True
    assert "hunter" not in json.dumps(listed)
    assert "in use again" in run("transport", "resume", "smarthost")
    run("transport", "remove", "smarthost")
    assert run("transport", "list") == "There are none: all mail goes direct.\n"
    with pytest.raises(CommandError, match="There is no transport"):
        run("transport", "test", "smarthost")


def test_a_test_says_what_was_found_and_sends_no_mail():
    with serving(SmtpServer()) as server:
        relay_to(server)
        found = json.loads(run("transport", "test", "smarthost", "--json"))
    assert found["works"] is True
    words = " ".join(one["words"] for one in found["findings"])
    assert "There is no TLS." in words
    assert "PIPELINING" in words
    assert server.conversations[0].verbs == ["EHLO", "QUIT"]
    with pytest.raises(CommandError, match="The test failed"):
        run("transport", "test", "smarthost")


def test_routes_are_added_explained_and_removed_at_a_shell(alice):
    new_transport(name="smarthost", kind="relay", hosts=["a.test"])
    added = json.loads(
        run(
            *("route", "add", "smarthost", "--account", "alice@mailweb.test"),
            *("--to", ".Example.ORG", "--after", "3", "--json"),
        )
    )
    assert (added["level"], added["to"]) == ("account", [".example.org"])
    asked = ("route", "explain", "alice@mailweb.test", "bob@x.example.org", "--json")
    assert json.loads(run(*asked))["transport"] == "direct"
    told = json.loads(run(*asked, "--attempts", "3"))
    assert (told["transport"], told["route"]) == ("smarthost", added["id"])
    assert "after 3 attempts" in run("route", "list")
    run("route", "remove", str(added["id"]))
    assert not Route.objects.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("add", "nowhere"),
        ("add", "direct", "--account", "nobody"),
        ("add", "direct", "--to", "no domain"),
        ("remove", "7"),
        ("explain", "a@b.test", "nobody"),
    ],
)
def test_a_route_that_can_not_be_is_refused_with_a_sentence(words):
    with pytest.raises(CommandError):
        run("route", *words)


FORM = {
    "name": "smarthost",
    "kind": "submission",
    "is_enabled": "on",
    "hosts": "smtp.example.org",
    "tls": "verified",
    "families": "both",
    "username": "us",
    "secret": "hunter2",
    "code": "554",
    "enhanced": "5.7.0",
}


def test_the_admin_sets_a_transport_up_and_never_shows_its_secret(as_operator):
    done = as_operator.post(reverse("admin:delivery_transport_add"), FORM)
    assert done.status_code == 302
    row = Transport.objects.get()
    assert (row.secret, row.hosts) == ("hunter2", ["smtp.example.org"])
    url = reverse("admin:delivery_transport_change", args=[row.pk])
    page = as_operator.get(url)
    assert "hunter2" not in page.text
    assert "Test this transport" in page.text
    as_operator.post(url, FORM | {"secret": "", "port": "2587"})
    row.refresh_from_db()
    assert (row.secret, row.port) == ("hunter2", 2587)
    refused = as_operator.post(url, FORM | {"secret": "", "tls": "encrypted"})
    assert "TLS must be verified" in refused.text
    elsewhere = as_operator.post(url, FORM | {"secret": "", "hosts": "mine.example.net"})
    assert "another server would get it" in elsewhere.text
    as_operator.post(url, FORM | {"secret": "", "username": ""})
    row.refresh_from_db()
    assert not row.has_secret


def test_the_admin_tests_pauses_and_resumes(as_operator):
    with serving(SmtpServer()) as server:
        row = relay_to(server)
        tested = as_operator.post(reverse("admin:delivery_transport_test", args=[row.pk]))
        assert "It works." in tested.text
    as_operator.post(reverse("admin:delivery_transport_pause", args=[row.pk]), {"reason": "Bill"})
    listed = as_operator.get(reverse("admin:delivery_transport_changelist"))
    assert "Paused</span> Bill" in listed.text
    as_operator.post(reverse("admin:delivery_transport_resume", args=[row.pk]))
    assert Transport.objects.get().paused_at is None
    assert (
        as_operator.get(reverse("admin:delivery_transport_test", args=[row.pk])).status_code == 405
    )


def test_the_admin_keeps_and_explains_routes(as_operator):
    new_transport(name="smarthost", kind="relay", hosts=["a.test"])
    form = {
        "level": "domain",
        "domain": "Mailweb.Test",
        "recipient_domains": "x.test, .y.test",
        "minimum_attempts": "0",
        "position": "1",
        "transport": Transport.objects.get().pk,
    }
    refused = as_operator.post(reverse("admin:delivery_route_add"), form | {"level": "global"})
    assert "A domain is named at the domain level alone." in refused.text
    assert as_operator.post(reverse("admin:delivery_route_add"), form).status_code == 302
    row = Route.objects.get()
    assert (row.domain, row.recipient_domains) == ("mailweb.test", ["x.test", ".y.test"])
    listed = as_operator.get(reverse("admin:delivery_route_changelist"))
    assert "mail to x.test, .y.test goes through “smarthost”" in listed.text
    explained = as_operator.get(
        reverse("admin:delivery_route_explain"),
        {"mail_from": "a@mailweb.test", "rcpt": "b@z.y.test", "attempts_made": "0"},
    )
    assert f"Route {row.pk} of the domain mailweb.test" in explained.text


@pytest.mark.parametrize("page", ["transport_changelist", "route_changelist", "route_explain"])
def test_nobody_else_sees_them(as_alice, page):
    assert as_alice.get(reverse(f"admin:delivery_{page}")).status_code == 302
