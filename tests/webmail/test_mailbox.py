from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse

from delivery.models import OutboundMessage, Recipient, State
from mailweb.webmail import services
from mailweb.webmail.models import Draft, Message, Notice, Role
from tests.webmail.letters import file, letter

INBOX = "/mail/inbox/"
HTMX = {"HX-Request": "true"}


def subjects(response) -> list[str]:
    found = re.findall(r'<span class="row-subject">(.*?)</span>', response.content.decode())
    return [subject.strip() for subject in found]


def test_home_is_the_inbox(as_alice):
    assert as_alice.get("/").url == INBOX


def test_home_of_an_operator_without_mail_is_the_admin(as_operator):
    assert as_operator.get("/").url == reverse("admin:index")


@pytest.mark.parametrize("path", ["/", INBOX, "/mail/sent/"])
def test_stranger_is_sent_to_log_in(client, db, path):
    assert client.get(path).url.startswith(reverse("accounts:login"))


def test_list_shows_whom_it_is_from_what_about_and_its_beginning(as_alice, alice, now):
    file(alice, now)
    page = as_alice.get(INBOX)
    assert subjects(page) == ["Key list"]
    for shown in ("Bob Baker", "The cellar is missing.", "1 unread", "row--new"):
        assert shown in page.content.decode()


def test_name_that_looks_like_an_address_is_not_shown_as_the_sender(as_alice, alice, now):
    file(alice, now, b'From: "bank@bank.test" <eve@evil.test>\r\nSubject: Hi\r\n\r\n')
    page = as_alice.get(INBOX).content.decode()
    assert "eve@evil.test" in page
    assert "bank@bank.test" not in page


def test_what_others_have_is_not_listed(as_charlie, alice, now):
    file(alice, now)
    assert subjects(as_charlie.get(INBOX)) == []


def test_mailbox_of_others_is_not_found(as_charlie, alice):
    box = services.mailboxes_for(alice)[Role.INBOX]
    box.pk, box.slug, box.role = None, "roof", Role.PLAIN
    box.save()
    assert as_charlie.get("/mail/roof/").status_code == 404


def test_wrong_method_is_refused(as_alice):
    assert as_alice.post(INBOX).status_code == 405
    assert as_alice.get("/mail/inbox/change/").status_code == 405


@pytest.mark.parametrize(
    ("slug", "words"),
    [
        ("inbox/", "Nothing here yet"),
        ("drafts/", "No drafts"),
        ("sent/", "Nothing sent yet"),
        ("trash/", "The trash is empty"),
        ("inbox/?show=unread", "Nothing unread"),
    ],
)
def test_empty_list_says_what_will_be_here(as_alice, slug, words):
    assert words in as_alice.get(f"/mail/{slug}").content.decode()


def test_htmx_gets_the_list_alone(as_alice, alice, now):
    file(alice, now)
    part = as_alice.get(INBOX, headers=HTMX | {"HX-Target": "message-list"}).content.decode()
    assert part.lstrip().startswith('<div id="message-list"')
    assert "<html" not in part
    assert "1 unread" in part


