"""Compose through its pages: with scripts and without, nothing typed is ever lost."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.models import Address, Domain
from delivery.models import DomainLookup, OutboundMessage, ProbeRequest
from delivery.policy.facts import Part
from delivery.policy.modes import Mode
from mailweb.webmail import composing, services
from mailweb.webmail.composing import Written
from mailweb.webmail.models import Correspondent, Draft, Role
from tests.webmail.servers import broken, looked_up, plain, strong

SCRIPT = {"HX-Request": "true"}
COMPOSE = "/mail/compose/"


@pytest.fixture(autouse=True)
def frozen(time_machine, now):
    time_machine.move_to(now, tick=False)


def a_draft(user, now, **changes) -> Draft:
    fields = {"sender": "alice@mailweb.test", "to": ("bob@x.test",), "subject": "Lease"}
    draft = composing.new_draft(user)
    return composing.save_draft(draft, Written(**(fields | changes)), now=now)


def url(name: str, draft: Draft, *more: object) -> str:
    return reverse(f"webmail:{name}", args=[draft.uuid, *more])


def typed(draft: Draft | None = None, **changes) -> dict[str, object]:
    said: dict[str, object] = {
        "sender": "alice@mailweb.test",
        "to": "bob@x.test",
        "subject": "Lease",
        "body": "Dear Bob",
        "mode": "default",
        "shown": "default",
        "version": draft.version if draft else 0,
    }
    return said | changes


def letter(user, now, data: bytes = b"", **headers: str):
    fields = {"From": "Mira <bobx@x.test>", "Subject": "Hello"} | headers
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode()
    return services.file_message(
        user=user, role_or_mailbox=Role.INBOX, data=data or head + b"\r\nReady?\r\n", now=now
    )


# Opening


def test_a_new_message_stores_nothing(as_alice):
    page = as_alice.get(COMPOSE)
    assert page.status_code == 200
    assert "New message" in page.text
    assert "Chosen for you" in page.text
    assert not Draft.with_sent.exists()


def test_a_new_message_can_begin_with_recipients(as_alice, alice, now):
    plain("plain.test", owner=alice, now=now)
    page = as_alice.get(COMPOSE, {"to": "Post <post@plain.test>, bob@x.test"}).text
    assert 'value="Post &lt;post@plain.test&gt;"' in page
    assert "because plain.test did not offer TLS in any of 3 sessions" in page


def test_reply_and_forward_open_without_storing(as_alice, alice, now):
    message = letter(alice, now)
    reply = as_alice.get(reverse("webmail:reply", args=[message.uuid])).text
    assert "Re: Hello" in reply
    assert "Mira &lt;bobx@x.test&gt;" in reply
    assert f'name="reply_to" value="{message.uuid}"' in reply
    forward = as_alice.get(reverse("webmail:forward", args=[message.uuid])).text
    assert "Fwd: Hello" in forward
    assert not Draft.with_sent.exists()


def test_reply_to_all_names_everybody_else(as_alice, alice, now):
    message = letter(alice, now, To="alice@mailweb.test, bob@x.test", Cc="carol@y.test")
    page = as_alice.get(reverse("webmail:reply", args=[message.uuid]), {"all": "1"}).text
    assert 'data-chip="bob@x.test"' in page
    assert 'data-chip="carol@y.test"' in page
    assert 'data-chip="alice@mailweb.test"' not in page


def test_the_first_save_ties_an_answer_to_its_message(as_alice, alice, now):
    message = letter(alice, now, **{"Message-ID": "<1@x.test>", "List-Id": "<talk.x.test>"})
    key = uuid4()
    as_alice.post(f"{COMPOSE}{key}/", typed(reply_to=str(message.uuid)))
    draft = Draft.objects.get()
    assert (draft.uuid, draft.reply_to, draft.references) == (key, message, ["<1@x.test>"])
    assert draft.is_list_reply


def test_an_answer_to_the_message_of_somebody_else_is_refused(as_charlie, alice, now):
    message = letter(alice, now)
    answer = as_charlie.post(f"{COMPOSE}{uuid4()}/", typed(reply_to=str(message.uuid)))
    assert answer.status_code == 404
    assert not Draft.with_sent.exists()


def test_the_sender_is_asked_for_where_there_are_several(as_alice, alice):
    assert '<select class="line-input line-input--select"' not in as_alice.get(COMPOSE).text
    domain = Domain.objects.get(name="mailweb.test")
    Address.objects.create(user=alice, local_part="office", domain=domain)
    assert "<option>office@mailweb.test</option>" in as_alice.get(COMPOSE).text


# Who may


def every_post(draft: Draft) -> list[str]:
    names = ("draft", "draft-outlook", "draft-send", "draft-discard", "draft-attach", "draft-check")
    return [*(url(name, draft) for name in names), url("draft-detach", draft, uuid4())]


def test_strangers_get_404_everywhere(as_charlie, alice, now):
    draft = a_draft(alice, now)
    message = letter(alice, now)
    for address in (
        url("draft", draft),
        url("draft-outlook", draft),
        reverse("webmail:reply", args=[message.uuid]),
        reverse("webmail:forward", args=[message.uuid]),
    ):
        assert as_charlie.get(address).status_code == 404
    for address in every_post(draft):
        assert as_charlie.post(address, typed(draft)).status_code == 404
    assert Draft.objects.get().body == ""


def test_who_is_logged_out_is_sent_to_the_door(client, alice, now):
    draft = a_draft(alice, now)
    for address in (COMPOSE, url("draft", draft), url("draft-outlook", draft)):
        assert client.get(address).url.startswith("/accounts/login/")
    for address in every_post(draft):
        assert client.post(address, typed(draft)).url.startswith("/accounts/login/")
    assert Draft.objects.get().body == ""


def test_wrong_methods_are_refused(as_alice, alice, now):
    draft = a_draft(alice, now)
    for address in every_post(draft)[2:]:
        assert as_alice.get(address).status_code == 405
    assert as_alice.post(COMPOSE).status_code == 405
    assert as_alice.post(reverse("webmail:addresses")).status_code == 405
    assert as_alice.put(url("draft", draft)).status_code == 405


def test_a_draft_that_does_not_exist_is_not_shown(as_alice):
    assert as_alice.get(f"{COMPOSE}{uuid4()}/").status_code == 404


def test_somebody_elses_file_cannot_be_taken_out(as_alice, alice, bob, now):
    mine, theirs = a_draft(alice, now), a_draft(bob, now)
    file = composing.attach(theirs, SimpleUploadedFile("a.pdf", b"x"))
    answer = as_alice.post(url("draft-detach", mine, file.uuid), typed(mine))
    assert answer.status_code == 404
    assert theirs.attachments.exists()


# Saving


def test_saving_without_scripts_leads_to_the_stored_draft(as_alice):
    key = uuid4()
    answer = as_alice.post(f"{COMPOSE}{key}/", typed(body="a\r\nb\0"))
    assert answer.url == f"{COMPOSE}{key}/"
    assert Draft.objects.get().body == "a\nb"
    page = as_alice.get(answer.url).text
    assert "Draft saved" in page
    assert 'data-chip="bob@x.test"' in page


def test_saving_by_a_script_answers_with_the_state_alone(as_alice):
    answer = as_alice.post(f"{COMPOSE}{uuid4()}/", typed(), headers=SCRIPT)
    assert answer.status_code == 200
    assert answer.text.strip().startswith('<div class="save-state" id="save-state"')
    assert "Draft saved" in answer.text
    assert "compose-files" in answer.text
    assert "compose-rail" not in answer.text
    again = as_alice.post(answer.wsgi_request.path, typed(version=1), headers=SCRIPT)
    assert "compose-files" not in again.text


def test_the_first_line_break_of_a_body_is_kept(as_alice, alice, now):
    draft = a_draft(alice, now, body="\nDear Bob")
    assert ">\n\nDear Bob</textarea>" in as_alice.get(url("draft", draft)).text


def test_another_tab_is_noticed_and_shown_what_was_typed(as_alice, alice, now):
    draft = a_draft(alice, now, page="first")
    composing.save_draft(draft, Written(body="newer", version=1, page="first"), now=now)
    stale = typed(body="mine", version=1, page="second")
    answer = as_alice.post(url("draft", draft), stale)
    assert answer.status_code == 409
    assert "mine</textarea>" in answer.text
    assert "Keep what stands here" in answer.text
    assert Draft.objects.get().body == "newer"
    as_alice.post(url("draft", draft), stale | {"force": "1"})
    assert Draft.objects.get().body == "mine"


def test_what_has_been_sent_is_not_saved_again(as_alice, alice, now):
    draft = a_draft(alice, now)
    as_alice.post(url("draft-send", draft), typed(draft))
    answer = as_alice.post(url("draft", draft), typed(draft, body="late"), follow=True)
    assert "This message has been sent already." in answer.text
    assert Draft.with_sent.get().body == "Dear Bob"


def test_discard_deletes_and_a_draft_that_was_never_stored_is_left(as_alice, alice, now):
    draft = a_draft(alice, now)
    assert as_alice.post(url("draft-discard", draft)).url == "/mail/drafts/"
    assert not Draft.with_sent.exists()
    assert as_alice.post(f"{COMPOSE}{uuid4()}/discard/").status_code == 302


# Recipients, bars and modes


def test_checking_recipients_saves_looks_up_and_shows_what_is_known(as_alice, alice, now):
    plain("plain.test", owner=alice, now=now)
    answer = as_alice.post(
        f"{COMPOSE}{uuid4()}/outlook/", typed(to="post@plain.test, new@new.test"), follow=True
    )
    page = answer.text
    assert 'data-chip="post@plain.test"' in page
    assert 'id="server-plain.test"' in page
    assert 'id="server-new.test"' in page
    assert "Plain text" in page
    assert "Checking" in page
    assert DomainLookup.objects.get(domain="new.test").started_at == now


def test_a_script_gets_every_part_that_can_have_changed(as_alice, alice, now):
    draft = a_draft(alice, now)
    answer = as_alice.post(url("draft-outlook", draft), typed(draft), headers=SCRIPT).text
    for part in (
        "save-state",
        "compose-notes",
        "compose-entries",
        "ledger",
        "compose-files",
        "compose-rail",
        "send-line",
    ):
        assert f'id="{part}"' in answer
    assert "<html" not in answer


def test_looking_again_changes_nothing(as_alice, alice, now):
    draft = a_draft(alice, now)
    answer = as_alice.get(url("draft-outlook", draft), headers=SCRIPT)
    assert 'id="server-x.test"' in answer.text
    draft.refresh_from_db()
    assert draft.version == 1
    assert not DomainLookup.objects.exists()


def test_a_reply_that_was_only_opened_is_looked_up_and_not_stored(as_alice, now):
    answer = as_alice.post(
        f"{COMPOSE}{uuid4()}/outlook/", typed(to="new@new.test", look="1"), headers=SCRIPT
    )
    assert 'id="server-new.test"' in answer.text
    assert "save-state" not in answer.text
    assert DomainLookup.objects.get(domain="new.test").started_at == now
    assert not Draft.with_sent.exists()


def test_own_domains_are_not_looked_up(as_alice, alice, bob, now):
    draft = a_draft(alice, now)
    as_alice.post(url("draft-outlook", draft), typed(draft, to="bob@mailweb.test"))
    assert not DomainLookup.objects.exists()
    assert "Stays on this server" in as_alice.get(url("draft", draft)).text


def test_one_field_takes_a_pasted_list(as_alice, alice, now):
    draft = a_draft(alice, now)
    pasted = 'Bob <bob@x.test>; "Office, D" <d@y.test>\r\ncarol@z.test'
    as_alice.post(url("draft-outlook", draft), typed(draft, to=["first@x.test", pasted]))
    assert Draft.objects.get().to == [
        "first@x.test",
        "Bob <bob@x.test>",
        '"Office, D" <d@y.test>',
        "carol@z.test",
    ]


def test_a_chip_can_be_removed_without_scripts(as_alice, alice, now):
    draft = a_draft(alice, now)
    said = typed(draft, to=["bob@x.test", "carol@y.test"], remove="to:bob@x.test")
    as_alice.post(url("draft-outlook", draft), said)
    assert Draft.objects.get().to == ["carol@y.test"]


def test_cc_and_bcc_can_be_shown_without_scripts(as_alice, alice, now):
    draft = a_draft(alice, now)
    answer = as_alice.post(url("draft-outlook", draft), typed(draft, more="1"), follow=True)
    assert 'data-line="bcc" data-label="Bcc">' in answer.text


def test_a_mode_that_is_picked_is_a_choice_by_hand_and_stays(as_alice, alice, now):
    strong("x.test", owner=alice, now=now)
    draft = a_draft(alice, now)
    said = typed(draft, mode="verified", shown="requiretls")
    page = as_alice.post(url("draft-outlook", draft), said, follow=True).text
    assert "Your choice" in page
    draft.refresh_from_db()
    assert (draft.mode, draft.mode_is_by_hand) == (Mode.VERIFIED, True)
    plain("plain.test", owner=alice, now=now)
    said = typed(draft, mode="verified", shown="verified", by_hand="1", to="post@plain.test")
    page = as_alice.post(url("draft-outlook", draft), said, follow=True).text
    draft.refresh_from_db()
    assert (draft.mode, draft.mode_is_by_hand) == (Mode.VERIFIED, True)
    assert "Default for plain.test" in page


def test_the_choice_can_be_given_back(as_alice, alice, now):
    draft = a_draft(alice, now, mode=Mode.VERIFIED, mode_is_by_hand=True)
    said = typed(draft, mode="verified", shown="verified", by_hand="1", auto="1")
    assert "Chosen for you" in as_alice.post(url("draft-outlook", draft), said, follow=True).text
    assert not Draft.objects.get().mode_is_by_hand


def test_the_mode_chosen_for_the_sender_changes_with_the_recipients(as_alice, alice, now):
    strong("x.test", owner=alice, now=now)
    plain("plain.test", owner=alice, now=now)
    draft = a_draft(alice, now)
    assert 'value="requiretls" checked' in as_alice.get(url("draft", draft)).text
    said = typed(draft, mode="requiretls", shown="requiretls", to=["bob@x.test", "p@plain.test"])
    page = as_alice.post(url("draft-outlook", draft), said, follow=True).text
    assert 'value="default" checked' in page
    draft.refresh_from_db()
    said = typed(draft, remove="to:p@plain.test", to=["bob@x.test", "p@plain.test"])
    page = as_alice.post(url("draft-outlook", draft), said, follow=True).text
    assert 'value="requiretls" checked' in page


def test_one_copy_can_go_differently_and_back(as_alice, alice, now):
    strong("x.test", owner=alice, now=now)
    plain("plain.test", owner=alice, now=now)
    draft = a_draft(alice, now, to=("bob@x.test", "p@plain.test"))
    said = typed(draft, to=["bob@x.test", "p@plain.test"])
    as_alice.post(url("draft-outlook", draft), said | {"copy": "requiretls:bob@x.test"})
    assert Draft.objects.get().copy_modes == {"bob@x.test": "requiretls"}
    said["version"] = 2
    as_alice.post(url("draft-outlook", draft), said | {"copy": "auto:bob@x.test"})
    assert Draft.objects.get().copy_modes == {}


def test_a_nonsense_copy_or_mode_changes_nothing(as_alice, alice, now):
    draft = a_draft(alice, now)
    said = typed(draft, copy="maximum:bob@x.test", mode="maximum", shown="x")
    assert as_alice.post(url("draft-outlook", draft), said).status_code == 302
    draft.refresh_from_db()
    assert (draft.copy_modes, draft.mode, draft.mode_is_by_hand) == ({}, Mode.DEFAULT, False)


def test_check_now_asks_the_servers_and_keeps_what_was_typed(as_alice, alice, now):
    draft = a_draft(alice, now)
    as_alice.post(url("draft-check", draft), typed(draft, domain="x.test", body="typed"))
    assert ProbeRequest.objects.get().domain == "x.test"
    assert Draft.objects.get().body == "typed"


def test_too_many_checks_are_refused_with_a_sentence(as_alice, alice, now):
    draft = a_draft(alice, now)
    ProbeRequest.objects.bulk_create(
        ProbeRequest(owner=alice, domain=f"{n}.test", requested_at=now) for n in range(60)
    )
    answer = as_alice.post(url("draft-check", draft), typed(draft, domain="x.test"))
    assert answer.status_code == 422
    assert "Too many checks" in answer.text


def test_answers_that_arrive_later_are_shown_bar_by_bar(as_alice, alice, now):
    looked_up("x.test", now=now, has_dane=True, parts=frozenset({Part.MX}))
    DomainLookup.objects.update(expires_at=None)
    draft = a_draft(alice, now)
    page = as_alice.get(url("draft-outlook", draft), headers=SCRIPT).text
    assert "Signed" in page
    assert "Checking" in page
    assert "data-checking" in page


# Files


def upload(name: str = "lease.pdf", size: int = 10) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, b"x" * size, content_type="application/pdf")


def test_files_are_attached_with_and_without_scripts(as_alice, alice, now):
    draft = a_draft(alice, now)
    said = typed(draft, files=[upload("a.pdf"), upload("b.pdf")])
    assert as_alice.post(url("draft-attach", draft), said).url == url("draft", draft)
    page = as_alice.get(url("draft", draft)).text
    assert "a.pdf" in page
    draft.refresh_from_db()
    answer = as_alice.post(
        url("draft-attach", draft), typed(draft, files=[upload("c.pdf")]), headers=SCRIPT
    )
    assert 'id="compose-files"' in answer.text
    assert "c.pdf" in answer.text


def test_a_file_can_be_taken_out(as_alice, alice, now):
    draft = a_draft(alice, now)
    file = composing.attach(draft, upload())
    as_alice.post(url("draft-detach", draft, file.uuid), typed(draft, body="typed"))
    assert not draft.attachments.exists()
    assert Draft.objects.get().body == "typed"


def test_a_file_of_thirty_megabytes_is_refused_and_nothing_is_lost(as_alice, alice, now):
    draft = a_draft(alice, now)
    said = typed(draft, body="typed", files=[upload("film.mp4", 30 * 1024 * 1024), upload("a.pdf")])
    answer = as_alice.post(url("draft-attach", draft), said)
    assert answer.status_code == 422
    assert "“film.mp4” is 30 MB. The files of one message can be 25 MB together." in answer.text
    assert "typed</textarea>" in answer.text
    assert [file.name for file in draft.attachments.all()] == ["a.pdf"]


def test_send_takes_along_files_that_were_only_chosen(as_alice, alice, now):
    draft = a_draft(alice, now)
    as_alice.post(url("draft-send", draft), typed(draft, files=[upload()]))
    assert b"lease.pdf" in bytes(OutboundMessage.objects.get().content.data)


def test_send_with_a_file_that_is_too_large_sends_nothing(as_alice, alice, now, settings):
    settings.MAX_MESSAGE_BYTES = 1000
    draft = a_draft(alice, now)
    answer = as_alice.post(url("draft-send", draft), typed(draft, files=[upload(size=1001)]))
    assert answer.status_code == 422
    assert not OutboundMessage.objects.exists()


FORWARDED = (
    b"From: bobx@x.test\r\nSubject: File\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee file.\r\n--b\r\n"
    b'Content-Type: text/csv\r\nContent-Disposition: attachment; filename="l.csv"\r\n\r\n'
    b"a,b\r\n--b--\r\n"
)


def test_a_forward_offers_the_files_and_keeps_those_that_are_ticked(as_alice, alice, now):
    message = letter(alice, now, FORWARDED)
    page = as_alice.get(reverse("webmail:forward", args=[message.uuid])).text
    part = message.attachments.get().part
    assert f'name="keep" value="{part}" checked' in page
    key = uuid4()
    as_alice.post(f"{COMPOSE}{key}/", typed(forward_of=str(message.uuid), keep=part))
    assert Draft.objects.get().attachments.get().name == "l.csv"


# Send


def test_send_leads_to_the_outbox_with_undo(as_alice, alice, now):
    draft = a_draft(alice, now)
    answer = as_alice.post(
        url("draft-send", draft), typed(draft, to=["a@x.test", "b@x.test", "c@x.test"]), follow=True
    )
    message = OutboundMessage.objects.get()
    assert answer.redirect_chain[-1][0] == "/mail/outbox/"
    assert "Sending to 3 people in 10 seconds." in answer.text
    assert f'formaction="/mail/outbox/{message.uuid}/undo/"' in answer.text


def test_send_by_a_script_says_where_to_go(as_alice, alice, now):
    draft = a_draft(alice, now)
    answer = as_alice.post(url("draft-send", draft), typed(draft), headers=SCRIPT)
    assert answer.headers["HX-Redirect"] == "/mail/outbox/"


def test_after_an_answer_one_is_back_at_the_message(as_alice, alice, now):
    message = letter(alice, now)
    answer = as_alice.post(f"{COMPOSE}{uuid4()}/send/", typed(reply_to=str(message.uuid)))
    assert answer.url == f"/mail/m/{message.uuid}/"


def test_a_message_can_be_sent_without_ever_having_been_saved(as_alice):
    as_alice.post(f"{COMPOSE}{uuid4()}/send/", typed())
    assert OutboundMessage.objects.get().recipients.get().address == "bob@x.test"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"to": ""}, "There is no recipient yet."),
        ({"to": "bob"}, "“bob” has no @."),
        ({"to": "bob@x"}, "“x” is not a complete domain; one has at least one dot."),
        ({"to": "bob@[127.0.0.1]"}, "An IP address in brackets can&#x27;t be used"),
        ({"to": "bob@x.test\r\nBcc: eve@x.test"}, "“Bcc: eve” contains a space."),
        ({"cc": "a\x01b@x.test"}, "can&#x27;t be seen"),
        ({"subject": "Lease\r\nBcc: eve@x.test"}, "The subject contains a line break."),
        ({"sender": "eve@x.test\r\nBcc: a@x.test"}, "That is not one of your addresses."),
        (
            {"to": ",".join(f"p{n}@x.test" for n in range(2000))},
            "2,000 recipients are too many: one message can have 500. Remove 1,500.",
        ),
    ],
    ids=["nobody", "no-at", "no-dot", "literal", "crlf", "control", "subject", "sender", "2000"],
)
@pytest.mark.parametrize("headers", [{}, SCRIPT], ids=["page", "script"])
def test_bad_input_gets_one_sentence_and_loses_nothing(
    as_alice, alice, now, changes, sentence, headers
):
    draft = a_draft(alice, now)
    answer = as_alice.post(
        url("draft-send", draft), typed(draft, body="Long letter", **changes), headers=headers
    )
    assert answer.status_code == 422
    assert sentence in answer.text
    assert Draft.objects.get().body == "Long letter"
    assert not OutboundMessage.objects.exists()
    if not headers:
        assert "Long letter</textarea>" in answer.text


def test_names_and_domains_in_other_scripts_are_shown_as_people_read_them(as_alice, alice, now):
    draft = a_draft(alice, now, to=("Jüri <jüri@xn--mnchen-3ya.test>",))
    page = as_alice.get(url("draft", draft)).text
    assert "jüri@münchen.test can only be reached over servers that support SMTPUTF8." in page
    as_alice.post(url("draft-send", draft), typed(draft, to="Jüri <jüri@münchen.test>"))
    assert OutboundMessage.objects.get().needs_smtputf8


def test_a_choice_that_cannot_be_met_offers_ways_out(as_alice, alice, now):
    strong("x.test", owner=alice, now=now)
    plain("plain.test", owner=alice, now=now)
    draft = a_draft(alice, now)
    said = typed(
        draft,
        to=["bob@x.test", "post@plain.test"],
        mode="requiretls",
        shown="requiretls",
        by_hand="1",
    )
    answer = as_alice.post(url("draft-send", draft), said)
    assert answer.status_code == 422
    for words in ("Nothing was sent yet.", "Send to the other one", "Default for plain.test"):
        assert words in answer.text
    said["version"] = 2
    answer = as_alice.post(url("draft-send", draft), said | {"possible": "1"}, follow=True)
    assert "For post@plain.test it stays in Drafts." in answer.text
    assert Draft.objects.get().to == ["post@plain.test"]


def test_default_for_those_who_cannot_is_one_press(as_alice, alice, now):
    plain("plain.test", owner=alice, now=now)
    draft = a_draft(alice, now)
    said = typed(draft, to="post@plain.test", mode="requiretls", shown="requiretls", by_hand="1")
    as_alice.post(url("draft-outlook", draft), said | {"relax": "1"})
    assert Draft.objects.get().copy_modes == {"post@plain.test": "default"}


@pytest.mark.parametrize(("answer", "mode"), [("consent", Mode.OPTIONAL), ("insist", Mode.DEFAULT)])
def test_tls_optional_by_rule_is_asked_once_naming_recipient_and_reason(
    as_alice, alice, now, answer, mode
):
    broken("harbour.test", owner=alice, now=now)
    draft = a_draft(alice, now)
    said = typed(draft, to="post@harbour.test")
    question = as_alice.post(url("draft-send", draft), said)
    assert question.status_code == 422
    assert "post@harbour.test" in question.text
    assert "harbour.test can’t keep its own TLS policy now." in question.text
    assert f'name="{answer}" value="post@harbour.test' in question.text
    said["version"] = 2
    as_alice.post(url("draft-send", draft), said | {answer: "post@harbour.test\r\n"})
    assert OutboundMessage.objects.get().recipients.get().mode == mode


def test_a_message_can_leave_later(as_alice, alice, now):
    draft = a_draft(alice, now)
    assert "Tomorrow at 08:00" in as_alice.get(url("draft", draft)).text
    answer = as_alice.post(url("draft-send", draft), typed(draft, later="tomorrow"), follow=True)
    assert "It leaves tomorrow at 08:00." in answer.text
    assert OutboundMessage.objects.get().recipients.get().next_attempt_at == now + timedelta(
        hours=20
    )


def test_a_time_is_read_in_the_zone_of_the_reader(as_alice, alice, now):
    as_alice.cookies["zone"] = "Europe/Berlin"
    draft = a_draft(alice, now)
    as_alice.post(url("draft-send", draft), typed(draft, later="at", send_at="2026-11-20T14:30"))
    copy = OutboundMessage.objects.get().recipients.get()
    assert copy.next_attempt_at == now + timedelta(minutes=90)


def test_a_time_that_has_passed_sends_nothing(as_alice, alice, now):
    draft = a_draft(alice, now)
    said = typed(draft, later="at", send_at="2026-11-20T11:59", body="kept")
    answer = as_alice.post(url("draft-send", draft), said)
    assert answer.status_code == 422
    assert "That time has passed. Choose a later one." in answer.text
    assert "kept</textarea>" in answer.text


# Completion


def people(user, now) -> None:
    for address, name, messages in (
        ("mira@x.test", "Bob at X", 9),
        ("mia@y.test", "", 1),
        ("bob@mira.test", "Bob", 30),
    ):
        Correspondent.objects.create(
            user=user, address=address, name=name, messages=messages, last_at=now
        )


def test_people_are_found_by_name_and_address_the_likeliest_first(as_alice, alice, now):
    people(alice, now)
    found = as_alice.get(reverse("webmail:addresses"), {"q": "mi"}).text
    assert found.index("Bob at X") < found.index("mia@y.test") < found.index("bob@mira.test")
    assert found.count('role="option"') == 3
    assert "Bob at X" in as_alice.get(reverse("webmail:addresses"), {"q": "at x"}).text
    assert as_alice.get(reverse("webmail:addresses"), {"q": "%"}).text.strip() == ""
    assert as_alice.get(reverse("webmail:addresses"), {"q": " "}).text.strip() == ""


def test_nobody_completes_from_the_people_of_others(as_charlie, client, alice, now):
    people(alice, now)
    assert as_charlie.get(reverse("webmail:addresses"), {"q": "mi"}).text.strip() == ""
    assert client.get(reverse("webmail:addresses"), {"q": "mi"}).status_code == 302


# Cost


def test_a_page_costs_the_same_for_one_recipient_and_for_many(
    as_alice, alice, now, django_assert_max_num_queries
):
    draft = a_draft(alice, now, to=tuple(f"p@x{number}.test" for number in range(100)))
    for number in range(0, 100, 10):
        strong(f"x{number}.test", owner=alice, now=now)
    with django_assert_max_num_queries(22):
        as_alice.get(url("draft", draft))
    with django_assert_max_num_queries(16):
        as_alice.get(url("draft-outlook", draft), headers=SCRIPT)


def test_saving_while_typing_is_cheap(as_alice, alice, now, django_assert_max_num_queries):
    draft = a_draft(alice, now)
    with django_assert_max_num_queries(17):
        as_alice.post(url("draft", draft), typed(draft), headers=SCRIPT)
