from __future__ import annotations

from typing import TYPE_CHECKING

from django.urls import reverse

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import Settings

URL = reverse("webmail:parts")


def test_the_demo_shows_every_part(as_alice: Client, settings: Settings):
    settings.DEMO = True
    page = as_alice.get(URL).content.decode()
    assert "One bar, every state" in page
    assert 'popovertarget="ledger-harbour.test-dane"' in page
    assert "less than or equal to 60" in page


def test_only_the_demo_has_the_page(as_alice: Client):
    assert as_alice.get(URL).status_code == 404


def test_a_stranger_is_sent_to_the_door(client: Client, settings: Settings):
    settings.DEMO = True
    assert client.get(URL).status_code == 302


def test_parts_are_only_read(as_alice: Client, settings: Settings):
    settings.DEMO = True
    assert as_alice.post(URL).status_code == 405


def test_theme_and_density_of_the_device_are_in_the_page(as_alice: Client, settings: Settings):
    settings.DEMO = True
    as_alice.cookies["theme"] = "dark"
    as_alice.cookies["density"] = "roomy"
    page = as_alice.get(URL).content.decode()
    assert '<html class="root" lang="en" data-theme="dark">' in page
    assert '<body class="app density-roomy' in page


def test_a_cookie_that_is_no_theme_is_ignored(as_alice: Client, settings: Settings):
    settings.DEMO = True
    as_alice.cookies["theme"] = "'onload='"
    page = as_alice.get(URL).content.decode()
    assert '<html class="root" lang="en">' in page