def test_pages_follow_each_other_without_loss(as_alice, alice, now):
    for number in range(120):
        # Two of a kind arrive at the same moment: the id settles which comes first.
        file(alice, now + timedelta(minutes=number // 2), letter(subject=f"n{number}"))
    seen: list[str] = []
    path: str | None = INBOX
    while path:
        page = as_alice.get(path)
        seen += subjects(page)
        older = re.search(r'rel="next" href="([^"]*)"', page.content.decode())
        path = INBOX + older[1] if older else None
    assert seen == [f"n{number}" for number in reversed(range(120))]
    newer = re.search(r'rel="prev" href="([^"]*)"', page.content.decode())
    assert newer is not None
    middle = subjects(as_alice.get(INBOX + newer[1]))
    assert middle == [f"n{number}" for number in range(69, 19, -1)]


def test_unreadable_place_is_the_top(as_alice, alice, now):
    file(alice, now)
    for place in ("x", "9" * 18 + "-1", "-", "1-1' OR 1"):
        assert as_alice.get(INBOX, {"before": place}).status_code == 200


def test_filters_show_unread_and_starred(as_alice, alice, now):
    file(alice, now, letter(subject="read"), is_seen=True)
    star = file(alice, now, letter(subject="star"), is_seen=True)
    file(alice, now, letter(subject="new"))
    services.set_flagged(user=alice, uuids=[star.uuid], is_flagged=True)
    assert subjects(as_alice.get(INBOX, {"show": "unread"})) == ["new"]
    assert subjects(as_alice.get(INBOX, {"show": "flagged"})) == ["star"]


@pytest.mark.parametrize("number", [1, 60])
def test_list_costs_the_same_few_queries_however_long_it_is(
    as_alice, alice, now, number, django_assert_num_queries
):
    for _ in range(number):
        file(alice, now)
    as_alice.get(INBOX)
    # Session, user, mailbox, notices, what is held, messages.
    with django_assert_num_queries(6):
        as_alice.get(INBOX, headers=HTMX | {"HX-Target": "message-list"})


def test_list_is_read_through_its_index(alice, now, db):
    file(alice, now)
    box = services.mailboxes_for(alice)[Role.INBOX]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # So few rows are sorted faster than read in order; the question is whether they can be.
            cursor.execute("SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off")
    plan = Message.objects.filter(mailbox=box).order_by("-received_at", "-id")[:50].explain()
    assert "message_list" in plan


def test_sent_mail_shows_to_whom_and_what_needs_attention(as_alice, alice, now):
    outbound = OutboundMessage.objects.create(owner=alice, size_bytes=1, expires_at=now)
    for address, state in (("ines@dane.test", State.DELIVERED), ("x@plain.test", State.FAILED)):
        Recipient.objects.create(
            message=outbound, address=address, domain="x", state=state, settled_at=now
        )
    file(
        alice,
        now,
        letter(to="Ines <ines@dane.test>", subject="Signed"),
        role=Role.SENT,
        is_seen=True,
        outbound=outbound,
        bcc=[("", "x@plain.test")],
    )
    page = as_alice.get("/mail/sent/").content.decode()
    assert "To Ines and x@plain.test" in page
    assert "Not delivered" in page


def test_delivered_mail_is_quiet_in_the_list(as_alice, alice, now):
    outbound = OutboundMessage.objects.create(owner=alice, size_bytes=1, expires_at=now)
    Recipient.objects.create(
        message=outbound, address="a@b.test", domain="b.test", state=State.DELIVERED, settled_at=now
    )
    file(alice, now, role=Role.SENT, outbound=outbound)
    assert 'class="tag' not in as_alice.get("/mail/sent/").content.decode()


def test_drafts_are_listed_with_a_link_to_go_on_writing(as_alice, alice):
    draft = Draft.objects.create(
        user=alice,
        sender="alice@mailweb.test",
        to=["ines@dane.test"],
        subject="Walk",
        body="Half past",
    )
    page = as_alice.get("/mail/drafts/").content.decode()
    assert reverse("webmail:draft", args=[draft.uuid]) in page
    for shown in ("To ines@dane.test", "Walk", "Half past"):
        assert shown in page


def test_unread_notice_stands_above_the_list_until_it_is_dismissed(as_alice, alice, now):
    outbound = OutboundMessage.objects.create(owner=alice, size_bytes=1, expires_at=now)
    notice = file(
        alice,
        now,
        letter(subject="Not delivered: post@harbour.test"),
        reports_on=outbound,
        notice=Notice.FAILED,
    )
    page = as_alice.get(INBOX).content.decode()
    assert page.count("Not delivered: post@harbour.test") == 1
    assert "Put away" in page
    as_alice.post(reverse("webmail:mark-seen", args=[notice.uuid]) + f"?next={INBOX}")
    assert "Put away" not in as_alice.get(INBOX).content.decode()
    assert subjects(as_alice.get(INBOX)) == ["Not delivered: post@harbour.test"]


def test_message_opens_beside_the_list_and_is_read_then(as_alice, alice, now):
    message = file(alice, now)
    page = as_alice.get(INBOX, {"open": message.uuid}).content.decode()
    assert "panes--reading" in page
    assert "row--on" in page
    assert "row--new" not in page
    message.refresh_from_db()
    assert message.is_seen


def test_htmx_gets_the_reader_alone_and_its_address(as_alice, alice, now):
    message = file(alice, now)
    answer = as_alice.get(INBOX, {"open": message.uuid}, headers=HTMX | {"HX-Target": "reader"})
    assert (
        answer.content.decode().lstrip().startswith('<section class="pane pane--read" id="reader"')
    )
    assert answer["HX-Push-Url"] == f"{INBOX}?open={message.uuid}"


@pytest.mark.parametrize("key", ["nonsense", "00000000-0000-0000-0000-000000000000"])
def test_unknown_message_is_not_opened(as_alice, key):
    assert as_alice.get(INBOX, {"open": key}).status_code == 404


def test_message_of_others_is_not_opened(as_charlie, alice, now):
    message = file(alice, now)
    assert as_charlie.get(INBOX, {"open": message.uuid}).status_code == 404
    message.refresh_from_db()
    assert not message.is_seen


def test_chosen_messages_are_moved_and_brought_back(as_alice, alice, now):
    keys = [file(alice, now).uuid, file(alice, now).uuid]
    answer = as_alice.post("/mail/inbox/change/", {"message": keys, "to": "archive"}, follow=True)
    page = answer.content.decode()
    assert "2 messages moved to Archive." in page
    undo = re.search(r'formaction="(/mail/undo/[^"]*)"', page)
    assert undo is not None
    assert subjects(as_alice.get("/mail/archive/")) == ["Key list", "Key list"]
    assert as_alice.post(undo[1]).url == INBOX
    assert subjects(as_alice.get(INBOX)) == ["Key list", "Key list"]


def test_way_back_of_somebody_else_leads_nowhere(as_alice, as_charlie, alice, now):
    key = file(alice, now).uuid
    page = as_alice.post("/mail/inbox/change/", {"message": [key], "to": "trash"}, follow=True)
    undo = re.search(r'formaction="(/mail/undo/[^"]*)"', page.content.decode())
    assert undo is not None
    assert as_charlie.post(undo[1]).status_code == 404
    assert as_alice.post("/mail/undo/forged/").status_code == 404
    assert subjects(as_alice.get("/mail/trash/")) == ["Key list"]


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ("seen", "is_seen", True),
        ("unseen", "is_seen", False),
        ("flag", "is_flagged", True),
        ("unflag", "is_flagged", False),
    ],
)
def test_chosen_messages_are_marked(as_alice, alice, now, change, field, value):
    message = file(alice, now, is_seen=not value)
    services.set_flagged(user=alice, uuids=[message.uuid], is_flagged=not value)
    as_alice.post("/mail/inbox/change/", {"message": [message.uuid], "change": change})
    message.refresh_from_db()
    assert getattr(message, field) is value


