from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command

from accounts import dkim
from accounts.models import DkimKey, Domain
from accounts.posture.dkim import record_for
from accounts.services import add_domain
from delivery.agent.config import AgentConfig
from delivery.dkim import Algorithm
from delivery.lab import Lab
from mailweb.diagnosis import Grade, machine, network, signatures
from mailweb.diagnosis.signatures import SigningDomain
from tests.fakes.resolver import FakeResolver
from tests.services import free_port

if TYPE_CHECKING:
    from datetime import datetime

    from pytest_django.fixtures import Settings

SIGNED_ROOT = {"SOA .": ["a.root-servers.test"]}
CONFIG = AgentConfig(hostname="mail.mailweb.example", time_scale=0.1)
LOCAL = replace(CONFIG, resolvers=(("127.0.0.1", 53),))
OWN = {
    "A mail.mailweb.example": ["192.0.2.1"],
    "PTR 1.2.0.192.in-addr.arpa.": ["mail.mailweb.example"],
}


async def test_resolver_that_validates_is_fine() -> None:
    found = await network.resolver(FakeResolver(SIGNED_ROOT, secure=["."]), LOCAL)
    assert (found.grade, found.remedy) == (Grade.OK, "")
    assert found.sentence == "DNSSEC is validated by 127.0.0.1, whose word counts."


@pytest.mark.parametrize(
    ("address", "rule", "sentence"),
    [
        ("127.0.0.1", "auto", "DNSSEC is not validated by 127.0.0.1."),
        ("192.0.2.53", "always", "DNSSEC is not validated by 192.0.2.53."),
        ("192.0.2.53", "auto", "What 192.0.2.53 says about DNSSEC could be forged"),
    ],
    ids=["no validator", "no validator afar", "not on this machine"],
)
async def test_without_a_validating_resolver_the_operator_reads_how_to_install_unbound(
    address: str, rule: str, sentence: str
) -> None:
    config = replace(CONFIG, resolvers=((address, 53),), trust_ad=rule)
    found = await network.resolver(FakeResolver(SIGNED_ROOT, validates=False), config)
    assert found.grade is Grade.WARN
    assert found.sentence.startswith(sentence)
    assert "DANE is shown as not checked" in found.remedy
    assert "\napt install unbound\n" in found.remedy
    assert "\nThen set DNS_RESOLVERS=127.0.0.1" in found.remedy


async def test_resolver_that_must_not_be_believed_needs_another_setting_not_unbound() -> None:
    config = replace(LOCAL, trust_ad="never")
    found = await network.resolver(FakeResolver(SIGNED_ROOT, validates=False), config)
    assert found.grade is Grade.WARN
    assert found.remedy.startswith("Set DNS_TRUST_AD=auto")


async def test_resolver_that_is_silent_is_a_failure() -> None:
    found = await network.resolver(FakeResolver({}, silent=["SOA ."]), LOCAL)
    assert found.grade is Grade.FAIL
    assert "127.0.0.1" in found.sentence


async def test_own_name_points_both_ways() -> None:
    found = await network.own_name(FakeResolver(OWN), CONFIG)
    assert found.grade is Grade.OK


@pytest.mark.parametrize(
    ("records", "words"),
    [({}, "no address"), ({"A mail.mailweb.example": ["192.0.2.1"]}, "does not point back")],
    ids=["no address", "no reverse name"],
)
async def test_own_name_that_others_will_doubt(records: dict[str, list[str]], words: str) -> None:
    found = await network.own_name(FakeResolver(records), CONFIG)
    assert found.grade is Grade.WARN
    assert words in found.sentence


async def test_name_without_a_domain_is_no_name() -> None:
    found = await network.own_name(FakeResolver({}), replace(CONFIG, hostname="localhost"))
    assert found.grade is Grade.WARN


async def test_way_out_ends_at_a_greeting() -> None:
    async with Lab(profiles=["plain"]) as lab:
        [(host, address)] = lab.domains["plain.test"].hosts
        resolver = FakeResolver({"MX plain.test": [f"10 {host}"], f"A {host}": [address]})
        found = await network.way_out(
            resolver, replace(CONFIG, smtp_port=lab.smtp_port), "plain.test"
        )
    assert found.grade is Grade.OK
    assert f"{host} answers on port {lab.smtp_port}: 220 " in found.sentence


RECORD = record_for(
    domain="mailweb.test", selector="s1", algorithm=Algorithm.ED25519, public=b"the public half"
)
SIGNED = SigningDomain(name="mailweb.test", records=(RECORD,))
PUBLISHED = {f"TXT {RECORD.name}": [RECORD.value]}


async def test_signatures_that_others_can_check_are_fine() -> None:
    found = await signatures.signatures(FakeResolver(PUBLISHED), [SIGNED])
    assert (found.grade, found.remedy) == (Grade.OK, "")
    assert (await signatures.signatures(FakeResolver({}), [])).grade is Grade.OK


