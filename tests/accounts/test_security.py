from __future__ import annotations

import csv
import io
import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.dashboard.export import harmless
from accounts.dashboard.overview import overview
from delivery.models import Attempt, ProbeRequest
from delivery.policy.facts import Dnssec, Proof, Starttls
from delivery.policy.modes import Mode, PledgeKind
from delivery.policy.reasons import Reason
from delivery.policy.record import Mechanism
from delivery.policy.verdict import Way
from delivery.selectors import way_of
from tests.accounts.seen import make_facts, make_session

PLAIN = Starttls.NOT_OFFERED


@pytest.fixture
def seen(alice):
    at = timezone.now() - timedelta(minutes=5)
    make_session(alice, "dane.test", at, proofs=[Proof.DANE_EE])
    make_session(alice, "plain.test", at, starttls=PLAIN)
    make_session(alice, "sure.test", at, proofs=[Proof.DANE_EE], requiretls=True)
    make_session(alice, "xn--bcher-kva.test", at)


def text(response: Any) -> str:
    return str(response.content.decode())


def part(client: Client, url: str, target: str) -> str:
    return text(client.get(url, headers={"hx-request": "true", "hx-target": target})).strip()


def test_nothing_seen_is_said_and_not_drawn(as_alice):
    page = text(as_alice.get("/security/"))
    assert "No server has shown anything yet." in page
    assert "<table" not in page
    assert 'hx-target="body"' in page  # the first evidence brings the whole page


def test_alice_sees_how_her_copies_travelled(as_alice, seen):
    page = text(as_alice.get("/security/"))
    assert "2 of your 4 messages travelled over verified TLS. One went in plain text." in page
    assert "sure.test" in page
    assert "bücher.test" in page
    assert '<span class="strong is-yes">1 of 4</span> does, 3 do not.' in page


def test_charlie_sees_only_his_own(as_charlie, charlie, seen):
    assert "dane.test" not in text(as_charlie.get("/security/"))
    make_session(charlie, "own.test", timezone.now())
    page = text(as_charlie.get("/security/"))
    assert "own.test" in page
    assert "dane.test" not in page
    assert "dane.test" not in text(as_charlie.get("/security/export.csv"))
    assert as_charlie.get("/security/dane.test/").status_code == 404


@pytest.mark.parametrize(
    "url",
    ["/security/", "/security/dane.test/", "/security/export.csv", "/security/export.json"],
)
def test_the_pages_are_for_those_who_are_logged_in_and_only_read(as_alice, seen, url):
    assert Client().get(url)["Location"] == f"/accounts/login/?next={url}"
    assert as_alice.get(url).status_code == 200
    assert as_alice.post(url).status_code == 405


@pytest.mark.parametrize("count", [1, 30])
def test_the_overview_costs_the_same_for_any_number_of_domains(
    as_alice, alice, count, django_assert_max_num_queries
):
    for number in range(count):
        make_session(alice, f"d{number}.test", timezone.now() - timedelta(hours=number))
    as_alice.get("/settings/")
    with django_assert_max_num_queries(18):
        as_alice.get("/security/")


def test_a_part_costs_only_its_own_queries(as_alice, seen, django_assert_num_queries):
    as_alice.get("/security/")
    with django_assert_num_queries(5):  # who asks (2), the copies, the counts, the alerts
        overview = part(as_alice, "/security/", "overview")
    assert overview.startswith('<div class="stack" id="overview"')
    with django_assert_num_queries(9):  # who asks (2), the page (2), bars (3), copies, filters
        domains = part(as_alice, "/security/?q=dane", "domains")
    assert domains.startswith('<div class="section section--tight" id="domains"')
    assert "dane.test" in domains
    assert "plain.test" not in domains


@pytest.mark.parametrize(
    ("asked", "domains"),
    [
        ("?show=plain", ["plain.test"]),
        ("?q=büch", ["bücher.test"]),
        ("?q=bcher", ["bücher.test"]),
        ("?q=nowhere", []),
        ("?sort=domain", ["dane.test", "plain.test", "sure.test", "bücher.test"]),
        ("?sort=-domain", ["bücher.test", "sure.test", "plain.test", "dane.test"]),
        (
            "?sort=nonsense&show=nonsense&page=99",
            ["dane.test", "plain.test", "sure.test", "bücher.test"],
        ),
    ],
)
def test_the_table_is_searched_filtered_and_sorted(as_alice, seen, asked, domains):
    shown = part(as_alice, f"/security/{asked}", "domains")
    found = {name: shown.find(f">{name}</a>") for name in domains}
    assert all(place > 0 for place in found.values())
    assert sorted(domains, key=found.__getitem__) == domains
    assert shown.count('class="dom"') == len(domains)


