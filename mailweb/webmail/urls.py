"""Every path of the webmail."""

from __future__ import annotations

from django.urls import path

from mailweb.webmail.views.counts import counts
from mailweb.webmail.views.parts import parts
from mailweb.webmail.views.pending import pending

app_name = "webmail"

urlpatterns = [
    path("", pending, name="home"),
    path("mail/counts/", counts, name="counts"),
    path("mail/search/", pending, name="search"),
    path("mail/outbox/", pending, name="outbox"),
    path("mail/compose/", pending, name="compose"),
    path("mail/compose/addresses/", pending, name="addresses"),
    path("mail/compose/<uuid:key>/", pending, name="draft"),
    path("mail/compose/<uuid:key>/outlook/", pending, name="draft-outlook"),
    path("mail/compose/<uuid:key>/send/", pending, name="draft-send"),
    path("mail/compose/<uuid:key>/discard/", pending, name="draft-discard"),
    path("mail/compose/<uuid:key>/attach/", pending, name="draft-attach"),
    path("mail/compose/<uuid:key>/detach/<uuid:file>/", pending, name="draft-detach"),
    path("mail/m/<uuid:key>/", pending, name="message"),
    path("mail/m/<uuid:key>/html/", pending, name="message-html"),
    path("mail/m/<uuid:key>/part/<str:part>/", pending, name="part"),
    path("mail/m/<uuid:key>/source/", pending, name="message-source"),
    path("mail/m/<uuid:key>/move/", pending, name="move-message"),
    path("mail/m/<uuid:key>/flag/", pending, name="flag-message"),
    path("mail/m/<uuid:key>/seen/", pending, name="mark-seen"),
    path("mail/m/<uuid:key>/unseen/", pending, name="mark-unseen"),
    path("mail/m/<uuid:key>/reply/", pending, name="reply"),
    path("mail/m/<uuid:key>/forward/", pending, name="forward"),
    path("mail/m/<uuid:key>/receipt.json", pending, name="receipt-json"),
    path("mail/m/<uuid:key>/receipt.txt", pending, name="receipt-text"),
    path("mail/receipt-key.pem", pending, name="receipt-key"),
    path("mail/undo/<str:token>/", pending, name="undo-move"),
    path("mail/<slug:slug>/", pending, name="mailbox"),
    path("mail/<slug:slug>/change/", pending, name="change-messages"),
    path("lab/", pending, name="lab"),
    path("parts/", parts, name="parts"),
]
