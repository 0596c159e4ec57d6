"""Every path of the webmail."""

from __future__ import annotations

from django.urls import path

from mailweb.webmail.views import compose, mailboxes, message, outbox, search
from mailweb.webmail.views.counts import counts
from mailweb.webmail.views.lab import lab, lab_message
from mailweb.webmail.views.parts import parts

app_name = "webmail"

urlpatterns = [
    path("", mailboxes.home, name="home"),
    path("mail/counts/", counts, name="counts"),
    path("mail/search/", search.search, name="search"),
    path("mail/outbox/", outbox.outbox, name="outbox"),
    path("mail/outbox/<uuid:key>/", outbox.outbox_message, name="outbox-message"),
    path("mail/outbox/<uuid:key>/time/", outbox.reschedule, name="reschedule"),
    path("mail/outbox/<uuid:key>/mode/<str:mode>/", outbox.change_modes, name="change-modes"),
    path("mail/outbox/<uuid:key>/<int:recipient>/cancel/", outbox.cancel_copy, name="cancel-copy"),
    path("mail/outbox/<uuid:key>/<int:recipient>/send/", outbox.send_anyway, name="send-anyway"),
    path("mail/outbox/<uuid:key>/<int:recipient>/wait/", outbox.let_wait, name="let-wait"),
    path("mail/outbox/<uuid:key>/<int:recipient>/today/", outbox.today, name="today"),
    path("mail/outbox/<uuid:key>/undo/", outbox.undo_send, name="undo-send"),
    path("mail/outbox/<uuid:key>/send/", outbox.send_now, name="send-now"),
    path("mail/outbox/<uuid:key>/retry/", outbox.retry_now, name="retry-now"),
    path("mail/outbox/<uuid:key>/cancel/", outbox.cancel_send, name="cancel-send"),
    path("mail/outbox/<uuid:key>/away/", outbox.put_away, name="put-away"),
    path("mail/outbox/<uuid:key>/<int:recipient>/again/", outbox.keep_trying, name="keep-trying"),
    path(
        "mail/outbox/<uuid:key>/<int:recipient>/other/", outbox.other_address, name="other-address"
    ),
    path(
        "mail/outbox/<uuid:key>/<int:recipient>/mode/<str:mode>/",
        outbox.change_mode,
        name="change-mode",
    ),
    path("mail/compose/", compose.compose, name="compose"),
    path("mail/compose/addresses/", compose.suggest, name="addresses"),
    path("mail/compose/<uuid:key>/", compose.draft, name="draft"),
    path("mail/compose/<uuid:key>/outlook/", compose.draft_outlook, name="draft-outlook"),
    path("mail/compose/<uuid:key>/send/", compose.draft_send, name="draft-send"),
    path("mail/compose/<uuid:key>/discard/", compose.draft_discard, name="draft-discard"),
    path("mail/compose/<uuid:key>/attach/", compose.draft_attach, name="draft-attach"),
    path("mail/compose/<uuid:key>/detach/<uuid:file>/", compose.draft_detach, name="draft-detach"),
    path("mail/compose/<uuid:key>/check/", compose.draft_check, name="draft-check"),
    path("mail/m/<uuid:key>/", message.message, name="message"),
    path("mail/m/<uuid:key>/html/", message.message_html, name="message-html"),
    path("mail/m/<uuid:key>/part/<str:part>/", message.part, name="part"),
    path("mail/m/<uuid:key>/reply/way/", message.reply_way, name="reply-way"),
    path("mail/m/<uuid:key>/delivery/", message.notice_delivery, name="notice-delivery"),
    path("mail/m/<uuid:key>/source/", message.message_source, name="message-source"),
    path("mail/m/<uuid:key>/move/", message.move_message, name="move-message"),
    path("mail/m/<uuid:key>/delete/", message.delete_message, name="delete-message"),
    path("mail/m/<uuid:key>/flag/", message.flag_message, name="flag-message"),
    path("mail/m/<uuid:key>/seen/", message.mark_seen, name="mark-seen"),
    path("mail/m/<uuid:key>/unseen/", message.mark_unseen, name="mark-unseen"),
    path("mail/m/<uuid:key>/reply/", compose.reply, name="reply"),
    path("mail/m/<uuid:key>/forward/", compose.forward, name="forward"),
    path("mail/m/<uuid:key>/receipt.json", message.receipt_json, name="receipt-json"),
    path("mail/m/<uuid:key>/receipt.txt", message.receipt_text, name="receipt-text"),
    path("mail/receipt-key.pem", message.receipt_key, name="receipt-key"),
    path("mail/undo/<str:token>/", mailboxes.undo_move, name="undo-move"),
    path("mail/<slug:slug>/", mailboxes.mailbox, name="mailbox"),
    path("mail/<slug:slug>/change/", mailboxes.change_messages, name="change-messages"),
    path("lab/", lab, name="lab"),
    path("lab/<uuid:key>/", lab_message, name="lab-message"),
    path("parts/", parts, name="parts"),
]