def test_chosen_messages_are_deleted_for_good_only_from_the_trash(as_alice, alice, now):
    kept, gone = file(alice, now), file(alice, now, role=Role.TRASH)
    as_alice.post("/mail/trash/change/", {"message": [kept.uuid, gone.uuid], "change": "delete"})
    assert list(Message.objects.all()) == [kept]


def test_nothing_chosen_is_said(as_alice):
    answer = as_alice.post("/mail/inbox/change/", {"change": "seen"}, follow=True)
    assert "Choose at least one message first." in answer.content.decode()


def test_stranger_changes_nothing(as_charlie, alice, charlie, now):
    message = file(alice, now)
    services.mailboxes_for(charlie)
    as_charlie.post("/mail/inbox/change/", {"message": [message.uuid], "to": "trash"})
    message.refresh_from_db()
    assert message.mailbox.role == Role.INBOX


def test_message_cannot_be_moved_into_a_mailbox_of_others(as_alice, alice, charlie, now):
    message = file(alice, now)
    box = services.mailboxes_for(charlie)[Role.INBOX]
    box.pk, box.slug, box.role = None, "theirs", "plain"
    box.save()
    as_alice.post("/mail/inbox/change/", {"message": [message.uuid], "to": "theirs"})
    message.refresh_from_db()
    assert message.mailbox.user == alice
