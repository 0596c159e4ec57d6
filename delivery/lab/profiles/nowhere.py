"""Domains that cannot be reached, or not straight."""

from __future__ import annotations

import dns.edns

from delivery.lab.behaviour import Host, Profile
from delivery.lab.dns import DnsFault, Trouble
from delivery.lab.profiles.pieces import ORDINARY

NOWHERE = (
    Profile(
        name="nullmx",
        description="Says in its DNS that it takes no mail at all (null MX).",
        records=("@ MX 0 .", "@ A 127.0.0.1"),
        hosts=(),
    ),
    Profile(
        name="nxdomain",
        description="Does not exist.",
        signing=None,
        records=(),
        hosts=(),
    ),
    Profile(
        name="servfail",
        description="Its name servers do not answer, so every question about it fails.",
        records=ORDINARY,
        dns_faults=(
            DnsFault(
                trouble=Trouble.SERVFAIL,
                name="servfail.test.",
                code=dns.edns.EDECode.NO_REACHABLE_AUTHORITY,
                text="at delegation servfail.test.",
            ),
        ),
    ),
    Profile(
        name="dns-silent",
        description="Questions about it never get an answer.",
        records=ORDINARY,
        dns_faults=(DnsFault(trouble=Trouble.DROP, name="dns-silent.test."),),
    ),
    Profile(
        name="dns-slow",
        description="Questions about it are answered after two seconds.",
        records=ORDINARY,
        dns_faults=(DnsFault(trouble=Trouble.DELAY, name="dns-slow.test.", seconds=2.0),),
    ),
    Profile(
        name="big-dns",
        description="Has so many records that its answers only fit into TCP.",
        records=(*ORDINARY, *(f'@ TXT "{number:02} {"-" * 200}"' for number in range(20))),
    ),
    Profile(
        name="implicit",
        description="Has no MX record, so mail goes to its own address.",
        records=("@ A {mx}",),
        hosts=(Host(label="@"),),
    ),
    Profile(
        name="no-address",
        description="Has an MX host, but that host has no address.",
        records=("@ MX 10 mx", 'mx TXT "nothing here"'),
        hosts=(),
    ),
)
