from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import BrowserSession
from tests.factories import PASSWORD

LOGIN = "/accounts/login/"


def log_in(
    client: Client, name: str = "alice@mailweb.test", password: str = PASSWORD, **extra: str
) -> Any:
    return client.post(LOGIN, {"username": name, "password": password, **extra})


def test_the_door_is_shown(client, db):
    page = client.get(LOGIN)
    assert page.status_code == 200
    assert b'autocomplete="current-password"' in page.content
    assert page["Cache-Control"].startswith("max-age=0")


@pytest.mark.parametrize("name", ["alice@mailweb.test", " ALICE@Mailweb.Test "])
def test_alice_logs_in_and_sees_her_mail(client, alice, name):
    answer = log_in(client, name)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.session["_auth_user_id"] == str(alice.pk)


def test_an_operator_without_mail_goes_to_the_admin(client, operator):
    assert log_in(client, "admin")["Location"] == "/admin/"


def test_a_failed_log_in_never_says_what_was_wrong(client, alice):
    alice_page = log_in(client, password="wrong")
    nobody_page = log_in(client, "nobody@mailweb.test")
    for page in (alice_page, nobody_page):
        assert page.status_code == 422
        assert "Address and password do not match." in page.content.decode()
        assert 'aria-describedby="id_password_error"' in page.content.decode()
    assert "alice@mailweb.test" in alice_page.content.decode()
    assert PASSWORD not in nobody_page.content.decode()


def test_a_disabled_account_is_refused_with_the_same_words(client, alice):
    alice.is_active = False
    alice.save()
    page = log_in(client)
    assert page.status_code == 422
    assert "Address and password do not match." in page.content.decode()


def test_log_in_goes_on_to_the_page_that_was_asked_for(client, alice):
    asked = client.get("/settings/sessions/")
    assert asked["Location"] == "/accounts/login/?next=/settings/sessions/"
    page = client.get(asked["Location"])
    assert 'name="next" value="/settings/sessions/"' in page.content.decode()
    assert log_in(client, next="/settings/sessions/")["Location"] == "/settings/sessions/"


@pytest.mark.parametrize(
    "trap", ["https://evil.test/", "//evil.test/", "javascript:alert(1)", "/\\evil.test"]
)
def test_log_in_never_leads_elsewhere(client, alice, trap):
    assert log_in(client, next=trap)["Location"] == "/"
    assert client.get(LOGIN, {"next": trap})["Location"] == "/"


def test_who_is_logged_in_is_not_asked_again(as_alice):
    assert as_alice.get(LOGIN, {"next": "/settings/"})["Location"] == "/settings/"


def test_a_session_ends_with_the_browser_unless_it_is_kept(client, alice):
    log_in(client)
    assert client.session.get_expire_at_browser_close()
    client.logout()
    log_in(client, is_kept="on")
    assert not client.session.get_expire_at_browser_close()


def test_log_in_changes_the_session_key(client, alice):
    client.get(LOGIN)
    session = client.session
    session["seen"] = 1
    session.save()
    before = session.session_key
    log_in(client)
    assert client.session.session_key != before


def test_log_in_needs_the_form_token(alice):
    assert log_in(Client(enforce_csrf_checks=True)).status_code == 403


def test_a_log_in_lists_the_browser_and_a_log_out_strikes_it(client, alice):
    client.post(
        LOGIN,
        {"username": "alice@mailweb.test", "password": PASSWORD},
        headers={"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko Firefox/140.0"},
    )
    listed = BrowserSession.objects.get(user=alice)
    assert listed.session_key == client.session.session_key
    assert listed.address == "127.0.0.1"
    answer = client.post("/accounts/logout/")
    assert answer["Location"] == LOGIN
    assert not BrowserSession.objects.exists()
    assert client.get("/settings/").status_code == 302


def test_log_out_is_only_a_post(as_alice):
    assert as_alice.get("/accounts/logout/").status_code == 405
    assert as_alice.put(LOGIN).status_code == 405


def test_a_browser_in_use_is_noted_once_a_minute(as_alice, alice, now):
    listed = BrowserSession.objects.get(user=alice)
    key = listed.session_key
    BrowserSession.objects.update(last_seen_at=now)
    as_alice.get("/settings/")
    listed.refresh_from_db()
    assert listed.last_seen_at == now
    cache.delete(f"seen:{key}")
    as_alice.get("/settings/")
    listed.refresh_from_db()
    assert listed.last_seen_at > now


def test_the_door_stays_shut_after_eight_wrong_passwords(client, alice, settings):
    settings.AXES_ENABLED = True
    names = ["alice@mailweb.test", "ALICE@mailweb.test"] * 4
    answers = [log_in(client, name, "wrong").status_code for name in names]
    assert answers == [422] * 7 + [429]
    page = log_in(client)
    assert page.status_code == 429
    assert page["Retry-After"] == "900"
    assert "15 minutes" in page.content.decode()
    assert "_auth_user_id" not in client.session


def test_another_name_from_the_same_place_is_not_shut_out(client, alice, bob, settings):
    settings.AXES_ENABLED = True
    for _ in range(8):
        log_in(client, password="wrong")
    assert log_in(client, "bob@mailweb.test").status_code == 302


def test_a_form_without_its_token_is_answered_with_words_and_changes_nothing(alice):
    strict = Client(enforce_csrf_checks=True)
    answer = log_in(strict)
    assert answer.status_code == 403
    assert b"Nothing was done." in answer.content
    assert "_auth_user_id" not in strict.session
