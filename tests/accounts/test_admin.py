from __future__ import annotations

from typing import Any

import pytest

from accounts import selectors, services
from accounts.backends import AddressBackend
from accounts.models import Address, AuditEntry, BrowserSession, Domain, User
from delivery.policy.modes import PledgeKind
from tests.factories import PASSWORD

LISTS = (
    "/admin/accounts/user/",
    "/admin/accounts/domain/",
    "/admin/accounts/dkimkey/",
    "/admin/accounts/sendpreferences/",
    "/admin/accounts/pledge/",
    "/admin/accounts/browsersession/",
    "/admin/accounts/auditentry/",
)
NEW = "paper and ink"


def text(response: Any) -> str:
    return str(response.content.decode())


def new_user(**changes: str) -> dict[str, str]:
    return {
        "address": "Dave@mailweb.test",
        "name": "Dave",
        "password1": NEW,
        "password2": NEW,
    } | changes


@pytest.mark.parametrize("url", LISTS)
def test_operators_see_each_list_and_others_do_not(as_operator, as_alice, alice, url, now):
    services.make_pledge(user=alice, target="far.test", kind=PledgeKind.PLAIN, now=now)
    page = as_operator.get(f"{url}?q=a")
    assert page.status_code == 200
    assert "delete_selected" not in text(page)
    assert as_alice.get(url)["Location"].startswith("/admin/login/")


def test_the_admin_says_whose_it_is(as_operator):
    assert "Mailweb" in text(as_operator.get("/admin/"))


