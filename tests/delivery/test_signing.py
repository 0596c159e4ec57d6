"""What leaves the queue is signed: with real keys, over real sockets, checked by dkimpy."""

from __future__ import annotations

import logging
from datetime import timedelta

import dns.message
import dns.query
import pytest
from django.utils import timezone

from accounts import dkim
from accounts.models import DkimKey, Domain
from accounts.posture.dkim import KeyState
from delivery import claims, selectors, services, signing
from delivery.dkim import Algorithm
from delivery.lab import Lab
from delivery.models import Attempt, State
from delivery.policy.modes import Mode, SenderPolicy
from tests.delivery.factories import CONTENT, claimed, queued
from tests.labs import running_lab
from tests.unit.dkim.oracle import verified

pytestmark = pytest.mark.django_db

EIGHT_BIT = (
    "From: Alice <alice@mailweb.test>\r\nTo: friend@x.test\r\nSubject: Hello\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n\r\n.Grüße\r\n..\r\n. \r\n\r\n"
).encode()


def active_keys(now) -> list[DkimKey]:
    domain, _ = Domain.objects.get_or_create(name="mailweb.test")
    keys = dkim.add_keys(domain=domain, now=now)
    for key in keys:
        dkim.activate(key=key, look_up=None, now=now)
    return keys


def records() -> dict[str, str]:
    return dict(signing.keyring().records())


def submitted(
    owner, content: bytes, *addresses: str, mail_from="alice@mailweb.test", mode=Mode.DEFAULT
):
    return services.submit(
        owner=owner,
        mail_from=mail_from,
        recipients=[services.NewRecipient(address=each, mode=mode) for each in addresses],
        content=content,
        sender_policy=SenderPolicy(),
        now=timezone.now(),
    )


def received(lab: Lab, domain: str) -> bytes:
    return [one for one in lab.accepted.all() if one.domain == domain][-1].content


@pytest.mark.parametrize("domain", ["pkix.test", "no8bit.test", "plain.test"])
def test_what_arrives_verifies_with_and_without_8bitmime(alice, lab, drain, domain):
    active_keys(timezone.now())
    submitted(alice, EIGHT_BIT, f"friend@{domain}")
    drain()
    wire = received(lab, domain)
    assert wire.isascii() is (domain == "no8bit.test")
    assert verified(wire, records()) == [True, True]


def test_what_goes_by_bdat_verifies_too(alice, lab, drain):
    active_keys(timezone.now())
    messages = [submitted(alice, EIGHT_BIT, "friend@dane.test") for _ in range(3)]
    drain()
    attempts = [message.recipients.get().last_attempt for message in messages]
    assert any("BDAT" in attempt.transcript.replace("BDAT 0", "") for attempt in attempts)
    wires = [one.content for one in lab.accepted.all() if one.domain == "dane.test"][-3:]
    assert [verified(wire, records()) for wire in wires] == [[True, True]] * 3


def test_the_receipt_names_the_keys(alice, lab, drain):
    keys = active_keys(timezone.now())
    message = queued("friend@pkix.test", owner=alice, now=timezone.now())
    queued("friend@full.test", owner=alice, now=timezone.now())
    drain()
    attempt = message.recipients.get().last_attempt
    assert attempt.signed_by == f"{keys[0].selector} (RSA), {keys[1].selector} (Ed25519)"
    (part,) = selectors.receipt(message).parts
    assert ("Signed with", attempt.signed_by, False) in part.facts
    assert not Attempt.objects.get(domain="full.test").signed_by


def test_the_lab_publishes_the_keys_of_the_installation(alice, settings):
    active_keys(timezone.now())
    with running_lab("no8bit", records=signing.keyring().records()) as lab:
        address, _, port = lab.environment["DNS_RESOLVERS"].partition(":")
        published = {}
        for name in records():
            question = dns.message.make_query(name, "TXT")
            answer = dns.query.tcp(question, address, port=int(port), timeout=5).answer
            published[name] = b"".join(answer[0][0].strings).decode()
    assert published == records()


def test_tls_required_is_signed_with_the_rest(alice, lab, drain):
    active_keys(timezone.now())
    submitted(alice, CONTENT, "friend@sts-plain.test", mode=Mode.OPTIONAL)
    drain()
    wire = received(lab, "sts-plain.test")
    assert b"\r\nTLS-Required: No\r\n" in wire
    assert verified(wire, records()) == [True, True]
    assert verified(wire.replace(b"TLS-Required: No\r\n", b""), records()) == [False, False]


