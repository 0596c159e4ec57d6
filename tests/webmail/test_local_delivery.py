from __future__ import annotations

from django.conf import settings
from django.utils.module_loading import import_string

from accounts.models import Address
from delivery.policy.outcome import Result
from mailweb.webmail.models import Message, Role
from tests.webmail.letters import letter


def deliver(addresses: list[str], now, *, mail_from: str = "ines@dane.test"):
    local = import_string(settings.LOCAL_DELIVERY)()
    return local.deliver(mail_from=mail_from, addresses=addresses, content=letter("Hi."), now=now)


def test_own_domains_are_told_from_others(alice):
    local = import_string(settings.LOCAL_DELIVERY)()
    assert local.local_domains({"mailweb.test", "dane.test"}) == {"mailweb.test"}


def test_mail_is_filed_in_the_inbox_of_each_recipient(alice, bob, now):
    outcomes = deliver(["alice@mailweb.test", "bob@mailweb.test"], now)
    assert {outcome.result for outcome in outcomes.values()} == {Result.DELIVERED}
    for user in (alice, bob):
        message = Message.objects.get(user=user)
        assert (message.mailbox.role, message.is_seen) == (Role.INBOX, False)


def test_trace_says_where_it_came_from(alice, now):
    deliver(["alice@mailweb.test"], now)
    data = bytes(Message.objects.get().blob.data)
    assert data.startswith(b"Return-Path: <ines@dane.test>\r\nDelivered-To: alice@mailweb.test\r\n")
    assert b"Received: by mail.mailweb.test (local delivery);\r\n Fri, 20 Nov 2026" in data
    assert data.endswith(letter("Hi."))


def test_account_with_two_addresses_gets_it_once(alice, now):
    domain = alice.addresses.get().domain
    Address.objects.create(user=alice, local_part="office", domain=domain)
    outcomes = deliver(["alice@mailweb.test", "office@mailweb.test"], now)
    assert len(outcomes) == 2
    assert Message.objects.count() == 1


def test_unknown_address_is_refused_for_good(alice, now):
    outcomes = deliver(["alice@mailweb.test", "nobody@mailweb.test"], now)
    refused = outcomes["nobody@mailweb.test"]
    assert (refused.result, refused.code, refused.enhanced) == (Result.FAILED, 550, "5.1.1")
    assert outcomes["alice@mailweb.test"].result is Result.DELIVERED


def test_nothing_in_an_envelope_can_add_a_header(alice, now):
    deliver(["alice@mailweb.test"], now, mail_from="x>\r\nBcc: eve@evil.test\r\n")
    assert b"\r\nBcc:" not in bytes(Message.objects.get().blob.data)
