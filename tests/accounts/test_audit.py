"""The log of changes: who did what, and nobody can change it afterwards."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts import services
from accounts.models import AuditEntry
from delivery import audit
from mailweb.lib.console import shell_name

pytestmark = pytest.mark.django_db

LIST = "admin:accounts_auditentry_changelist"
ONE = "admin:accounts_auditentry_change"


def written(now, **fields):
    entry = {
        "action": "queue hold",
        "target": "to x.test",
        "touched": 3,
        "reason": "Asked to",
        "actor": audit.Actor(name="shell: root"),
    }
    audit.write(audit.Entry(at=now, **(entry | fields)))
    return AuditEntry.objects.latest("id")


def test_an_entry_says_who_what_how_many_why_and_when(now, operator):
    entry = written(now, actor=audit.Actor(name="admin", user_id=operator.pk), detail={"ids": [7]})
    assert (entry.actor, entry.by, entry.action, entry.target) == (
        operator,
        "admin",
        "queue hold",
        "to x.test",
    )
    assert (entry.touched, entry.reason, entry.at) == (3, "Asked to", now)
    assert entry.detail == {"ids": [7]}


def test_what_is_done_at_a_shell_names_the_user_of_the_system(now):
    services.add_domain("new.test", now=now)
    assert AuditEntry.objects.get().by == f"shell: {shell_name()}"
    assert audit.shell() == audit.Actor(name=f"shell: {shell_name()}")


def test_the_name_stays_when_the_operator_is_gone(now, operator):
    entry = written(now, actor=audit.Actor(name="admin", user_id=operator.pk))
    operator.delete()
    entry.refresh_from_db()
    assert (entry.actor, entry.by) == (None, "admin")


def test_entries_are_found_by_who_what_and_why(as_operator, now):
    written(now)
    for word in ("root", "x.test", "Asked", "hold"):
        assert "1 audit entry" in as_operator.get(reverse(LIST), {"q": word}).text
    assert "Nothing fits." in as_operator.get(reverse(LIST), {"q": "elsewhere"}).text


def test_one_entry_shows_its_detail_escaped(as_operator, now):
    entry = written(now, detail={"filters": {"account": "<b>alice</b>"}})
    page = as_operator.get(reverse(ONE, args=[entry.pk])).text
    assert "&lt;b&gt;alice" in page
    assert "<b>alice" not in page


def test_history_can_not_be_changed_in_the_admin(as_operator, now):
    entry = written(now)
    changed = {"action": "nothing happened", "by": "nobody", "touched": 0}
    assert as_operator.post(reverse(ONE, args=[entry.pk]), changed).status_code == 403
    deleted = reverse("admin:accounts_auditentry_delete", args=[entry.pk])
    assert as_operator.post(deleted, {"post": "yes"}).status_code == 403
    picked = {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"}
    as_operator.post(reverse(LIST), picked)
    assert as_operator.post(reverse("admin:accounts_auditentry_add"), changed).status_code == 403
    kept = AuditEntry.objects.get()
    assert (kept.action, kept.by, kept.touched) == ("queue hold", "shell: root", 3)


def test_a_password_set_by_an_operator_names_the_operator(as_operator, alice):
    url = reverse("admin:auth_user_password_change", args=[alice.pk])
    new = "another horse battery"
    sent = {"password1": new, "password2": new, "usable_password": "true"}
    assert as_operator.post(url, sent).status_code == 302
    assert AuditEntry.objects.get(action="password changed").by == "admin"


def test_the_list_costs_the_same_however_long_it_is(
    as_operator, now, operator, django_assert_max_num_queries
):
    for _ in range(30):
        written(now, actor=audit.Actor(name="admin", user_id=operator.pk))
    with django_assert_max_num_queries(6):
        as_operator.get(reverse(LIST))
