"""Domains that announce REQUIRETLS."""

from __future__ import annotations

from delivery.lab.behaviour import Host, Profile, Smtp, Sts
from delivery.lab.profiles.pieces import ORDINARY, SELF_SIGNED, STS, TLSA
from delivery.lab.zones import Signing

WITH_REQUIRETLS = (
    Profile(
        name="requiretls",
        description="Announces REQUIRETLS and proves its host with DANE.",
        signing=Signing.SIGNED,
        records=(*ORDINARY, TLSA),
        hosts=(Host(smtp=Smtp(tls=SELF_SIGNED, has_requiretls=True)),),
    ),
    Profile(
        name="requiretls-sts",
        description="Announces REQUIRETLS and enforces MTA-STS.",
        records=(*ORDINARY, *STS),
        sts=Sts(),
        hosts=(Host(smtp=Smtp(has_requiretls=True)),),
    ),
    Profile(
        name="requiretls-nopolicy",
        description="Announces REQUIRETLS but publishes neither DANE nor MTA-STS, so it cannot "
        "be used.",
        records=ORDINARY,
        hosts=(Host(smtp=Smtp(has_requiretls=True)),),
    ),
)
