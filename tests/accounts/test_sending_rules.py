"""Operators at a shell and in the admin: domains that send nothing, limits, hold rules, suppressions."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.management.base import CommandError
from django.utils import timezone

from accounts import sending_rules
from accounts.models import AuditEntry, Domain
from delivery import holdrules, maintenance, suppressions
from delivery.models import HoldRule, SendingLimits, State, Suppression
from tests.accounts.test_commands import run
from tests.delivery.factories import claimed, queued

pytestmark = pytest.mark.django_db


def told(*words):
    return json.loads(run(*words, "--json"))


def the_domain():
    return Domain.objects.get(name="mailweb.test")


def test_a_domain_that_is_switched_off_keeps_its_mail_and_sends_it_when_it_is_on_again(alice, now):
    before = queued("a@x.test", owner=alice, now=now)
    assert sending_rules.stop_sending(domain=the_domain(), now=now) == 1
    after = queued("b@x.test", owner=alice, now=now)
    month = now + timedelta(days=30)
    maintenance.sweep(now=month)
    for message in (before, after):
        copy = message.recipients.get()
        assert (copy.state, copy.hold_reason) == (
            State.HELD,
            "Sending from mailweb.test is switched off.",
        )
    assert claimed(month).copies == ()
    assert sending_rules.resume_sending(domain=the_domain(), now=month) == 2
    maintenance.sweep(now=month)
    assert len(claimed(month).copies) == 2


def test_mail_to_a_domain_that_sends_nothing_still_arrives(alice, now):
    from accounts import selectors

    sending_rules.stop_sending(domain=the_domain(), now=now)
    assert selectors.local_domains({"mailweb.test"}) == {"mailweb.test"}


def test_switching_twice_is_refused(alice, now):
    with pytest.raises(sending_rules.DomainSendsError):
        sending_rules.resume_sending(domain=the_domain(), now=now)
    sending_rules.stop_sending(domain=the_domain(), now=now)
    with pytest.raises(sending_rules.DomainStoppedError):
        sending_rules.stop_sending(domain=the_domain(), now=now)
    assert HoldRule.objects.count() == 1


def test_the_rule_of_a_domain_goes_only_with_the_domain(alice, now, as_operator):
    sending_rules.stop_sending(domain=the_domain(), now=now)
    rule = HoldRule.objects.get()
    with pytest.raises(CommandError, match="switch the domain on instead"):
        run("holdrule", "remove", str(rule.pk))
    as_operator.post("/admin/delivery/holdrule/", {"action": "remove", "_selected_action": rule.pk})
    assert HoldRule.objects.exists()


def test_domain_disable_and_enable(alice, now):
    queued("a@x.test", owner=alice, now=timezone.now())
    off = told("domain", "disable", "MAILWEB.test", "--reason", "Its keys were stolen.")
    assert off == {"name": "mailweb.test", "is_sending": False, "held": 1}
    assert told("domain", "list")[0]["is_sending"] is False
    assert HoldRule.objects.get().reason.endswith("switched off. Its keys were stolen.")
    with pytest.raises(CommandError, match="switched off already"):
        run("domain", "disable", "mailweb.test")
    assert told("domain", "enable", "mailweb.test")["released"] == 1
    with pytest.raises(CommandError, match="not a domain of this installation"):
        run("domain", "disable", "other.test")


def test_domains_are_switched_in_the_admin(alice, as_operator, now):
    message = queued("a@x.test", owner=alice, now=timezone.now())
    pick = {"_selected_action": the_domain().pk}
    as_operator.post("/admin/accounts/domain/", pick | {"action": "stop_sending"})
    assert message.recipients.get().state == State.HELD
    assert the_domain().sending_stopped_at is not None
    as_operator.post("/admin/accounts/domain/", pick | {"action": "resume_sending"})
    assert message.recipients.get().state == State.QUEUED
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"domain sending off", "domain sending on"} <= actions


def test_holdrule_add_list_and_remove(alice, now):
    queued("a@x.test", "b@y.test", owner=alice, now=timezone.now())
    words = ("--account", "alice@mailweb.test", "--recipient-domain", "X.test", "--reason", "Why.")
    assert told("holdrule", "add", *words, "--dry-run") == {"dry_run": True, "held": 1}
    assert told("holdrule", "list") == []
    added = told("holdrule", "add", *words, "--expires", "+2d")
    assert (added["held"], added["recipient_domain"], added["account"]) == (
        1,
        "x.test",
        "alice@mailweb.test",
    )
    assert added["by"].startswith("shell: ")
    (listed,) = told("holdrule", "list")
    assert (listed["id"], listed["held"], listed["reason"]) == (added["id"], 1, "Why.")
    assert "Why." in run("holdrule", "list")
    assert told("holdrule", "remove", str(added["id"])) == {"id": added["id"], "released": 1}
    with pytest.raises(CommandError, match="There is no hold rule"):
        run("holdrule", "remove", str(added["id"]))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Name an account"),
        (("--account", "nobody@mailweb.test"), "There is no account"),
        (("--recipient-domain", "no domain"), "domain"),
        (("--all", "--expires", "2020-01-01T00:00"), "over already"),
    ],
)
def test_holdrule_add_refuses_what_can_not_be_meant(alice, words, sentence):
    with pytest.raises(CommandError, match=sentence):
        run("holdrule", "add", *words)
    assert not HoldRule.objects.exists()


def test_suppress_add_list_and_remove(alice, now):
    words = ("friend@x.test", "--account", "alice@mailweb.test")
    added = told("suppress", "add", *words, "--for", "3d", "--reason", "She asked us.")
    assert (added["by_hand"], added["note"]) == (True, "She asked us.")
    assert told("suppress", "list", "--account", "alice@mailweb.test") == [added]
    assert "She asked us." in run("suppress", "list")
    assert told("suppress", "remove", *words)["address"] == "friend@x.test"
    with pytest.raises(CommandError, match="not on the list"):
        run("suppress", "remove", *words)
    assert told("suppress", "list") == []
    actions = list(AuditEntry.objects.values_list("action", flat=True).order_by("id"))
    assert actions[-2:] == ["address suppressed", "suppression lifted"]


def test_account_limits_are_set_one_by_one_and_taken_back(alice, settings):
    told("account", "limits", "alice@mailweb.test", "--recipients", "5")
    found = told("account", "limits", "alice@mailweb.test", "--new", "0")
    assert (found["recipients_per_day"], found["new_recipients_per_day"]) == (5, 0)
    found = told("account", "limits", "alice@mailweb.test", "--recipients", "default")
    assert found["recipients_per_day"] == settings.SENDING_RECIPIENTS_PER_DAY
    with pytest.raises(CommandError, match="A limit is a number"):
        run("account", "limits", "alice@mailweb.test", "--recipients", "-5")
    assert "0 of 1,000" in run("account", "limits", "alice@mailweb.test")


def test_a_hold_rule_is_made_and_removed_in_the_admin(alice, as_operator):
    message = queued("a@x.test", owner=alice, now=timezone.now())
    path = "/admin/delivery/holdrule/add/"
    empty = as_operator.post(path, {"reason": "Why."})
    assert "say that all mail is meant" in empty.content.decode()
    as_operator.post(path, {"account": alice.pk, "recipient_domain": "x.test", "reason": "Why."})
    rule = HoldRule.objects.get()
    assert (rule.created_by, message.recipients.get().hold_reason) == ("admin", "Why.")
    as_operator.post("/admin/delivery/holdrule/", {"action": "remove", "_selected_action": rule.pk})
    assert message.recipients.get().state == State.QUEUED
    assert AuditEntry.objects.filter(action="hold rule added", actor__username="admin").exists()


def test_suppressions_and_limits_in_the_admin(alice, as_operator, now):
    entry = suppressions.add(owner=alice, address="friend@x.test", now=timezone.now())
    as_operator.post(
        "/admin/delivery/suppression/", {"action": "lift", "_selected_action": entry.pk}
    )
    assert not Suppression.objects.exists()
    as_operator.post(
        "/admin/delivery/sendinglimits/add/",
        {"owner": alice.pk, "recipients_per_day": "7", "new_recipients_per_day": ""},
    )
    own = SendingLimits.objects.get()
    assert (own.owner, own.recipients_per_day, own.new_recipients_per_day) == (alice, 7, None)
    as_operator.post(f"/admin/delivery/sendinglimits/{own.pk}/change/", {"recipients_per_day": "8"})
    own.refresh_from_db()
    assert own.recipients_per_day == 8
    too_many = as_operator.post(
        f"/admin/delivery/sendinglimits/{own.pk}/change/", {"recipients_per_day": "20000000"}
    )
    assert "A limit is a number" in too_many.content.decode()


@pytest.mark.parametrize("name", ["holdrule", "suppression", "sendinglimits"])
def test_each_list_opens_and_strangers_do_not_see_it(alice, as_operator, as_charlie, name, now):
    queued("a@x.test", owner=alice, now=now)
    holdrules.add(
        holdrules.NewRule(account=alice), actor=holdrules.audit.Actor(name="admin"), now=now
    )
    suppressions.add(owner=alice, address="friend@x.test", now=now)
    SendingLimits.objects.create(owner=alice)
    assert as_operator.get(f"/admin/delivery/{name}/").status_code == 200
    assert as_charlie.get(f"/admin/delivery/{name}/").status_code == 302
