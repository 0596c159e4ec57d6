from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connections
from django.test import Client

from accounts import selectors, services
from accounts.backends import AddressBackend
from accounts.models import Address, AuditEntry, User
from accounts.names import BadAddressError
from delivery.policy.modes import BrokenTls, Mode, PledgeKind
from tests.factories import PASSWORD


def log_in(*, username: str, password: str) -> User | None:
    return AddressBackend().authenticate(None, username, password)


def test_an_account_logs_in_with_its_first_address(alice):
    assert alice.username == "alice@mailweb.test"
    assert selectors.primary_address(alice) == "alice@mailweb.test"
    assert log_in(username="Alice@Mailweb.TEST", password=PASSWORD) == alice


def test_an_account_logs_in_with_any_of_its_addresses(alice, now):
    services.add_address(user=alice, address="A.Lias@mailweb.test", now=now)
    assert log_in(username="a.lias@mailweb.test", password=PASSWORD) == alice


def test_an_operator_logs_in_with_a_plain_name(db):
    admin = User.objects.create_superuser("Admin", PASSWORD)
    assert log_in(username="admin", password=PASSWORD) == admin
    assert selectors.primary_address(admin) == ""


@pytest.mark.parametrize(
    "name", ["alice@mailweb.test", "nobody@mailweb.test", "nobody", "", "a@b@c"]
)
def test_a_wrong_password_is_refused_for_every_name(alice, name):
    assert log_in(username=name, password="wrong") is None


def test_an_unknown_name_costs_as_many_hashes_as_a_known_one(alice, monkeypatch):
    made: list[str] = []
    encode = MD5PasswordHasher.encode

    def counting(self, password, salt):
        made.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counting)
    log_in(username="alice@mailweb.test", password="wrong")
    known, made[:] = len(made), []
    log_in(username="nobody@mailweb.test", password="wrong")
    assert len(made) == known == 1


async def test_the_asynchronous_log_in_knows_addresses_too(transactional_db, now):

    def make() -> User:
        services.add_domain("mailweb.test")
        return services.create_account(address="alice@mailweb.test", password=PASSWORD, now=now)

    user = await sync_to_async(make)()
    assert (
        await AddressBackend().aauthenticate(None, username="ALICE@mailweb.test", password=PASSWORD)
        == user
    )
    await sync_to_async(connections.close_all)()  # of the thread that answered


def test_a_disabled_account_is_refused_but_still_gets_mail(alice, now):
    services.disable_account(user=alice, now=now)
    assert log_in(username="alice@mailweb.test", password=PASSWORD) is None
    assert selectors.user_for_address("alice@mailweb.test") == alice
    services.enable_account(user=alice, now=now)
    assert log_in(username="alice@mailweb.test", password=PASSWORD) == alice


def test_an_address_belongs_to_one_account_whatever_its_case(alice, bob, now):
    with pytest.raises(services.AddressTakenError):
        services.create_account(address="ALICE@mailweb.test", password=PASSWORD, now=now)
    with pytest.raises(services.AddressTakenError):
        services.add_address(user=bob, address="Alice@MAILWEB.test", now=now)
    assert Address.objects.count() == 2


def test_the_log_in_name_of_another_cannot_become_an_address(alice, now):
    User.objects.create_superuser("boss@mailweb.test", PASSWORD)
    with pytest.raises(services.AddressTakenError):
        services.add_address(user=alice, address="boss@mailweb.test", now=now)


def test_an_account_needs_a_domain_of_this_installation(domain, now):
    with pytest.raises(services.UnknownDomainError) as refusal:
        services.create_account(address="alice@else.test", password=PASSWORD, now=now)
    assert "else.test" in refusal.value.sentence
    with pytest.raises(BadAddressError):
        services.create_account(address="alice", password=PASSWORD, now=now)
    assert not User.objects.exists()


def test_a_domain_is_added_once(domain, now):
    with pytest.raises(services.DomainTakenError):
        services.add_domain("Mailweb.TEST", now=now)
    assert services.add_domain("bücher.test").name == "xn--bcher-kva.test"