def test_an_account_is_added_with_its_address_and_password(as_operator, domain):
    assert as_operator.post("/admin/accounts/user/add/", new_user()).status_code == 302
    user = User.objects.get(username="dave@mailweb.test")
    assert [str(each) for each in user.addresses.all()] == ["dave@mailweb.test"]
    assert AddressBackend().authenticate(None, "dave@mailweb.test", NEW) == user
    entry = AuditEntry.objects.get(action="account added", target="dave@mailweb.test")
    assert entry.actor is not None
    assert entry.actor.username == "admin"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"address": "dave@else.test"}, "else.test is not a domain of this installation"),
        ({"address": "alice@mailweb.test"}, "alice@mailweb.test already belongs to an account."),
        ({"address": "dave"}, "Enter an address, such as alice@mailweb.test."),
        ({"password2": "other"}, "The two passwords differ."),
        ({"password1": "short", "password2": "short"}, "too short"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(as_operator, alice, changes, sentence):
    page = as_operator.post("/admin/accounts/user/add/", new_user(**changes))
    assert page.status_code == 200
    assert sentence in text(page)
    assert User.objects.count() == 2
    assert not AuditEntry.objects.filter(target__startswith="dave").exists()


def test_an_operator_is_added_with_a_plain_name(as_operator, domain):
    as_operator.post("/admin/accounts/user/add/", new_user(address="root", is_operator="on"))
    assert User.objects.get(username="root").is_superuser


def change_form(user: User, **changes: str) -> dict[str, str]:
    return {
        "name": user.name,
        "addresses-TOTAL_FORMS": "1",
        "addresses-INITIAL_FORMS": "0",
        "addresses-0-local_part": "",
        "addresses-0-domain": "",
    } | changes


def test_an_address_is_added_to_an_account(as_operator, alice):
    domain = Domain.objects.get()
    url = f"/admin/accounts/user/{alice.pk}/change/"
    form = change_form(
        alice, **{"addresses-0-local_part": "Desk", "addresses-0-domain": str(domain.pk)}
    )
    assert as_operator.post(url, form).status_code == 302
    assert [str(each) for each in alice.addresses.all()] == [
        "alice@mailweb.test",
        "desk@mailweb.test",
    ]
    assert AuditEntry.objects.filter(action="address added").exists()


def test_an_address_of_someone_else_is_refused(as_operator, alice, bob):
    domain = Domain.objects.get()
    form = change_form(
        alice, **{"addresses-0-local_part": "BOB", "addresses-0-domain": str(domain.pk)}
    )
    page = as_operator.post(f"/admin/accounts/user/{alice.pk}/change/", form)
    assert page.status_code == 200
    assert "This address belongs to another account." in text(page)
    assert Address.objects.count() == 2


def test_a_changed_name_and_right_are_written_down(as_operator, alice):
    form = change_form(alice, name="Alice B", is_staff="on")
    as_operator.post(f"/admin/accounts/user/{alice.pk}/change/", form)
    alice.refresh_from_db()
    assert (alice.name, alice.is_staff) == ("Alice B", True)
    entry = AuditEntry.objects.get(action="account changed")
    assert entry.detail == {"name": "Alice B", "is_staff": True}


def test_accounts_are_disabled_in_bulk_but_never_ones_own(as_operator, operator, alice, as_alice):
    form = {"action": "disable", "_selected_action": [str(alice.pk), str(operator.pk)]}
    as_operator.post("/admin/accounts/user/", form)
    alice.refresh_from_db()
    operator.refresh_from_db()
    assert (alice.is_active, operator.is_active) == (False, True)
    assert as_alice.get("/settings/").status_code == 302
    as_operator.post("/admin/accounts/user/", form | {"action": "enable"})
    alice.refresh_from_db()
    assert alice.is_active


def test_nothing_can_be_deleted(as_operator, alice):
    assert as_operator.get(f"/admin/accounts/user/{alice.pk}/delete/").status_code == 403
    domain = Domain.objects.get()
    assert as_operator.get(f"/admin/accounts/domain/{domain.pk}/delete/").status_code == 403


def test_a_password_set_by_an_operator_ends_the_sessions(as_operator, alice, as_alice):
    url = f"/admin/accounts/user/{alice.pk}/password/"
    form = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    assert as_operator.post(url, form).status_code == 302
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert not BrowserSession.objects.filter(user=alice).exists()
    assert as_alice.get("/settings/").status_code == 302


def test_a_domain_is_added_in_its_stored_form_and_shows_what_to_publish(as_operator, db):
    as_operator.post("/admin/accounts/domain/add/", {"name": "Bücher.test"})
    domain = Domain.objects.get(name="xn--bcher-kva.test")
    page = text(as_operator.get(f"/admin/accounts/domain/{domain.pk}/change/"))
    assert "v=spf1 a:mail.mailweb.test -all" in page
    refused = text(as_operator.post("/admin/accounts/domain/add/", {"name": "nonsense"}))
    assert "Enter a domain name" in refused
    as_operator.post(f"/admin/accounts/domain/{domain.pk}/change/", {})
    domain.refresh_from_db()
    assert not domain.is_active
    assert AuditEntry.objects.filter(action="domain switched off").exists()


def test_a_session_is_ended_by_an_operator(as_operator, alice, as_alice):
    session = BrowserSession.objects.get(user=alice)
    form = {"action": "end", "_selected_action": [str(session.pk)]}
    as_operator.post("/admin/accounts/browsersession/", form)
    assert as_alice.get("/settings/").status_code == 302
    assert AuditEntry.objects.filter(action="session ended", target=alice.username).exists()
    assert session.session_key not in text(as_operator.get("/admin/accounts/browsersession/"))


def test_the_log_cannot_be_changed(as_operator, alice, now):
    entry = services.record("account added", now=now, target=alice)
    page = text(as_operator.get(f"/admin/accounts/auditentry/{entry.pk}/change/"))
    assert 'name="_save"' not in page
    assert as_operator.get("/admin/accounts/auditentry/add/").status_code == 403


def test_guesses_at_the_admins_door_are_counted_together(client, operator, settings):
    settings.AXES_ENABLED = True
    for name in ["admin", "ADMIN", " Admin ", "aDmin"] * 2:
        client.post("/admin/login/", {"username": name, "password": "wrong"})
    answer = client.post("/admin/login/", {"username": "admin", "password": PASSWORD})
    assert answer.status_code == 429


def test_operators_say_how_long_an_accounts_mail_is_tried_and_nothing_else(as_operator, alice):
    preferences = selectors.preferences_of(alice)
    url = f"/admin/accounts/sendpreferences/{preferences.pk}/change/"
    answer = as_operator.post(url, {"lifetime_hours": "48", "allows_plain_text": ""})
    assert answer.status_code == 302
    preferences.refresh_from_db()
    assert (preferences.lifetime_hours, preferences.allows_plain_text) == (48, True)
    entry = AuditEntry.objects.get(action="rules for sending changed")
    assert (entry.actor.username, entry.detail) == ("admin", {"lifetime_hours": [None, 48]})


@pytest.mark.parametrize("hours", ["0", "721", "-1"])
def test_a_lifetime_without_sense_is_refused(as_operator, alice, hours):
    preferences = selectors.preferences_of(alice)
    url = f"/admin/accounts/sendpreferences/{preferences.pk}/change/"
    assert as_operator.post(url, {"lifetime_hours": hours}).status_code == 200
    preferences.refresh_from_db()
    assert preferences.lifetime_hours is None
