from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts import dkim
from accounts.models import AuditEntry, DkimKey, User
from delivery.dkim import Algorithm
from delivery.signing import keyring
from mailweb.lib.sealed import unseal
from tests.labs import running_lab

LIST = "/admin/accounts/dkimkey/"


def text(response: Any) -> str:
    return str(response.content.decode())


@pytest.fixture
def key(domain, now) -> DkimKey:
    (made,) = dkim.add_keys(domain=domain, algorithms=[Algorithm.ED25519], now=now)
    return made


@pytest.fixture
def as_helper(db) -> Client:
    """An operator who may look at keys, and no more."""
    user = User.objects.create_user("helper", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_dkimkey"))
    client = Client()
    client.force_login(user, backend="accounts.backends.AddressBackend")
    return client


def act(client: Client, action: str, *keys: DkimKey, **more: str) -> str:
    form = {"action": action, "_selected_action": [str(key.pk) for key in keys], **more}
    return text(client.post(LIST, form, follow=True))


def state_of(key: DkimKey) -> str:
    key.refresh_from_db()
    return key.state


def test_an_operator_makes_keys_and_reads_what_to_publish(as_operator, domain):
    form = {"domain": str(domain.pk), "kinds": "both", "selector": "s1"}
    page = text(as_operator.post(f"{LIST}add/", form, follow=True))
    assert "Publish the records, then activate the keys." in page
    keys = DkimKey.objects.all()
    assert {key.selector for key in keys} == {"s1-rsa", "s1-ed25519"}
    for key in keys:
        shown = text(as_operator.get(f"{LIST}{key.pk}/change/"))
        assert key.record.name in shown
        assert key.record.value in shown
        assert "readonly" in shown
        assert 'name="_save"' not in shown
    assert AuditEntry.objects.filter(action="DKIM key added", actor__username="admin").count() == 2


def test_a_selector_that_is_taken_is_said_at_its_field(as_operator, domain, key):
    form = {"domain": str(domain.pk), "kinds": "ed25519", "selector": key.selector}
    page = text(as_operator.post(f"{LIST}add/", form))
    assert "has a key with that selector already" in page
    assert DkimKey.objects.count() == 1


def test_the_private_key_is_on_no_page(as_operator, key):
    private = unseal(bytes(key.sealed_key), purpose=dkim.PURPOSE)
    pages = text(as_operator.get(LIST)) + text(as_operator.get(f"{LIST}{key.pk}/change/"))
    assert bytes(key.sealed_key).decode() not in pages
    assert private.hex() not in pages
    assert "sealed" not in pages


def test_a_key_is_checked_activated_and_retired(as_operator, key, settings):
    with running_lab("plain", records=keyring().records()) as lab:
        settings.DNS_RESOLVERS = [lab.environment["DNS_RESOLVERS"]]
        assert f"{key}: Published." in act(as_operator, "look", key)
        asked = act(as_operator, "activate", key)
        assert "Mail is signed with these keys from now on." in asked
        assert state_of(key) == "published"
        assert f"{key} signs now." in act(as_operator, "activate", key, confirmed="1")
    assert state_of(key) == "active"
    assert "there is no way back" in act(as_operator, "retire", key)
    assert "is retiring" in act(as_operator, "retire", key, confirmed="1")
    assert "may still be under way" in act(as_operator, "retire", key, confirmed="1")
    act(as_operator, "retire", key, confirmed="1", forced="1")
    assert state_of(key) == "gone"
    assert AuditEntry.objects.filter(action="DKIM key gone", actor__username="admin").exists()


def test_a_key_that_dns_does_not_have_is_not_activated_unless_forced(as_operator, key, settings):
    with running_lab("plain") as lab:
        settings.DNS_RESOLVERS = [lab.environment["DNS_RESOLVERS"]]
        assert f"{key}: Missing." in act(as_operator, "look", key)
        page = act(as_operator, "activate", key, confirmed="1")
    assert "is not published as it should be" in page
    assert state_of(key) == "planned"
    settings.DNS_RESOLVERS = ["127.0.0.1:9"]
    act(as_operator, "activate", key, confirmed="1", forced="1")
    assert state_of(key) == "active"


def test_who_may_only_look_changes_nothing(as_helper, key):
    assert key.selector in text(as_helper.get(LIST))
    assert as_helper.get(f"{LIST}add/").status_code == 403
    act(as_helper, "activate", key, confirmed="1", forced="1")
    assert state_of(key) == "planned"


def test_nothing_is_deleted(as_operator, key):
    assert as_operator.get(f"{LIST}{key.pk}/delete/").status_code == 403


def test_the_domain_says_what_signs_its_mail_and_what_to_publish(as_operator, domain, key, now):
    domains = "/admin/accounts/domain/"
    assert 'field-signed_with">nothing<' in text(as_operator.get(domains))
    dkim.activate(key=key, look_up=None, now=now)
    assert 'field-signed_with">Ed25519<' in text(as_operator.get(domains))
    DkimKey.objects.update(sealed_key=b"spoilt")
    assert 'field-signed_with">a broken key: unsigned<' in text(as_operator.get(domains))
    assert key.record.name in text(as_operator.get(f"{domains}{domain.pk}/change/"))


def test_in_a_demo_the_lab_is_asked(as_operator, key, settings, tmp_path):
    settings.DEMO, settings.DNS_RESOLVERS, settings.LAB_DIR = True, [], tmp_path
    with running_lab("plain", records=keyring().records()) as lab:
        (tmp_path / "resolver").write_text(lab.environment["DNS_RESOLVERS"])
        assert f"{key}: Published." in act(as_operator, "look", key)
