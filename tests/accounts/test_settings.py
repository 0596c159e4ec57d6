from __future__ import annotations

import pytest
from django.test import Client

from accounts import selectors, services
from accounts.models import BrowserSession, Pledge
from delivery.policy.modes import BrokenTls, Mode, PledgeKind
from tests.factories import PASSWORD

PAGES = (
    "/settings/",
    "/settings/sending/",
    "/settings/pledges/",
    "/settings/suppressed/",
    "/settings/sessions/",
    "/settings/password/",
)
RULES = {
    "never_plain": "on",
    "default_mode": "verified",
    "on_broken_tls": "never",
    "undo_seconds": "20",
    "signature": "Alice",
}


@pytest.mark.parametrize("page", PAGES)
def test_alice_sees_each_page_and_others_the_door(as_alice, page):
    assert as_alice.get(page).status_code == 200
    assert Client().get(page)["Location"] == f"/accounts/login/?next={page}"
    assert as_alice.delete(page).status_code == 405


@pytest.mark.parametrize(
    "action",
    [
        "/settings/appearance/",
        "/settings/pledges/1/withdraw/",
        "/settings/suppressed/1/lift/",
        "/settings/sessions/1/end/",
        "/settings/sessions/others/end/",
    ],
)
def test_actions_are_posts_of_someone_logged_in(as_alice, action):
    assert as_alice.get(action).status_code == 405
    assert Client().post(action)["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("page", PAGES)
def test_each_page_takes_few_queries(as_alice, page, django_assert_max_num_queries):
    as_alice.get(page)  # makes the mailboxes and the rules on first use
    with django_assert_max_num_queries(11):
        as_alice.get(page)


def test_the_profile_is_saved(as_alice, alice, now):
    services.add_address(user=alice, address="desk@mailweb.test", now=now)
    answer = as_alice.post("/settings/", {"name": "Alice B", "address": "desk@mailweb.test"})
    assert answer["Location"] == "/settings/"
    alice.refresh_from_db()
    assert alice.name == "Alice B"
    assert selectors.primary_address(alice) == "desk@mailweb.test"


def test_an_address_of_someone_else_is_refused(as_alice, alice, bob):
    page = as_alice.post("/settings/", {"name": "Alice", "address": "bob@mailweb.test"})
    assert page.status_code == 422
    assert selectors.primary_address(alice) == "alice@mailweb.test"


def test_a_name_that_would_break_a_header_is_refused(as_alice, alice):
    page = as_alice.post("/settings/", {"name": "A\rBcc: x", "address": "alice@mailweb.test"})
    assert page.status_code == 422
    assert "A name is one line" in page.content.decode()


def test_an_operator_without_mail_has_a_profile(as_operator):
    assert as_operator.get("/settings/").status_code == 200
    assert as_operator.post("/settings/", {"name": "Boss"}).status_code == 302


def test_a_wrong_form_comes_back_to_htmx_as_its_part(as_alice):
    page = as_alice.post(
        "/settings/",
        {"name": "x" * 121, "address": "alice@mailweb.test"},
        headers={"hx-request": "true", "hx-target": "profile-form"},
    )
    assert page.status_code == 422
    assert page.content.decode().strip().startswith('<form class="form" id="profile-form"')


def test_htmx_is_led_on_after_saving(as_alice):
    answer = as_alice.post(
        "/settings/sending/", RULES, headers={"hx-request": "true", "hx-target": "sending-form"}
    )
    assert answer["HX-Redirect"] == "/settings/sending/"


def test_rules_for_sending_are_saved(as_alice, alice):
    answer = as_alice.post("/settings/sending/", RULES)
    assert answer["Location"] == "/settings/sending/"
    rules = selectors.preferences_of(alice)
    assert rules.allows_plain_text is False
    assert rules.accepts_pkix is False
    assert (rules.default_mode, rules.on_broken_tls) == (Mode.VERIFIED, BrokenTls.NEVER)
    assert (rules.undo_seconds, rules.signature) == (20, "Alice")
    page = as_alice.get("/settings/sending/").content.decode()
    assert 'name="never_plain"' in page
    assert 'value="verified" checked' in page


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("undo_seconds", "61"),
        ("undo_seconds", "-1"),
        ("default_mode", "optional"),
        ("signature", "x" * 4001),
    ],
)
def test_rules_out_of_bounds_are_refused(as_alice, alice, field, value):
    page = as_alice.post("/settings/sending/", RULES | {field: value})
    assert page.status_code == 422
    assert ("Enter 0 to 60 seconds." in page.content.decode()) is (field == "undo_seconds")
    assert selectors.preferences_of(alice).default_mode == Mode.DEFAULT