async def test_signatures_are_followed_through_aliases() -> None:
    records = {f"CNAME {RECORD.name}": ["s1.else.test"], "TXT s1.else.test": [RECORD.value]}
    found = await signatures.signatures(FakeResolver(records), [SIGNED])
    assert found.grade is Grade.OK


@pytest.mark.parametrize(
    ("domain", "resolver", "words"),
    [
        (replace(SIGNED, records=()), FakeResolver({}), "goes unsigned"),
        (replace(SIGNED, broken=("s1",)), FakeResolver(PUBLISHED), "can't be opened: s1"),
        (SIGNED, FakeResolver({}), "Missing."),
        (SIGNED, FakeResolver({f"TXT {RECORD.name}": ["v=DKIM1; p="]}), "revoked"),
        (SIGNED, FakeResolver({}, silent=[f"TXT {RECORD.name}"]), "can't be looked up"),
    ],
    ids=["no key", "broken key", "no record", "revoked", "no answer"],
)
async def test_mail_that_others_will_take_for_unsigned(
    domain: SigningDomain, resolver: FakeResolver, words: str
) -> None:
    found = await signatures.signatures(resolver, [domain])
    assert found.grade is Grade.WARN
    assert words in found.sentence
    assert found.remedy


@pytest.mark.django_db
def test_signing_domains_are_those_in_use(now: datetime) -> None:
    domain = add_domain("mailweb.test", now=now)
    Domain.objects.create(name="off.test", is_active=False)
    (key,) = dkim.add_keys(domain=domain, algorithms=[Algorithm.ED25519], now=now)
    assert signatures.signing_domains() == [SigningDomain(name="mailweb.test", records=())]
    dkim.activate(key=key, look_up=None, now=now)
    assert signatures.signing_domains() == [replace(SIGNED, records=(key.record,))]
    DkimKey.objects.update(sealed_key=b"spoilt")
    (found,) = signatures.signing_domains() or []
    assert found.broken == (key.selector,)


async def test_closed_way_out_is_a_failure() -> None:
    resolver = FakeResolver(
        {"MX plain.test": ["10 mx.plain.test"], "A mx.plain.test": ["127.0.0.9"]}
    )
    found = await network.way_out(resolver, replace(CONFIG, smtp_port=free_port()), "plain.test")
    assert found.grade is Grade.FAIL
    assert "connection refused" in found.sentence


async def test_way_out_is_not_judged_without_a_server_to_reach() -> None:
    found = await network.way_out(FakeResolver({}), CONFIG, "nowhere.test")
    assert found.grade is Grade.WARN


def test_data_directory_is_private(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    tmp_path.chmod(0o755)
    assert machine.data_directory().grade is Grade.WARN
    tmp_path.chmod(0o700)
    assert machine.data_directory().grade is Grade.OK
    settings.DATA_DIR = tmp_path / "missing"
    assert machine.data_directory().grade is Grade.FAIL


@pytest.mark.django_db
def test_database_without_its_tables_is_a_failure() -> None:
    call_command("migrate", "webmail", "zero", fake=True, verbosity=0)
    found = machine.database()
    assert found.grade is Grade.FAIL
    assert "migrate" in found.remedy


def test_broker_is_asked(settings: Settings) -> None:
    assert machine.broker().grade is Grade.OK


def test_live_updates_without_a_web_process_are_missed(settings: Settings, tmp_path: Path) -> None:
    settings.REDIS_URL, settings.DATA_DIR = "", tmp_path
    assert machine.live_updates().grade is Grade.WARN


def test_unreachable_redis_is_a_failure(settings: Settings) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    assert machine.live_updates().grade is Grade.FAIL


def test_file_of_authorities_without_one_is_a_failure(settings: Settings, tmp_path: Path) -> None:
    settings.TLS_CA_FILE = str(tmp_path / "roots.pem")
    assert machine.certificate_authorities().grade is Grade.FAIL
    Path(settings.TLS_CA_FILE).write_text("nothing", encoding="ascii")
    assert machine.certificate_authorities().grade is Grade.FAIL


def test_demo_is_never_called_fit_for_the_public(settings: Settings) -> None:
    settings.DEMO = True
    assert machine.deployment().grade is Grade.WARN


@pytest.mark.django_db
def test_doctor_prints_every_finding_and_exits_with_one(settings: Settings) -> None:
    settings.DNS_RESOLVERS = ["127.0.0.1:9"]
    printed, document = StringIO(), StringIO()
    with pytest.raises(SystemExit, match="1"):
        call_command("doctor", stdout=printed)
    with pytest.raises(SystemExit, match="1"):
        call_command("doctor", "--json", stdout=document)
    findings = json.loads(document.getvalue())["findings"]
    assert [one["name"] for one in findings if one["grade"] == "fail"] == ["resolver"]
    assert "fail  resolver: DNS does not work" in printed.getvalue()