def test_local_domains_are_the_active_ones(domain, now):
    other = services.add_domain("other.test", now=now)
    other.is_active = False
    other.save()
    asked = ["MAILWEB.test", "other.test", "far.test"]
    assert selectors.local_domains(asked) == {"mailweb.test"}
    assert selectors.user_for_address("not an address") is None


def test_rules_for_sending_are_made_on_first_use(alice, django_assert_num_queries):
    rules = selectors.preferences_of(alice)
    assert (rules.allows_plain_text, rules.on_broken_tls) == (True, BrokenTls.ASK)
    with django_assert_num_queries(1):
        assert selectors.preferences_of(alice) == rules


def test_changed_rules_are_written_down_without_the_signature(alice, now):
    rules = selectors.preferences_of(alice)
    rules.default_mode = Mode.VERIFIED
    rules.signature = "Alice"
    services.save_preferences(preferences=rules, now=now)
    entry = AuditEntry.objects.get(action="rules for sending changed")
    assert entry.detail == {"default_mode": ["default", "verified"]}
    assert entry.actor == alice


def test_a_pledge_for_an_address_beats_one_for_its_domain(alice, bob, now):
    services.make_pledge(user=alice, target="Else.Test", kind=PledgeKind.VERIFIED, now=now)
    services.make_pledge(user=alice, target="Carol@else.test", kind=PledgeKind.PLAIN, now=now)
    assert selectors.pledge_for(alice, "CAROL@else.test", "else.test") is PledgeKind.PLAIN
    assert selectors.pledge_for(alice, "dave@else.test", "else.test") is PledgeKind.VERIFIED
    assert selectors.pledge_for(alice, "dave@far.test", "far.test") is None
    assert selectors.pledge_for(bob, "carol@else.test", "else.test") is None


def test_pledges_of_many_addresses_take_one_query(alice, django_assert_num_queries, now):
    services.make_pledge(user=alice, target="bücher.test", kind=PledgeKind.VERIFIED, now=now)
    asked = ["a@xn--bcher-kva.test", "a@BÜCHER.test", "a@far.test"]
    with django_assert_num_queries(1):
        found = selectors.pledges_for(alice, asked)
    assert found == dict.fromkeys(asked[:2], PledgeKind.VERIFIED)


def test_the_newest_pledge_about_a_target_counts(alice, now):
    services.make_pledge(user=alice, target="else.test", kind=PledgeKind.VERIFIED, now=now)
    services.make_pledge(user=alice, target="else.test", kind=PledgeKind.PLAIN, now=now)
    assert [p.kind for p in selectors.pledges_of(alice)] == [PledgeKind.PLAIN]


def test_the_profile_takes_only_own_addresses(alice, bob, now):
    services.add_address(user=alice, address="desk@mailweb.test", now=now)
    services.save_profile(user=alice, name="Alice B", address="desk@mailweb.test", now=now)
    assert selectors.primary_address(alice) == "desk@mailweb.test"
    assert [str(a) for a in selectors.addresses_of(alice)] == [
        "desk@mailweb.test",
        "alice@mailweb.test",
    ]
    with pytest.raises(services.WrongAddressError):
        services.save_profile(user=alice, name="", address="bob@mailweb.test", now=now)


def test_a_new_password_logs_out_everywhere_but_here(alice, client, now):
    here, there = client, Client()
    for browser in (here, there):
        browser.force_login(alice)
    key = here.session.session_key
    services.set_password(user=alice, password="another paper", now=now, keep_session=key)
    assert [s.session_key for s in selectors.sessions_of(alice, now=now)] == [key]
    assert log_in(username="alice@mailweb.test", password="another paper") == alice


def test_a_password_that_is_easy_to_guess_is_refused(alice):
    with pytest.raises(services.WeakPasswordError) as refusal:
        services.check_new_password("short", alice)
    assert "10 characters" in refusal.value.sentence
