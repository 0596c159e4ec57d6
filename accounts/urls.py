"""Paths of the accounts app: the door, the settings, the dashboard."""

from __future__ import annotations

from django.urls import path, re_path

from accounts.views import security, session, settings, suppressed, webhooks

app_name = "accounts"

urlpatterns = [
    path("accounts/login/", session.login, name="login"),
    path("accounts/logout/", session.logout, name="logout"),
    path("settings/", settings.profile, name="settings"),
    path("settings/appearance/", settings.appearance, name="settings-appearance"),
    path("settings/sending/", settings.sending, name="settings-sending"),
    path("settings/pledges/", settings.pledges, name="settings-pledges"),
    path("settings/pledges/<int:pk>/withdraw/", settings.withdraw_pledge, name="withdraw-pledge"),
    path("settings/suppressed/", suppressed.suppressed, name="settings-suppressed"),
    path(
        "settings/suppressed/<int:pk>/lift/", suppressed.lift_suppression, name="lift-suppression"
    ),
    path("settings/sessions/", settings.sessions, name="settings-sessions"),
    path("settings/sessions/<int:pk>/end/", settings.end_session, name="end-session"),
    path("settings/sessions/others/end/", settings.end_other_sessions, name="end-other-sessions"),
    path("settings/webhooks/", webhooks.webhooks, name="settings-webhooks"),
    path("settings/webhooks/<int:pk>/test/", webhooks.test_webhook, name="test-webhook"),
    path("settings/webhooks/<int:pk>/stop/", webhooks.stop_webhook, name="stop-webhook"),
    path("settings/webhooks/<int:pk>/start/", webhooks.start_webhook, name="start-webhook"),
    path("settings/webhooks/<int:pk>/remove/", webhooks.remove_webhook, name="remove-webhook"),
    path(
        "settings/webhooks/<int:pk>/secret/",
        webhooks.renew_webhook_secret,
        name="renew-webhook-secret",
    ),
    path(
        "settings/webhooks/calls/<int:pk>/repeat/",
        webhooks.repeat_webhook_call,
        name="repeat-webhook-call",
    ),
    path("settings/password/", settings.password, name="settings-password"),
    path("security/", security.security, name="security"),
    re_path(
        r"^security/export\.(?P<form>csv|json)$", security.security_export, name="security-export"
    ),
    path("security/check/", security.check_domain, name="check-domain"),
    path("security/<str:domain>/", security.security_domain, name="security-domain"),
]
