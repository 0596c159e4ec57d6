"""Domains whose DNS is signed, most of them with DANE, and what can be wrong with that."""

from __future__ import annotations

from delivery.lab.behaviour import Host, Profile, Smtp, Sts, Tls
from delivery.lab.ca import Showing
from delivery.lab.dns import DnsFault, Trouble
from delivery.lab.profiles.pieces import ORDINARY, REPORTS, SELF_SIGNED, STS, TLSA
from delivery.lab.zones import Signing

WITH_DNSSEC = (
    Profile(
        name="dnssec",
        description="Signs its DNS but publishes no TLSA records.",
        signing=Signing.SIGNED,
        records=ORDINARY,
    ),
    Profile(
        name="dane",
        description="Publishes the key of its host in DANE records (3 1 1); no authority needed.",
        signing=Signing.SIGNED,
        records=(*ORDINARY, TLSA, REPORTS),
        hosts=(Host(smtp=Smtp(tls=SELF_SIGNED)),),
    ),
    Profile(
        name="dane-ta",
        description="Publishes its own authority in DANE records (2 1 1).",
        signing=Signing.SIGNED,
        records=(*ORDINARY, "_25._tcp.mx TLSA 2 1 1 {ta}"),
        hosts=(Host(smtp=Smtp(tls=Tls(showing=Showing.PRIVATE))),),
    ),
    Profile(
        name="dane-expired",
        description="Publishes its key in DANE records (3 1 1), so it does not matter that its "
        "certificate has expired.",
        signing=Signing.SIGNED,
        records=(*ORDINARY, TLSA),
        hosts=(Host(smtp=Smtp(tls=Tls(showing=Showing.EXPIRED))),),
    ),
    Profile(
        name="dane-rollover",
        description="Publishes two DANE records, for its next key and for the one it uses.",
        signing=Signing.SIGNED,
        records=(*ORDINARY, "_25._tcp.mx TLSA 3 1 1 {wrong}", TLSA),
        hosts=(Host(smtp=Smtp(tls=SELF_SIGNED)),),
    ),
    Profile(
        name="dane-mismatch",
        description="Publishes DANE records that do not match the certificate of its host.",
        signing=Signing.SIGNED,
        records=(*ORDINARY, "_25._tcp.mx TLSA 3 1 1 {wrong}"),
    ),
    Profile(
        name="dane-mismatch-sts",
        description="Fits its MTA-STS policy but not its DANE records, and DANE comes first.",
        signing=Signing.SIGNED,
        records=(*ORDINARY, *STS, "_25._tcp.mx TLSA 3 1 1 {wrong}"),
        sts=Sts(),
    ),
    Profile(
        name="dane-unusable",
        description="Publishes only DANE records of a kind that mail cannot use (1 1 1).",
        signing=Signing.SIGNED,
        records=(*ORDINARY, "_25._tcp.mx TLSA 1 1 1 {ee}"),
        hosts=(Host(smtp=Smtp(tls=SELF_SIGNED)),),
    ),
    Profile(
        name="dane-insecure",
        description="Publishes DANE records without signing its DNS, so they count for nothing.",
        records=(*ORDINARY, "_25._tcp.mx TLSA 3 1 1 {wrong}"),
    ),
    Profile(
        name="dane-partly",
        description="Has two MX hosts, only one of them with DANE records.",
        signing=Signing.SIGNED,
        records=("@ MX 10 mx", "@ MX 20 mx2", "mx A {mx}", "mx2 A {mx2}", TLSA),
        hosts=(Host(smtp=Smtp(tls=SELF_SIGNED)), Host(label="mx2")),
    ),
    Profile(
        name="tlsa-servfail",
        description="Signs its DNS, but the question for its TLSA records fails.",
        signing=Signing.SIGNED,
        records=(*ORDINARY, TLSA),
        dns_faults=(
            DnsFault(
                trouble=Trouble.SERVFAIL,
                name="_tcp.mx.tlsa-servfail.test.",
                text="ns.test did not answer for TLSA",
            ),
        ),
    ),
    Profile(
        name="bogus",
        description="Its DNSSEC chain is broken, so a validating resolver gives no answer.",
        signing=Signing.BOGUS,
        records=ORDINARY,
    ),
    Profile(
        name="dnssec-expired",
        description="Let its DNSSEC signatures run out, so a validating resolver gives no answer.",
        signing=Signing.EXPIRED,
        records=ORDINARY,
    ),
    Profile(
        name="tlsa-wildcard",
        description="Signs its DNS; a wildcard gives an address, but no TLSA records, to every "
        "name below its host.",
        signing=Signing.SIGNED,
        records=(*ORDINARY, "*.mx A {mx}"),
    ),
    Profile(
        name="cname",
        description="Is an alias, and so is its MX host; both lead to signed names with DANE.",
        signing=Signing.SIGNED,
        zone="aliased.test",
        parent_records=(
            "cname CNAME aliased",
            "mx.cname CNAME mx.aliased",
        ),
        records=("@ MX 10 mx.cname.test.", "mx A {mx}", TLSA),
        hosts=(Host(smtp=Smtp(tls=SELF_SIGNED)),),
    ),
    Profile(
        name="cname-insecure",
        description="Signs its DNS, but its MX host is an alias of an unsigned name; its DANE "
        "records stand beside the alias.",
        zone="unsigned.test",
        parent_records=(
            "cname-insecure MX 10 mx.cname-insecure",
            "mx.cname-insecure CNAME mx.unsigned",
            "_25._tcp.mx.cname-insecure TLSA 3 1 1 {ee}",
        ),
        records=("mx A {mx}",),
        hosts=(Host(smtp=Smtp(tls=SELF_SIGNED)),),
    ),
)
