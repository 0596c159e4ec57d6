"""Domains that publish MTA-STS, and what can be wrong with that."""

from __future__ import annotations

from delivery.lab.behaviour import Host, Profile, Smtp, Sts, StsTrouble, Tls
from delivery.lab.ca import Showing
from delivery.lab.profiles.pieces import ORDINARY, SELF_SIGNED, STS

WITH_STS = (
    Profile(
        name="sts",
        description="Enforces MTA-STS, and everything fits.",
        records=(*ORDINARY, *STS),
        sts=Sts(),
    ),
    Profile(
        name="sts-testing",
        description="Publishes an MTA-STS policy in mode testing that its own host does not meet.",
        records=(*ORDINARY, *STS),
        sts=Sts(mode="testing"),
        hosts=(Host(smtp=Smtp(tls=SELF_SIGNED)),),
    ),
    Profile(
        name="sts-none",
        description="Publishes an MTA-STS policy in mode none: it had one and gives it up.",
        records=(*ORDINARY, *STS),
        sts=Sts(mode="none", mx=()),
    ),
    Profile(
        name="sts-mismatch",
        description="Enforces MTA-STS with a policy that does not list its own MX host.",
        records=(*ORDINARY, *STS),
        sts=Sts(mx=("mail.{domain}",)),
    ),
    Profile(
        name="sts-expired",
        description="Enforces MTA-STS while the certificate of its MX host has expired.",
        records=(*ORDINARY, *STS),
        sts=Sts(),
        hosts=(Host(smtp=Smtp(tls=Tls(showing=Showing.EXPIRED))),),
    ),
    Profile(
        name="sts-other-name",
        description="Enforces MTA-STS while its MX host shows a certificate for another name.",
        records=(*ORDINARY, *STS),
        sts=Sts(),
        hosts=(Host(smtp=Smtp(tls=Tls(showing=Showing.OTHER_NAME))),),
    ),
    Profile(
        name="sts-plain",
        description="Enforces MTA-STS while its MX host offers no STARTTLS.",
        records=(*ORDINARY, *STS),
        sts=Sts(),
        hosts=(Host(smtp=Smtp(tls=None)),),
    ),
    Profile(
        name="sts-unreachable",
        description="Announces MTA-STS, but its policy host answers 500.",
        records=(*ORDINARY, *STS),
        sts=Sts(trouble=StsTrouble.ERROR_500),
    ),
    Profile(
        name="sts-redirect",
        description="Announces MTA-STS, but its policy host redirects, which must not be followed.",
        records=(*ORDINARY, *STS),
        sts=Sts(trouble=StsTrouble.REDIRECT),
    ),
    Profile(
        name="sts-untrusted",
        description="Announces MTA-STS, but its policy host shows a self-signed certificate.",
        records=(*ORDINARY, *STS),
        sts=Sts(trouble=StsTrouble.UNTRUSTED),
    ),
)