def test_a_pledge_is_made_listed_and_withdrawn(as_alice, alice):
    as_alice.post("/settings/pledges/", {"target": "Bücher.test", "kind": "verified"})
    pledge = Pledge.objects.get(user=alice)
    assert (pledge.target, pledge.kind) == ("xn--bcher-kva.test", PledgeKind.VERIFIED)
    assert "bücher.test" in as_alice.get("/settings/pledges/").content.decode()
    as_alice.post(f"/settings/pledges/{pledge.pk}/withdraw/")
    assert not Pledge.objects.exists()


def test_a_pledge_about_nothing_is_refused_beside_its_field(as_alice):
    page = as_alice.post("/settings/pledges/", {"target": "nonsense", "kind": "verified"})
    assert page.status_code == 422
    text = page.content.decode()
    assert "Enter an address or a domain, such as bob@mailweb.test or mailweb.test." in text
    assert 'aria-describedby="id_target_error"' in text
    assert 'value="nonsense"' in text


def test_charlie_neither_sees_nor_withdraws_a_pledge_of_alice(as_charlie, alice, now):
    pledge = services.make_pledge(user=alice, target="else.test", kind=PledgeKind.VERIFIED, now=now)
    assert "else.test" not in as_charlie.get("/settings/pledges/").content.decode()
    assert as_charlie.post(f"/settings/pledges/{pledge.pk}/withdraw/").status_code == 404
    assert Pledge.objects.exists()


def test_browsers_are_listed_with_this_one_marked(as_alice, alice):
    there = Client(headers={"user-agent": "Mozilla/5.0 (iPhone) Version/19 Safari/605"})
    there.post("/accounts/login/", {"username": alice.username, "password": PASSWORD})
    page = as_alice.get("/settings/sessions/").content.decode()
    assert page.count("This browser") == 1
    assert "Safari on iPhone" in page


def test_another_browser_is_logged_out_from_here(as_alice, alice):
    there = Client()
    there.force_login(alice)
    other = BrowserSession.objects.get(session_key=there.session.session_key)
    assert as_alice.post(f"/settings/sessions/{other.pk}/end/").status_code == 302
    assert there.get("/settings/").status_code == 302
    assert as_alice.get("/settings/").status_code == 200


def test_all_other_browsers_are_logged_out_from_here(as_alice, alice, as_bob):
    others = [Client(), Client()]
    for each in others:
        each.force_login(alice)
    as_alice.post("/settings/sessions/others/end/")
    assert [each.get("/settings/").status_code for each in others] == [302, 302]
    assert as_alice.get("/settings/").status_code == 200
    assert as_bob.get("/settings/").status_code == 200


def test_charlie_cannot_end_a_session_of_alice(as_alice, alice, as_charlie):
    session = BrowserSession.objects.get(user=alice)
    assert as_charlie.post(f"/settings/sessions/{session.pk}/end/").status_code == 404
    assert as_alice.get("/settings/").status_code == 200


def test_a_new_password_keeps_this_browser_and_ends_the_others(as_alice, alice):
    there = Client()
    there.force_login(alice)
    new = "paper and ink, twice"
    answer = as_alice.post(
        "/settings/password/",
        {"old_password": PASSWORD, "new_password1": new, "new_password2": new},
    )
    assert answer["Location"] == "/settings/password/"
    assert there.get("/settings/").status_code == 302
    assert "This browser" in as_alice.get("/settings/sessions/").content.decode()
    alice.refresh_from_db()
    assert alice.check_password(new)


@pytest.mark.parametrize(
    ("old", "new", "again"),
    [
        ("wrong", "paper and ink", "paper and ink"),
        (PASSWORD, "tiny", "tiny"),
        (PASSWORD, "paper and ink", "paper and oil"),
    ],
)
def test_a_password_is_not_changed_by_halves(as_alice, alice, old, new, again):
    page = as_alice.post(
        "/settings/password/",
        {"old_password": old, "new_password1": new, "new_password2": again},
    )
    assert page.status_code == 422
    assert new not in page.content.decode()
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_the_look_of_this_device_works_without_javascript(as_alice):
    as_alice.post("/settings/appearance/", {"theme": "dark", "density": "nonsense"})
    assert as_alice.cookies["theme"].value == "dark"
    assert "density" not in as_alice.cookies
    assert 'data-theme="dark"' in as_alice.get("/settings/").content.decode()
