"""The life of a key, from plan to grave: services, command line, and DNS as the lab serves it."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, transaction

from accounts import dkim
from accounts.models import AuditEntry, DkimKey
from accounts.posture.dkim import KEEP_RECORD_FOR, KeyState
from delivery.dkim import Algorithm, SigningKey
from delivery.signing import keyring
from mailweb.lib.errors import UserError
from mailweb.lib.sealed import unseal
from tests.labs import running_lab


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("domain", *words, stdout=out)
    return out.getvalue()


def nothing_found(name: str, kind: str) -> list[str]:
    return []


def as_published(key: DkimKey):
    return lambda name, kind: [key.record.value] if name == key.record.name else []


def no_answer(name: str, kind: str) -> list[str]:
    raise UserError("The look-up failed.")


@pytest.fixture
def key(domain, now) -> DkimKey:
    """A new key; Ed25519 because it is made in no time."""
    (made,) = dkim.add_keys(domain=domain, algorithms=[Algorithm.ED25519], now=now)
    return made


def test_a_new_key_is_planned_and_signs_nothing(key, now):
    assert (key.state, key.selector) == (KeyState.PLANNED, "mw202611e")
    assert keyring().signers_for({"mailweb.test"}) == {}
    assert dkim.advice(key) == "Publish the record, then activate the key."
    assert AuditEntry.objects.filter(action="DKIM key added", target=str(key)).exists()


def test_the_private_key_is_sealed_and_shown_nowhere(key, caplog):
    private = unseal(bytes(key.sealed_key), purpose=dkim.PURPOSE)
    assert SigningKey.from_bytes(private).public == bytes(key.public_key)
    assert private[-32:] not in bytes(key.sealed_key)
    shown = repr(key) + str(key) + run("dkim-show", "mailweb.test", "--json") + caplog.text
    sealed = bytes(key.sealed_key).decode()
    assert sealed not in shown
    assert private.hex() not in shown


def test_selectors_are_made_up_from_the_month_and_stay_apart(domain, key, now):
    (again,) = dkim.add_keys(domain=domain, algorithms=[Algorithm.ED25519], now=now)
    assert again.selector == "mw202611e2"
    pair = dkim.add_keys(domain=domain, selector="Desk", now=now)
    assert [each.selector for each in pair] == ["desk-rsa", "desk-ed25519"]


@pytest.mark.parametrize("selector", ["-a", "a b", "a;b", "ä", "a.b", "a" * 64])
def test_a_selector_that_is_no_label_is_refused(domain, now, selector):
    with pytest.raises(dkim.BadSelectorError):
        dkim.add_keys(domain=domain, algorithms=[Algorithm.ED25519], selector=selector, now=now)
    assert not DkimKey.objects.exists()


def test_a_selector_is_used_once(domain, key, now):
    with pytest.raises(dkim.SelectorTakenError):
        dkim.add_keys(domain=domain, algorithms=[Algorithm.ED25519], selector=key.selector, now=now)


def test_a_check_moves_a_key_to_published_and_back(key, now):
    assert dkim.check_key(key=key, look_up=as_published(key), now=now).will_do
    key.refresh_from_db()
    assert (key.state, key.finding, key.checked_at) == (KeyState.PUBLISHED, "Published.", now)
    assert not dkim.check_key(key=key, look_up=nothing_found, now=now).will_do
    key.refresh_from_db()
    assert (key.state, key.finding) == (KeyState.PLANNED, "Missing.")


def test_a_look_up_that_fails_says_nothing_about_the_key(key, now):
    dkim.check_key(key=key, look_up=as_published(key), now=now)
    with pytest.raises(UserError):
        dkim.check_key(key=key, look_up=no_answer, now=now)
    key.refresh_from_db()
    assert (key.state, key.checked_at) == (KeyState.PUBLISHED, now)


@pytest.mark.parametrize("look_up", [nothing_found, lambda *_: ["v=DKIM1; k=ed25519; p=AAAA"]])
def test_a_key_that_is_not_published_is_not_activated(key, now, look_up):
    with pytest.raises(dkim.KeyNotPublishedError, match="not published as it should be"):
        dkim.activate(key=key, look_up=look_up, now=now)
    key.refresh_from_db()
    assert key.state == KeyState.PLANNED


def test_a_key_that_is_published_signs(key, now):
    assert dkim.activate(key=key, look_up=as_published(key), now=now) == []
    key.refresh_from_db()
    assert (key.state, key.activated_at) == (KeyState.ACTIVE, now)
    assert set(keyring().signers_for({"mailweb.test", "else.test"})) == {"mailweb.test"}
    with pytest.raises(dkim.WrongStateError):
        dkim.activate(key=key, look_up=None, now=now)


def test_a_forced_activation_is_written_down(key, now):
    dkim.activate(key=key, look_up=None, now=now)
    assert AuditEntry.objects.get(action="DKIM key activated").detail == {"forced": True}


def test_a_new_key_retires_the_one_before_of_its_kind(domain, key, now):
    (rsa,) = dkim.add_keys(domain=domain, algorithms=[Algorithm.RSA], now=now)
    (new,) = dkim.add_keys(domain=domain, algorithms=[Algorithm.ED25519], now=now)
    for each in (key, rsa):
        dkim.activate(key=each, look_up=None, now=now)
    assert dkim.activate(key=new, look_up=as_published(new), now=now) == [key]
    states = dict(DkimKey.objects.values_list("pk", "state"))
    assert states == {key.pk: "retiring", rsa.pk: "active", new.pk: "active"}
    (signer,) = keyring().signers_for({"mailweb.test"}).values()
    assert [each.selector for each in signer.identities] == [rsa.selector, new.selector]


def test_a_retired_key_is_forgotten_but_its_record_is_needed_for_a_while(key, now):
    dkim.activate(key=key, look_up=None, now=now)
    dkim.retire(key=key, now=now)
    key.refresh_from_db()
    assert (key.state, bytes(key.sealed_key)) == (KeyState.RETIRING, b"")
    assert keyring().signers_for({"mailweb.test"}) == {}
    assert (key.record.name, key.record.value) in keyring().records()
    with pytest.raises(dkim.RecordStillNeededError, match="Keep its record until 2026-11-27"):
        dkim.retire(key=key, now=now + KEEP_RECORD_FOR - timedelta(minutes=1))
    dkim.retire(key=key, now=now + KEEP_RECORD_FOR)
    assert key.state == KeyState.GONE
    assert keyring().records() == []
    with pytest.raises(dkim.WrongStateError):
        dkim.retire(key=key, now=now + KEEP_RECORD_FOR)


def test_a_key_that_was_never_used_is_gone_at_once(key, now):
    dkim.retire(key=key, now=now)
    key.refresh_from_db()
    assert (key.state, bytes(key.sealed_key)) == (KeyState.GONE, b"")


def test_the_database_refuses_two_active_keys_of_a_kind_and_private_keys_after_use(
    domain, key, now
):
    (other,) = dkim.add_keys(domain=domain, algorithms=[Algorithm.ED25519], now=now)
    dkim.activate(key=key, look_up=None, now=now)
    for change in ({"state": KeyState.ACTIVE}, {"state": KeyState.GONE}):
        with pytest.raises(IntegrityError), transaction.atomic():
            DkimKey.objects.filter(pk=other.pk).update(**change)


def test_a_key_that_was_retired_meanwhile_is_not_activated(domain, key, now):
    before = DkimKey.objects.get(pk=key.pk)
    dkim.retire(key=key, now=now)
    with pytest.raises(dkim.WrongStateError, match="changed meanwhile"):
        dkim.activate(key=before, look_up=None, now=now)
    assert DkimKey.objects.get(pk=key.pk).state == KeyState.GONE


def test_a_key_that_cannot_be_opened_is_not_activated_and_says_so(key, now):
    DkimKey.objects.filter(pk=key.pk).update(sealed_key=b"spoilt")
    key.refresh_from_db()
    assert "SECRET_KEY has changed" in dkim.advice(key)
    with pytest.raises(dkim.WrongStateError, match="can't be opened"):
        dkim.activate(key=key, look_up=None, now=now)


# At a shell


def test_keys_are_added_shown_checked_activated_and_retired(domain, settings):
    printed = run("dkim-add", "mailweb.test", "--selector", "s1")
    assert "; s1-rsa (RSA) is planned. Publish the record, then activate the key." in printed
    line = next(each for each in printed.splitlines() if each.startswith("s1-rsa._domainkey"))
    assert line.startswith('s1-rsa._domainkey.mailweb.test. TXT "v=DKIM1; k=rsa; p=MII')
    first, second = line.split('" "')
    assert len(first.partition('"')[2]) == 255
    assert second.endswith('"')

    settings.DNS_RESOLVERS = ["127.0.0.1:9"]
    with running_lab("plain") as lab:
        settings.DNS_RESOLVERS = [lab.environment["DNS_RESOLVERS"]]
        with pytest.raises(CommandError, match="Not all records are published"):
            run("dkim-check", "mailweb.test")
        with pytest.raises(CommandError, match="not done for every key"):
            run("dkim-activate", "mailweb.test")
    assert set(DkimKey.objects.values_list("state", flat=True)) == {"planned"}

    with running_lab("plain", records=keyring().records()) as lab:
        settings.DNS_RESOLVERS = [lab.environment["DNS_RESOLVERS"]]
        assert "yes  s1-rsa (published): Published." in run("dkim-check", "mailweb.test")
        assert run("dkim-activate", "mailweb.test").count("signs now.") == 2
    shown = json.loads(run("dkim-show", "mailweb.test", "--json"))
    assert {(each["selector"], each["state"]) for each in shown} == {
        ("s1-rsa", "active"),
        ("s1-ed25519", "active"),
    }
    assert all("".join(each["strings"]) == each["value"] for each in shown)

    printed = run("dkim-retire", "mailweb.test", "--selector", "s1-rsa")
    assert "Key s1-rsa of mailweb.test is retiring. It signs no more. Keep the record" in printed
    with pytest.raises(CommandError):
        run("dkim-retire", "mailweb.test", "--selector", "s1-rsa")
    assert "is gone" in run("dkim-retire", "mailweb.test", "--selector", "s1-rsa", "--force")


def test_activation_can_be_forced_at_a_shell(domain, settings):
    settings.DNS_RESOLVERS = ["127.0.0.1:9"]
    run("dkim-add", "mailweb.test", "--algorithm", "ed25519")
    (told,) = json.loads(run("dkim-activate", "mailweb.test", "--force", "--json"))
    assert (told["state"], told["algorithm"]) == ("active", "ed25519")


def test_the_records_of_a_domain_include_its_keys(domain, key):
    rows = json.loads(run("records", "mailweb.test", "--json"))
    assert {"name": key.record.name, "value": key.record.value}.items() <= next(
        row for row in rows if "_domainkey" in row["name"]
    ).items()
    assert f'{key.record.name}. TXT "v=DKIM1; k=ed25519; p=' in run("records", "mailweb.test")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["dkim-add", "else.test"], "does not have that domain"),
        (
            ["dkim-add", "mailweb.test", "--selector", "a b", "--algorithm", "rsa"],
            "letters, digits",
        ),
        (["dkim-activate", "mailweb.test"], "There is no new key"),
        (["dkim-retire", "mailweb.test"], "Say which key"),
        (["dkim-retire", "mailweb.test", "--selector", "x"], "no key with that selector"),
    ],
)
def test_what_cannot_be_is_refused_at_a_shell(domain, words, sentence):
    with pytest.raises(CommandError, match=sentence):
        run(*words)


def test_without_keys_there_is_nothing_to_show_and_a_check_fails(domain):
    assert "There are no keys." in run("dkim-show", "mailweb.test")
    with pytest.raises(CommandError):
        run("dkim-check", "mailweb.test")
