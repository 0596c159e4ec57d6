from __future__ import annotations

from django.urls import reverse

from mailweb.webmail import services
from mailweb.webmail.models import Mailbox, Role
from tests.webmail.letters import file

LIST = "admin:webmail_mailbox_changelist"


def test_operator_sees_counts_but_nothing_of_the_mail(as_operator, alice, now):
    message = file(alice, now)
    box = reverse("admin:webmail_mailbox_change", args=[message.mailbox_id])
    for path in (reverse(LIST), box):
        page = as_operator.get(path)
        assert page.status_code == 200
        assert "alice@mailweb.test" in page.content.decode()
        for secret in ("Key list", "Bob Baker", "bob@mailweb.test", "cellar"):
            assert secret not in page.content.decode()


def test_operator_can_neither_add_change_nor_delete(as_operator, alice):
    box = services.mailboxes_for(alice)[Role.INBOX]
    assert as_operator.get(reverse("admin:webmail_mailbox_add")).status_code == 403
    assert (
        as_operator.post(reverse("admin:webmail_mailbox_change", args=[box.pk])).status_code == 403
    )
    assert (
        as_operator.post(reverse("admin:webmail_mailbox_delete", args=[box.pk])).status_code == 403
    )


def test_wrong_counters_are_shown_and_mended(as_operator, alice, now):
    box = file(alice, now).mailbox
    Mailbox.objects.filter(pk=box.pk).update(total=7, unseen=9)
    assert "icon-no" in as_operator.get(reverse(LIST)).content.decode()
    chosen = {"action": "count_again", "_selected_action": [box.pk]}
    page = as_operator.post(reverse(LIST), chosen, follow=True).content.decode()
    assert "1 mailboxes mended." in page
    box.refresh_from_db()
    assert (box.total, box.unseen) == (1, 1)


def test_people_with_mail_are_not_operators(as_alice):
    assert as_alice.get(reverse(LIST)).status_code == 302
