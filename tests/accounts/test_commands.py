from __future__ import annotations

import io
import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts import selectors, services
from accounts.models import AuditEntry, User
from mailweb.management.commands.create_demo import PEOPLE
from mailweb.webmail.models import Message
from tests.factories import PASSWORD


def run(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_an_account_is_added_with_a_password_that_is_shown_once(domain):
    told = json.loads(run("account", "add", "Alice@mailweb.test", "--name", "Alice", "--json"))
    user = User.objects.get(username="alice@mailweb.test")
    assert user.check_password(told["password"])
    assert len(told["password"]) == 23
    assert "password" not in json.loads(run("account", "disable", "alice@mailweb.test", "--json"))


def test_a_password_can_come_from_standard_input(domain, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("paper and ink\n"))
    told = run("account", "add", "alice@mailweb.test", "--password-stdin")
    assert told == "alice@mailweb.test added.\n"
    assert User.objects.get().check_password("paper and ink")


def test_a_weak_password_from_standard_input_is_refused(domain, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    with pytest.raises(CommandError, match="too short"):
        run("account", "add", "alice@mailweb.test", "--password-stdin")
    assert not User.objects.exists()


def test_an_operator_is_added_with_a_plain_name(db):
    run("account", "add", "Root", "--operator")
    assert User.objects.filter(username="root", is_staff=True, is_superuser=True).exists()
    with pytest.raises(CommandError, match="already has an account"):
        run("account", "add", "root", "--operator")
    with pytest.raises(CommandError, match="Enter an address, or a name"):
        run("account", "add", "not a name", "--operator")


def test_an_account_is_disabled_enabled_and_found_by_any_address(alice, now):
    services.add_address(user=alice, address="desk@mailweb.test", now=now)
    run("account", "disable", "desk@mailweb.test")
    alice.refresh_from_db()
    assert not alice.is_active
    run("account", "enable", "ALICE@mailweb.test")
    alice.refresh_from_db()
    assert alice.is_active
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {
        "account disabled",
        "account enabled",
    }


def test_a_password_is_replaced(alice):
    told = json.loads(run("account", "password", "alice@mailweb.test", "--json"))
    alice.refresh_from_db()
    assert alice.check_password(told["password"])
    assert not alice.check_password(PASSWORD)


def test_what_cannot_be_is_refused_with_a_sentence(db):
    with pytest.raises(CommandError, match=r"There is no account nobody@mailweb\.test\."):
        run("account", "disable", "nobody@mailweb.test")
    with pytest.raises(CommandError, match=r"mailweb\.test is not a domain of this installation"):
        run("account", "add", "alice@mailweb.test")


def test_accounts_are_listed(alice, operator, now, django_assert_num_queries):
    services.add_address(user=alice, address="desk@mailweb.test", now=now)
    with django_assert_num_queries(3):
        rows = json.loads(run("account", "list", "--json"))
    assert [row["login"] for row in rows] == ["admin", "alice@mailweb.test"]
    assert rows[1]["addresses"] == ["alice@mailweb.test", "desk@mailweb.test"]
    assert "also desk@mailweb.test" in run("account", "list")


def test_domains_are_added_and_listed(db):
    assert run("domain", "add", "Bücher.test") == "xn--bcher-kva.test added.\n"
    assert run("domain", "list") == "bücher.test\n"
    assert json.loads(run("domain", "list", "--json")) == [
        {"name": "xn--bcher-kva.test", "is_active": True, "is_sending": True}
    ]
    with pytest.raises(CommandError, match="already here"):
        run("domain", "add", "bücher.test")


def test_the_records_to_publish_are_printed_as_zone_lines(db):
    printed = run("domain", "records", "mailweb.test")
    assert "mailweb.test. MX 10 mail.mailweb.test.\n" in printed
    assert 'mailweb.test. TXT "v=spf1 a:mail.mailweb.test -all"\n' in printed
    assert {
        row["type"] for row in json.loads(run("domain", "records", "mailweb.test", "--json"))
    } == {
        "MX",
        "TXT",
    }


def test_the_demo_is_refused_outside_the_demo(db):
    with pytest.raises(CommandError, match="known passwords"):
        run("create_demo")
    assert not User.objects.exists()


def test_the_demo_can_be_made_again_and_again(db, settings):
    settings.DEMO = True
    first = run("create_demo")
    assert run("create_demo") == first
    assert all(person.password in first for person in PEOPLE)
    assert [user.username for user in User.objects.all()] == [
        "admin",
        "alice@mailweb.test",
        "bob@mailweb.test",
    ]
    alice = User.objects.get(username="alice@mailweb.test")
    assert Message.objects.filter(user=alice).count() == 2
    assert selectors.primary_address(alice) == "alice@mailweb.test"


def test_the_demo_leaves_a_changed_password_alone(db, settings, now):
    settings.DEMO = True
    run("create_demo")
    bob = User.objects.get(username="bob@mailweb.test")
    services.set_password(user=bob, password="my own, thank you", now=now)
    rows = json.loads(run("create_demo", "--json"))
    assert {"login": "bob@mailweb.test", "password": ""} in rows
    assert "has a password of its own" in run("create_demo")
