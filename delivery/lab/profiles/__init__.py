"""The lab's domains: what each one's DNS, TLS, SMTP and policy host do, in one value each.

`<name>.test` is the domain, `mx.<name>.test` its host. Lines of DNS are as in a zone file; in
braces stand the addresses of hosts ({mx}, {mx2}, {mx6}), and TLSA data: {ee} is the key of the
first host, {ta} the private authority's, {wrong} nobody's.
"""

from __future__ import annotations

from delivery.lab.behaviour import Profile
from delivery.lab.profiles.dnssec import WITH_DNSSEC
from delivery.lab.profiles.mta_sts import WITH_STS
from delivery.lab.profiles.nowhere import NOWHERE
from delivery.lab.profiles.opportunistic import OPPORTUNISTIC
from delivery.lab.profiles.requiretls import WITH_REQUIRETLS
from delivery.lab.profiles.strict import STRICT

GROUPS: dict[str, tuple[Profile, ...]] = {
    "TLS without a policy": OPPORTUNISTIC,
    "MTA-STS": WITH_STS,
    "DNSSEC and DANE": WITH_DNSSEC,
    "REQUIRETLS": WITH_REQUIRETLS,
    "Servers with rules of their own": STRICT,
    "Names that lead nowhere, or not straight": NOWHERE,
}
"""Every domain of the lab under a heading, in the order in which pages show them."""

PROFILES: dict[str, Profile] = {
    profile.name: profile for group in GROUPS.values() for profile in group
}
"""Every domain of the lab by name, in the same order."""
