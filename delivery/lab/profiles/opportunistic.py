"""Domains without a policy: what STARTTLS is worth is up to the sender."""

from __future__ import annotations

from delivery.lab.behaviour import Host, Profile, Smtp, Tls, TlsTrouble
from delivery.lab.profiles.pieces import ORDINARY, SELF_SIGNED

OPPORTUNISTIC = (
    Profile(
        name="plain",
        description="Offers no TLS at all: every copy travels in plain text.",
        records=ORDINARY,
        hosts=(Host(smtp=Smtp(tls=None)),),
    ),
    Profile(
        name="starttls",
        description="Offers STARTTLS with a self-signed certificate and publishes no policy.",
        records=ORDINARY,
        hosts=(Host(smtp=Smtp(tls=SELF_SIGNED)),),
    ),
    Profile(
        name="pkix",
        description="Shows a certificate of a public authority, but publishes no policy.",
        records=ORDINARY,
    ),
    Profile(
        name="downgrade",
        description="Offers STARTTLS in its first three sessions and never again.",
        records=ORDINARY,
        hosts=(Host(smtp=Smtp(tls=Tls(sessions=3))),),
    ),
    Profile(
        name="late-alert",
        description="Completes the TLS handshake, then refuses the session with an alert.",
        records=ORDINARY,
        hosts=(Host(smtp=Smtp(tls=Tls(trouble=TlsTrouble.LATE_ALERT))),),
    ),
    Profile(
        name="tls10",
        description="Speaks no newer protocol than TLS 1.0, so the handshake fails.",
        records=ORDINARY,
        hosts=(Host(smtp=Smtp(tls=Tls(trouble=TlsTrouble.TLS10))),),
    ),
    Profile(
        name="tls-refused",
        description="Announces STARTTLS, then answers it with 454 TLS not available.",
        records=ORDINARY,
        hosts=(Host(smtp=Smtp(tls=Tls(trouble=TlsTrouble.REFUSED))),),
    ),
    Profile(
        name="tls-broken",
        description="Announces STARTTLS, then answers the handshake in plain text.",
        records=ORDINARY,
        hosts=(Host(smtp=Smtp(tls=Tls(trouble=TlsTrouble.PLAIN_TEXT))),),
    ),
    Profile(
        name="injection",
        description="Sends forged plain text right behind the reply to STARTTLS.",
        records=ORDINARY,
        hosts=(Host(smtp=Smtp(tls=Tls(trouble=TlsTrouble.INJECTION))),),
    ),
)