def test_a_domain_that_was_never_seen_can_be_checked_from_the_search(as_alice, seen):
    shown = part(as_alice, "/security/?q=far.test", "domains")
    assert 'formaction="/security/check/?domain=far.test"' in shown
    assert "formaction" not in part(as_alice, "/security/?q=far", "domains")


def test_long_tables_come_by_the_page_and_keep_the_question(as_alice, alice):
    for number in range(51):
        make_session(alice, f"d{number:02}.test", timezone.now() - timedelta(hours=number))
    first = part(as_alice, "/security/?sort=domain", "domains")
    assert "1 to 50 of 51" in first
    assert "?sort=domain&amp;page=2" in first
    assert "d50.test" in part(as_alice, "/security/?sort=domain&page=2", "domains")


def test_a_wish_for_an_unknown_part_gets_the_page(as_alice, seen):
    answer = as_alice.get("/security/", headers={"hx-request": "true", "hx-target": "elsewhere"})
    assert answer["HX-Retarget"] == "body"
    assert "<!doctype html>" in text(answer)


def test_the_weeks_count_copies_as_their_receipts_tell_them(alice, now):
    tls: list[dict[str, Any]] = [
        {"proofs": proofs, "dnssec": dnssec, "reason": reason, "mode": mode}
        for proofs in (
            [],
            [Proof.PKIX],
            [Proof.STS_PKIX],
            [Proof.DANE_EE],
            [Proof.DANE_EE, Proof.PKIX],
        )
        for dnssec in (Dnssec.SECURE, Dnssec.INSECURE)
        for reason in (Reason.NONE, Reason.CERTIFICATE_NOT_TRUSTED, Reason.TLSA_INVALID)
        for mode in (Mode.DEFAULT, Mode.VERIFIED)
    ]
    for number, case in enumerate([*tls, {"starttls": PLAIN}, {"requiretls": True}]):
        make_session(alice, f"d{number}.test", now, **case)
    ways = {Way.REQUIRETLS: 1, Way.VERIFIED: 2, Way.TLS: 3, Way.PLAIN: 4}
    told = Counter(ways[way_of(attempt)] for attempt in Attempt.objects.all())
    counted = {row.level: row.copies for row in overview(owner_id=alice.pk, now=now).levels}
    assert counted == told
    assert min(told.values()) == 1


def test_what_was_lost_needs_attention(as_alice, alice):
    at = timezone.now()
    make_session(alice, "lost.test", at - timedelta(days=2))
    make_session(alice, "lost.test", at, starttls=PLAIN)
    make_session(alice, "broken.test", at, outcome="deferred", stopped_by=Mechanism.DANE)
    page = text(as_alice.get("/security/"))
    assert "lost.test stopped offering TLS" in page
    assert "broken.test: certificate and DANE disagree" in page
    assert '<span class="tag tag--bad">2</span>' in page
    assert 'id="nav-count-alerts">2<' in page
    assert 'id="nav-count-domains">2<' in page


def test_the_table_comes_as_csv_without_formulas(as_alice, alice, seen):
    answer = as_alice.get("/security/export.csv?sort=domain&show=plain")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="mailweb-domains-' in answer["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(text(answer))))
    assert [row["domain"] for row in rows] == ["plain.test"]
    assert (rows[0]["starttls"], rows[0]["starttls_of"], rows[0]["sent"]) == ("no", "1", "1")


def test_the_table_comes_as_json(as_alice, seen):
    document = json.loads(text(as_alice.get("/security/export.json?sort=domain")))
    assert [row["domain"] for row in document["domains"]] == [
        "dane.test",
        "plain.test",
        "sure.test",
        "xn--bcher-kva.test",
    ]
    assert document["domains"][2]["bars"]["requiretls"]["state"] == "yes"
    assert document["domains"][2]["verified"] == 1