def test_a_bounce_is_signed_for_the_domain_it_speaks_for(alice, lab, drain):
    active_keys(timezone.now())
    content = CONTENT.replace(b"alice@", b"postmaster@")
    submitted(None, content, "friend@pkix.test", mail_from="")
    drain()
    assert verified(received(lab, "pkix.test"), records()) == [True, True]


def test_without_a_key_it_goes_unsigned_and_the_log_says_so(alice, lab, drain, caplog):
    caplog.set_level(logging.INFO, "delivery.signing")
    message = queued("friend@pkix.test", owner=alice, now=timezone.now())
    drain()
    assert message.recipients.get().state == State.DELIVERED
    assert received(lab, "pkix.test") == CONTENT
    assert "mail goes unsigned: no key" in caplog.text


def test_with_a_key_that_cannot_be_opened_it_goes_unsigned_and_on_time(
    alice, lab, drain, settings, caplog
):
    settings.SECRET_KEY = "the one before"
    keys = active_keys(timezone.now())
    settings.SECRET_KEY = "the one after"
    dkim.opened.cache_clear()
    message = queued("friend@pkix.test", owner=alice, now=timezone.now())
    drain()
    assert message.recipients.get().state == State.DELIVERED
    assert received(lab, "pkix.test") == CONTENT
    assert "can't be opened" in caplog.text
    assert all(map(dkim.is_broken, keys))


def test_one_broken_key_does_not_keep_the_other_from_signing(alice, lab, drain):
    keys = active_keys(timezone.now())
    DkimKey.objects.filter(pk=keys[0].pk).update(sealed_key=b"spoilt")
    queued("friend@pkix.test", owner=alice, now=timezone.now())
    drain()
    assert verified(received(lab, "pkix.test"), records()) == [True]


def test_a_signer_that_breaks_loses_no_mail(alice, now, monkeypatch, caplog):
    active_keys(now)
    queued("friend@x.test", owner=alice, now=now)
    (signer,) = claimed(now).signers.values()
    monkeypatch.setattr(type(signer._signer), "signatures", lambda *_, **__: 1 / 0)
    assert signer(CONTENT) == b""
    assert signer.keys == ()
    assert "message goes unsigned" in caplog.text


def test_a_from_that_breaks_the_reader_holds_up_nobody(alice, now, monkeypatch, caplog):
    active_keys(now)
    read = signing.from_domain
    monkeypatch.setattr(signing, "from_domain", lambda content: read(content) if content else 1 / 0)
    assert set(signing.signers_of({1: b"", 2: CONTENT}, at=now)) == {2}
    assert "its From can't be read" in caplog.text


def test_keys_that_are_not_active_do_not_sign(alice, now):
    domain = Domain.objects.get(name="mailweb.test")
    rsa, _ = dkim.add_keys(domain=domain, now=now)
    queued("friend@x.test", owner=alice, now=now)
    assert claimed(now).signers == {}
    dkim.activate(key=rsa, look_up=None, now=now)
    later = now + timedelta(hours=1)
    claims.reclaim_abandoned(now=later)
    (signer,) = claimed(later).signers.values()
    signer(CONTENT)
    assert signer.keys == (f"{rsa.selector} (RSA)",)
    Domain.objects.filter(pk=domain.pk).update(is_active=False)
    assert signing.keyring().signers_for({"mailweb.test"}) == {}


def test_a_message_is_signed_once_for_all_its_domains(alice, now):
    active_keys(now)
    queued(*(f"friend@x{number}.test" for number in range(5)), owner=alice, now=now)
    claim = claimed(now)
    jobs = claims.jobs_from(claim, claim.copies)
    assert len(jobs) == 5
    made = {id(job.sign(job.content)) for job in jobs}
    assert len(made) == 1


def test_a_claim_asks_for_keys_once(alice, now, django_assert_num_queries):
    contents = dict.fromkeys(range(20), CONTENT)
    with django_assert_num_queries(1):
        assert signing.signers_of(contents, at=now) == {}
    active_keys(now)
    with django_assert_num_queries(2):
        assert len(signing.signers_of(contents, at=now)) == 20
    with django_assert_num_queries(1):
        assert signing.signers_of({1: b"\r\n"}, at=now) == {}


def test_everybody_can_check_the_first_signature(now):
    active_keys(now)
    (identities,) = (
        each.identities for each in signing.keyring().signers_for({"mailweb.test"}).values()
    )
    assert [each.key.algorithm for each in identities] == [Algorithm.RSA, Algorithm.ED25519]
    assert DkimKey.objects.filter(state=KeyState.ACTIVE).count() == 2
