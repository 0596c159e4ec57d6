"""Paths of the accounts app: the door, the settings, the dashboard."""

from __future__ import annotations

from django.urls import path

from accounts.views import session, settings

app_name = "accounts"

urlpatterns = [
    path("accounts/login/", session.login, name="login"),
    path("accounts/logout/", session.logout, name="logout"),
    path("settings/", settings.profile, name="settings"),
    path("settings/appearance/", settings.appearance, name="settings-appearance"),
    path("settings/sending/", settings.sending, name="settings-sending"),
    path("settings/pledges/", settings.pledges, name="settings-pledges"),
    path("settings/pledges/<int:pk>/withdraw/", settings.withdraw_pledge, name="withdraw-pledge"),
    path("settings/sessions/", settings.sessions, name="settings-sessions"),
    path("settings/sessions/<int:pk>/end/", settings.end_session, name="end-session"),
    path("settings/sessions/others/end/", settings.end_other_sessions, name="end-other-sessions"),
    path("settings/password/", settings.password, name="settings-password"),
]
