"""A small internet on loopback: DNS, MX hosts and policy hosts with chosen behaviour.

    async with Lab(profiles=["dane", "downgrade"]) as lab:
        os.environ.update(lab.environment)      # DNS_RESOLVERS, SMTP_PORT, MTA_STS_PORT, TLS_CA_FILE
        ...                                     # send mail to someone@dane.test
        print(lab.accepted.all())

The demo, the tests and operators use it; nothing that delivers mail imports it. It needs
neither Django nor the agent. What each domain does is declared in `profiles`.
"""

from __future__ import annotations

from delivery.lab.behaviour import Profile
from delivery.lab.mailbox import Accepted, Mailbox, TlsSeen, read_directory, read_message
from delivery.lab.profiles import GROUPS, PROFILES
from delivery.lab.world import Lab, LabDomain

__all__ = [
    "GROUPS",
    "PROFILES",
    "Accepted",
    "Lab",
    "LabDomain",
    "Mailbox",
    "Profile",
    "TlsSeen",
    "read_directory",
    "read_message",
]
