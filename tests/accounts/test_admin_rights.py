"""Staff with some rights: what they were not given, no button and no address of a page gives."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import BrowserSession, User
from tests.accounts.test_admin import NEW, new_user
from tests.delivery.factories import queued
from tests.factories import make_user

pytestmark = pytest.mark.django_db
USERS = "/admin/accounts/user/"
SESSIONS = "/admin/accounts/browsersession/"


def staff(now: datetime, *rights: str) -> Client:
    user = make_user("staff@mailweb.test", now=now)
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    browser = Client()
    browser.force_login(user, backend="accounts.backends.AddressBackend")
    return browser


def order(browser: Client, url: str, action: str, pk: int) -> None:
    browser.post(url, {"action": action, "_selected_action": [pk]})


def is_active(user: User) -> bool:
    user.refresh_from_db()
    return user.is_active


def test_who_may_only_look_disables_nobody_and_ends_no_session(
    as_alice: Client, alice: User, now: datetime
) -> None:
    watcher = staff(now, "view_user", "view_browsersession")
    assert watcher.get(USERS).status_code == 200
    order(watcher, USERS, "disable", alice.pk)
    assert is_active(alice)
    session = BrowserSession.objects.filter(user=alice).first()
    assert session is not None
    order(watcher, SESSIONS, "end", session.pk)
    assert BrowserSession.objects.filter(pk=session.pk).exists()


def test_who_may_change_accounts_changes_no_operator(
    as_operator: Client, alice: User, now: datetime
) -> None:
    clerk, admin = staff(now, "view_user", "change_user"), User.objects.get(username="admin")
    order(clerk, USERS, "disable", admin.pk)
    order(clerk, USERS, "disable", alice.pk)
    assert is_active(admin)
    assert not is_active(alice)
    answer = clerk.post(f"{USERS}{admin.pk}/password/", {"password1": NEW, "password2": NEW})
    assert answer.status_code == 403
    admin.refresh_from_db()
    assert not admin.check_password(NEW)


def test_who_may_add_accounts_adds_no_operator(as_operator: Client, now: datetime) -> None:
    clerk = staff(now, "view_user", "change_user", "add_user")
    assert "is_operator" not in clerk.get(f"{USERS}add/").text
    assert clerk.post(f"{USERS}add/", new_user(is_operator="on")).status_code == 302
    assert not User.objects.get(username="dave@mailweb.test").is_superuser
    assert "is_operator" in as_operator.get(f"{USERS}add/").text


def test_what_is_not_shown_is_not_found_by_filters(
    as_operator: Client, alice: User, now: datetime
) -> None:
    queued(owner=alice, now=now)
    for hidden in (
        f"{SESSIONS}?session_key__startswith=a",
        "/admin/delivery/outboundmessage/?subject__startswith=a",
        "/admin/delivery/outboundmessage/?sender_policy__icontains=a",
    ):
        assert as_operator.get(hidden).status_code == 400