def test_exports_take_three_queries_for_hundreds_of_domains(
    as_alice, alice, django_assert_num_queries
):
    for number in range(30):
        make_session(alice, f"d{number}.test", timezone.now())
    with django_assert_num_queries(6):  # who asks (2), the rows, their records, look-ups and routes
        as_alice.get("/security/export.csv")


def test_a_check_is_asked_for_and_said(as_alice, alice, started):
    page = as_alice.post("/security/check/", {"domain": "Far.Test"}, follow=True)
    assert page.redirect_chain == [("/security/far.test/", 302)]
    assert "Asking the servers of far.test. Nothing is sent." in text(page)
    assert "Asking the servers now" in text(page)
    assert ", every 2s" in text(page)  # news that comes before the socket is open is not missed
    ProbeRequest.objects.update(finished_at=timezone.now())
    assert "every 2s" not in text(as_alice.get("/security/far.test/"))
    assert ProbeRequest.objects.get().domain == "far.test"


def test_a_check_leads_back_only_to_own_pages(as_alice):
    ours = {"domain": "far.test", "next": "/mail/compose/"}
    assert as_alice.post("/security/check/", ours)["Location"] == "/mail/compose/"
    trap = {"domain": "far.test", "next": "//evil.test/"}
    assert as_alice.post("/security/check/", trap)["Location"] == "/security/far.test/"


def test_a_check_by_htmx_leaves_a_toast_and_renews_the_page(as_alice):
    answer = as_alice.post(
        "/security/check/?domain=far.test", headers={"hx-request": "true", "hx-target": "x"}
    )
    assert json.loads(answer["HX-Trigger"]) == {"domain-changed": {"domain": "far.test"}}
    assert (answer["HX-Retarget"], answer["HX-Reswap"]) == ("#toasts", "beforeend")
    assert "Nothing is sent." in text(answer)


def test_a_check_too_many_is_refused_with_a_sentence(as_alice, alice, now):
    ProbeRequest.objects.bulk_create(
        ProbeRequest(owner=alice, domain=f"d{n}.test", requested_at=timezone.now(), finished_at=now)
        for n in range(60)
    )
    page = as_alice.post("/security/check/", {"domain": "far.test"}, follow=True)
    assert "Too many checks" in text(page)
    by_htmx = as_alice.post(
        "/security/check/", {"domain": "far.test"}, headers={"hx-request": "true"}
    )
    assert by_htmx.status_code == 422
    assert not ProbeRequest.objects.filter(domain="far.test").exists()


def test_a_check_of_nonsense_is_refused(as_alice):
    page = as_alice.post("/security/check/", {"domain": "not a domain"}, follow=True)
    assert "Enter a domain name" in text(page)


def test_a_check_is_a_post_of_someone_logged_in(as_alice):
    assert as_alice.get("/security/check/").status_code == 405
    assert Client().post("/security/check/")["Location"].startswith("/accounts/login/")


def test_a_formula_in_a_cell_is_defused():
    assert harmless("=1+1") == "'=1+1"
    assert harmless("far.test") == "far.test"


def test_a_pledge_is_made_and_withdrawn_on_the_page_of_its_domain(as_alice, alice, seen, now):
    form = {"target": "dane.test", "kind": "verified", "next": "/security/dane.test/"}
    assert as_alice.post("/settings/pledges/", form)["Location"] == "/security/dane.test/"
    services.make_pledge(user=alice, target="eve@dane.test", kind=PledgeKind.PLAIN, now=now)
    page = text(as_alice.get("/security/dane.test/"))
    assert "Never without verified TLS, for everyone there." in page
    assert "eve@dane.test" in page


def test_the_page_of_a_domain_is_found_by_either_name(as_alice, seen):
    assert as_alice.get("/security/bücher.test/").status_code == 200
    assert as_alice.get("/security/BÜCHER.test/").status_code == 200
    assert as_alice.get("/security/elsewhere.test/").status_code == 404
    assert as_alice.get("/security/nonsense/").status_code == 404


def test_the_page_of_a_domain_costs_few_queries(as_alice, alice, seen, django_assert_num_queries):
    make_facts("dane.test", timezone.now())
    for _ in range(10):
        make_session(alice, "dane.test", timezone.now(), proofs=[Proof.DANE_EE])
    with django_assert_num_queries(10):  # who asks (2), the gate, and seven
        evidence = part(as_alice, "/security/dane.test/", "evidence")
    assert evidence.startswith('<div class="stack" id="evidence" data-domain="dane.test"')
