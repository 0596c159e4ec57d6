"""Webhooks for operators: which one troubles, nothing that is secret, and a brake."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from accounts.models import AuditEntry
from delivery.models import Webhook
from delivery.webhook_models import Event
from delivery.webhooks import services as webhooks
from delivery.webhooks.selectors import rows_of

pytestmark = pytest.mark.django_db
LIST = "admin:delivery_webhook_changelist"
PATH = "a-path-that-is-a-secret"


@pytest.fixture
def hook(alice, now):
    url = f"https://hooks.example/{PATH}?token=secret"
    hook, _ = webhooks.add(owner=alice, url=url, events=[], now=now)
    webhooks.send_test(webhook=hook, now=now)
    return hook


def test_list_tells_the_host_and_what_waits_and_no_secret(as_operator, hook, now):
    Webhook.objects.filter(pk=hook.pk).update(failing_since=now)
    hook.calls.update(answer="503 Come back later", tries=2)
    page = as_operator.get(reverse(LIST)).text
    assert "hooks.example" in page
    assert "failing" in page
    assert '<td class="field-waiting">1</td>' in page
    detail = as_operator.get(reverse("admin:delivery_webhook_change", args=[hook.pk])).text
    assert "test, 2 tries: 503 Come back later" in detail
    assert "secret" not in page + detail


def test_nobody_finds_out_a_secret_by_searching(as_operator, hook, alice):
    assert "hooks.example" in as_operator.get(reverse(LIST), {"q": alice.username}).text
    assert "hooks.example" not in as_operator.get(reverse(LIST), {"q": PATH[:8]}).text


def test_a_stopped_one_tells_its_owner_why_and_is_in_the_log(as_operator, hook, alice):
    ordered = {"action": "stop", "_selected_action": [hook.pk]}
    page = as_operator.post(reverse(LIST), ordered, follow=True)
    assert "1 webhook stopped." in page.text
    (row,) = rows_of(alice)
    assert row.state == "Stopped. The operator of this server stopped it."
    assert hook.calls.filter(event=Event.TEST, state="pending").count() == 1
    entry = AuditEntry.objects.get(action="webhook stopped")
    assert (entry.target, entry.detail) == (alice.username, {"host": "hooks.example"})


def test_who_may_only_look_stops_nothing(client, bob, hook):
    bob.is_staff = True
    bob.save()
    bob.user_permissions.add(Permission.objects.get(codename="view_webhook"))
    client.force_login(bob, backend="accounts.backends.AddressBackend")
    assert 'value="stop"' not in client.get(reverse(LIST)).text
    client.post(reverse(LIST), {"action": "stop", "_selected_action": [hook.pk]})
    hook.refresh_from_db()
    assert hook.is_active


def test_list_takes_few_queries_however_many_there_are(
    as_operator, alice, now, django_assert_max_num_queries
):
    def one_more(number):
        webhooks.add(owner=alice, url=f"https://h{number}.example/", events=[], now=now)

    for number in range(6):
        one_more(number)
    with django_assert_max_num_queries(6):
        as_operator.get(reverse(LIST))
