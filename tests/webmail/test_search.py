from __future__ import annotations

import re

import pytest
from django.urls import reverse

from mailweb.webmail.models import Role
from mailweb.webmail.selectors import search
from tests.webmail.letters import file, letter

SEARCH = "/mail/search/"


def subjects(response) -> list[str]:
    return re.findall(r'<span class="row-subject">(.*?)</span>', response.content.decode())


@pytest.fixture
def mail(alice, now):
    file(alice, now, letter("The pump is repaired.", subject="Garden minutes"))
    file(
        alice,
        now,
        letter(
            "Half past nine.", subject="Walk", cc="Ines Varga <ines@dane.test>, Jörg <j@dane.test>"
        ),
    )
    file(alice, now, letter("Garden fence", subject="Sold"), role=Role.JUNK)
    file(
        alice, now, letter("x", subject="Secret copy"), role=Role.SENT, bcc=[("", "eve@plain.test")]
    )


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("garden", ["Garden minutes"]),
        ("GARDEN pump", ["Garden minutes"]),
        ("pump walk", []),
        ("bob", ["Secret copy", "Walk", "Garden minutes"]),
        ("varga", ["Walk"]),
        ("ines@dane", ["Walk"]),
        ("Jörg", ["Walk"]),
        ("eve@plain.test", ["Secret copy"]),
        ("100%", []),
        ("_", []),
        ("", []),
        ("   ", []),
    ],
)
def test_every_word_is_found_in_names_addresses_subjects_and_first_lines(
    as_alice, mail, query, found
):
    assert subjects(as_alice.get(SEARCH, {"q": query})) == found


def test_mail_of_others_is_not_found(as_charlie, mail):
    assert subjects(as_charlie.get(SEARCH, {"q": "garden"})) == []


def test_stranger_is_sent_to_log_in(client, db):
    assert client.get(SEARCH).url.startswith(reverse("accounts:login"))


def test_wrong_method_is_refused(as_alice):
    assert as_alice.post(SEARCH).status_code == 405


def test_htmx_gets_the_results_alone(as_alice, mail):
    headers = {"HX-Request": "true", "HX-Target": "results"}
    part = as_alice.get(SEARCH, {"q": "garden"}, headers=headers).content.decode()
    assert part.lstrip().startswith('<div class="results" id="results">')
    assert "<html" not in part


def test_page_says_where_each_message_is_and_what_is_not_searched(as_alice, mail):
    assert "Inbox" in as_alice.get(SEARCH, {"q": "garden"}).content.decode()
    assert "Nothing found" in as_alice.get(SEARCH, {"q": "zebra"}).content.decode()
    assert "Trash and junk are not searched." in as_alice.get(SEARCH).content.decode()


def test_too_many_results_are_cut_and_the_page_says_so(as_alice, alice, now, monkeypatch):
    monkeypatch.setattr(search, "MOST_RESULTS", 3)
    for _ in range(5):
        file(alice, now)
    page = as_alice.get(SEARCH, {"q": "cellar"})
    assert len(subjects(page)) == 3
    assert "The newest 3 messages" in page.content.decode()


def test_odd_queries_are_no_error(as_alice, mail):
    for query in ("\0", "'; --", "%" * 500, "a " * 500, "\ud7ff"):
        assert as_alice.get(SEARCH, {"q": query}).status_code == 200


def test_search_costs_a_fixed_number_of_queries(as_alice, alice, now, django_assert_num_queries):
    for _ in range(20):
        file(alice, now)
    headers = {"HX-Request": "true", "HX-Target": "results"}
    as_alice.get(SEARCH)
    with django_assert_num_queries(3):  # session, user, messages with their mailboxes
        as_alice.get(SEARCH, {"q": "cellar"}, headers=headers)
