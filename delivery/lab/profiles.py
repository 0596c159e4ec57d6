"""The lab's domains: what each one's DNS, TLS, SMTP and policy host do, in one value each.

`<name>.test` is the domain, `mx.<name>.test` its host. Lines of DNS are as in a zone file; in
braces stand the addresses of hosts ({mx}, {mx2}, {mx6}), and TLSA data: {ee} is the key of the
first host, {ta} the private authority's, {wrong} nobody's.
"""

from __future__ import annotations

from dataclasses import replace

import dns.edns

from delivery.lab.behaviour import (
    BARE,
    USUAL,
    Answer,
    Host,
    Profile,
    Smtp,
    Sts,
    StsTrouble,
    Tls,
    TlsTrouble,
)
from delivery.lab.ca import Showing
from delivery.lab.dns import DnsFault, Trouble
from delivery.lab.zones import Signing
from delivery.smtp import Limits

_ORDINARY = ("@ MX 10 mx", "mx A {mx}")
_REPORTS = '_smtp._tls TXT "v=TLSRPTv1; rua=mailto:tls-reports@{domain}"'
_STS = ('_mta-sts TXT "v=STSv1; id={sts_id}"', "mta-sts A 127.0.0.1", _REPORTS)
_TLSA = "_25._tcp.mx TLSA 3 1 1 {ee}"
_SELF_SIGNED = Tls(showing=Showing.SELF_SIGNED)

_OPPORTUNISTIC = (
    Profile(
        name="plain",
        description="Offers no TLS at all: every copy travels in plain text.",
        records=_ORDINARY,
        hosts=(Host(smtp=Smtp(tls=None)),),
    ),
    Profile(
        name="starttls",
        description="Offers STARTTLS with a self-signed certificate and publishes no policy.",
        records=_ORDINARY,
        hosts=(Host(smtp=Smtp(tls=_SELF_SIGNED)),),
    ),
    Profile(
        name="pkix",
        description="Shows a certificate of a public authority, but publishes no policy.",
        records=_ORDINARY,
    ),
    Profile(
        name="downgrade",
        description="Offers STARTTLS in its first three sessions and never again.",
        records=_ORDINARY,
        hosts=(Host(smtp=Smtp(tls=Tls(sessions=3))),),
    ),
    Profile(
        name="late-alert",
        description="Completes the TLS handshake, then refuses the session with an alert.",
        records=_ORDINARY,
        hosts=(Host(smtp=Smtp(tls=Tls(trouble=TlsTrouble.LATE_ALERT))),),
    ),
    Profile(
        name="tls10",
        description="Speaks no newer protocol than TLS 1.0, so the handshake fails.",
        records=_ORDINARY,
        hosts=(Host(smtp=Smtp(tls=Tls(trouble=TlsTrouble.TLS10))),),
    ),
    Profile(
        name="tls-refused",
        description="Announces STARTTLS, then answers it with 454 TLS not available.",
        records=_ORDINARY,
        hosts=(Host(smtp=Smtp(tls=Tls(trouble=TlsTrouble.REFUSED))),),
    ),
    Profile(
        name="tls-broken",
        description="Announces STARTTLS, then answers the handshake in plain text.",
        records=_ORDINARY,
        hosts=(Host(smtp=Smtp(tls=Tls(trouble=TlsTrouble.PLAIN_TEXT))),),
    ),
    Profile(
        name="injection",
        description="Sends forged plain text right behind the reply to STARTTLS.",
        records=_ORDINARY,
        hosts=(Host(smtp=Smtp(tls=Tls(trouble=TlsTrouble.INJECTION))),),
    ),
)

_WITH_STS = (
    Profile(
        name="sts",
        description="Enforces MTA-STS, and everything fits.",
        records=(*_ORDINARY, *_STS),
        sts=Sts(),
    ),
    Profile(
        name="sts-testing",
        description="Publishes an MTA-STS policy in mode testing that its own host does not meet.",
        records=(*_ORDINARY, *_STS),
        sts=Sts(mode="testing"),
        hosts=(Host(smtp=Smtp(tls=_SELF_SIGNED)),),
    ),
    Profile(
        name="sts-none",
        description="Publishes an MTA-STS policy in mode none: it had one and gives it up.",
        records=(*_ORDINARY, *_STS),
        sts=Sts(mode="none", mx=()),
    ),
    Profile(
        name="sts-mismatch",
        description="Enforces MTA-STS with a policy that does not list its own MX host.",
        records=(*_ORDINARY, *_STS),
        sts=Sts(mx=("mail.{domain}",)),
    ),
    Profile(
        name="sts-expired",
        description="Enforces MTA-STS while the certificate of its MX host has expired.",
        records=(*_ORDINARY, *_STS),
        sts=Sts(),
        hosts=(Host(smtp=Smtp(tls=Tls(showing=Showing.EXPIRED))),),
    ),
    Profile(
        name="sts-other-name",
        description="Enforces MTA-STS while its MX host shows a certificate for another name.",
        records=(*_ORDINARY, *_STS),
        sts=Sts(),
        hosts=(Host(smtp=Smtp(tls=Tls(showing=Showing.OTHER_NAME))),),
    ),
    Profile(
        name="sts-plain",
        description="Enforces MTA-STS while its MX host offers no STARTTLS.",
        records=(*_ORDINARY, *_STS),
        sts=Sts(),
        hosts=(Host(smtp=Smtp(tls=None)),),
    ),
    Profile(
        name="sts-unreachable",
        description="Announces MTA-STS, but its policy host answers 500.",
        records=(*_ORDINARY, *_STS),
        sts=Sts(trouble=StsTrouble.ERROR_500),
    ),
    Profile(
        name="sts-redirect",
        description="Announces MTA-STS, but its policy host redirects, which must not be followed.",
        records=(*_ORDINARY, *_STS),
        sts=Sts(trouble=StsTrouble.REDIRECT),
    ),
    Profile(
        name="sts-untrusted",
        description="Announces MTA-STS, but its policy host shows a self-signed certificate.",
        records=(*_ORDINARY, *_STS),
        sts=Sts(trouble=StsTrouble.UNTRUSTED),
    ),
)

_WITH_DNSSEC = (
    Profile(
        name="dnssec",
        description="Signs its DNS but publishes no TLSA records.",
        signing=Signing.SIGNED,
        records=_ORDINARY,
    ),
    Profile(
        name="dane",
        description="Publishes the key of its host in DANE records (3 1 1); no authority needed.",
        signing=Signing.SIGNED,
        records=(*_ORDINARY, _TLSA, _REPORTS),
        hosts=(Host(smtp=Smtp(tls=_SELF_SIGNED)),),
    ),
    Profile(
        name="dane-ta",
        description="Publishes its own authority in DANE records (2 1 1).",
        signing=Signing.SIGNED,
        records=(*_ORDINARY, "_25._tcp.mx TLSA 2 1 1 {ta}"),
        hosts=(Host(smtp=Smtp(tls=Tls(showing=Showing.PRIVATE))),),
    ),
    Profile(
        name="dane-expired",
        description="Publishes its key in DANE records (3 1 1), so it does not matter that its "
        "certificate has expired.",
        signing=Signing.SIGNED,
        records=(*_ORDINARY, _TLSA),
        hosts=(Host(smtp=Smtp(tls=Tls(showing=Showing.EXPIRED))),),
    ),
    Profile(
        name="dane-rollover",
        description="Publishes two DANE records, for its next key and for the one it uses.",
        signing=Signing.SIGNED,
        records=(*_ORDINARY, "_25._tcp.mx TLSA 3 1 1 {wrong}", _TLSA),
        hosts=(Host(smtp=Smtp(tls=_SELF_SIGNED)),),
    ),
    Profile(
        name="dane-mismatch",
        description="Publishes DANE records that do not match the certificate of its host.",
        signing=Signing.SIGNED,
        records=(*_ORDINARY, "_25._tcp.mx TLSA 3 1 1 {wrong}"),
    ),
    Profile(
        name="dane-mismatch-sts",
        description="Fits its MTA-STS policy but not its DANE records, and DANE comes first.",
        signing=Signing.SIGNED,
        records=(*_ORDINARY, *_STS, "_25._tcp.mx TLSA 3 1 1 {wrong}"),
        sts=Sts(),
    ),
    Profile(
        name="dane-unusable",
        description="Publishes only DANE records of a kind that mail cannot use (1 1 1).",
        signing=Signing.SIGNED,
        records=(*_ORDINARY, "_25._tcp.mx TLSA 1 1 1 {ee}"),
        hosts=(Host(smtp=Smtp(tls=_SELF_SIGNED)),),
    ),
    Profile(
        name="dane-insecure",
        description="Publishes DANE records without signing its DNS, so they count for nothing.",
        records=(*_ORDINARY, "_25._tcp.mx TLSA 3 1 1 {wrong}"),
    ),
    Profile(
        name="dane-partly",
        description="Has two MX hosts, only one of them with DANE records.",
        signing=Signing.SIGNED,
        records=("@ MX 10 mx", "@ MX 20 mx2", "mx A {mx}", "mx2 A {mx2}", _TLSA),
        hosts=(Host(smtp=Smtp(tls=_SELF_SIGNED)), Host(label="mx2")),
    ),
    Profile(
        name="tlsa-servfail",
        description="Signs its DNS, but the question for its TLSA records fails.",
        signing=Signing.SIGNED,
        records=(*_ORDINARY, _TLSA),
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
        records=_ORDINARY,
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
        records=("@ MX 10 mx.cname.test.", "mx A {mx}", _TLSA),
        hosts=(Host(smtp=Smtp(tls=_SELF_SIGNED)),),
    ),
)

_WITH_REQUIRETLS = (
    Profile(
        name="requiretls",
        description="Announces REQUIRETLS and proves its host with DANE.",
        signing=Signing.SIGNED,
        records=(*_ORDINARY, _TLSA),
        hosts=(Host(smtp=Smtp(tls=_SELF_SIGNED, has_requiretls=True)),),
    ),
    Profile(
        name="requiretls-sts",
        description="Announces REQUIRETLS and enforces MTA-STS.",
        records=(*_ORDINARY, *_STS),
        sts=Sts(),
        hosts=(Host(smtp=Smtp(has_requiretls=True)),),
    ),
    Profile(
        name="requiretls-nopolicy",
        description="Announces REQUIRETLS but publishes neither DANE nor MTA-STS, so it cannot "
        "be used.",
        records=_ORDINARY,
        hosts=(Host(smtp=Smtp(has_requiretls=True)),),
    ),
)

_STRICT = (
    Profile(
        name="greylist",
        description="Asks every new pair of sender and recipient to come back once (450).",
        records=_ORDINARY,
        hosts=(Host(smtp=Smtp(is_greylisting=True)),),
    ),
    Profile(
        name="slow",
        description="Takes three seconds to greet, one for each reply, eight for the last one.",
        records=_ORDINARY,
        hosts=(Host(smtp=Smtp(greets_after=3.0, answers_after=1.0, accepts_after=8.0)),),
    ),
    Profile(
        name="silent",
        description="Takes the connection and never says a word.",
        records=_ORDINARY,
        hosts=(Host(smtp=Smtp(greets_after=86_400.0)),),
    ),
    Profile(
        name="busy",
        description="Greets everybody with 421 and closes.",
        records=_ORDINARY,
        hosts=(
            Host(
                smtp=Smtp(
                    answers={"": Answer(line="421 4.3.2 Too busy, come back later", closes=True)}
                )
            ),
        ),
    ),
    Profile(
        name="blocklist-mail",
        description="Refuses the sender with 550 in answer to MAIL and closes.",
        records=_ORDINARY,
        hosts=(
            Host(
                smtp=Smtp(
                    answers={
                        "MAIL": Answer(
                            line="550 5.7.1 Your network is on our blocklist", closes=True
                        )
                    }
                )
            ),
        ),
    ),
    Profile(
        name="blocklist-rcpt",
        description="Refuses each recipient with 554 and closes before it answers DATA.",
        records=_ORDINARY,
        hosts=(
            Host(
                smtp=Smtp(
                    answers={
                        "RCPT": Answer(
                            line="554 5.7.1 Your address is on our blocklist", closes=True
                        )
                    }
                )
            ),
        ),
    ),
    Profile(
        name="rcptmax",
        description="Takes one recipient in each transaction, and says so (LIMITS RCPTMAX=1).",
        records=_ORDINARY,
        hosts=(
            Host(smtp=Smtp(extensions=replace(USUAL, limits=Limits(rcptmax=1)), most_recipients=1)),
        ),
    ),
    Profile(
        name="rcpt452",
        description="Takes two recipients in each transaction and answers 452 to the rest.",
        records=_ORDINARY,
        hosts=(Host(smtp=Smtp(most_recipients=2)),),
    ),
    Profile(
        name="full",
        description="Every mailbox is over its quota (552).",
        records=_ORDINARY,
        hosts=(Host(smtp=Smtp(answers={"RCPT": Answer(line="552 5.2.2 The mailbox is full")})),),
    ),
    Profile(
        name="rejects-content",
        description="Reads the whole message, then refuses it (554).",
        records=_ORDINARY,
        hosts=(
            Host(smtp=Smtp(answers={".": Answer(line="554 5.6.0 We do not like what it says")})),
        ),
    ),
    Profile(
        name="eai",
        description="Takes addresses in all scripts (SMTPUTF8).",
        records=_ORDINARY,
        hosts=(Host(smtp=Smtp(extensions=replace(USUAL, smtputf8=True))),),
    ),
    Profile(
        name="no8bit",
        description="Does not take 8-bit content: it announces neither 8BITMIME nor SMTPUTF8.",
        records=_ORDINARY,
        hosts=(Host(smtp=Smtp(extensions=replace(USUAL, eightbitmime=False))),),
    ),
    Profile(
        name="bare",
        description="Announces nothing but STARTTLS: no pipelining, no sizes, no status codes.",
        records=_ORDINARY,
        hosts=(Host(smtp=Smtp(extensions=BARE)),),
    ),
    Profile(
        name="dualstack",
        description="Has addresses of both families; over IPv6 it refuses the sender with "
        "550 5.7.1, over IPv4 it accepts.",
        records=("@ MX 10 mx", "mx A {mx}", "mx AAAA {mx6}"),
        hosts=(
            Host(),
            Host(
                name="mx6",
                label="mx",
                is_ipv6=True,
                smtp=Smtp(
                    answers={"MAIL": Answer(line="550 5.7.1 We do not trust this IPv6 address")}
                ),
            ),
        ),
    ),
    Profile(
        name="backup",
        description="Its first MX host takes no connections, its second one works.",
        records=("@ MX 10 mx", "@ MX 20 mx2", "mx A {mx}", "mx2 A {mx2}"),
        hosts=(Host(is_listening=False), Host(name="mx2", label="mx2")),
    ),
)

_NOWHERE = (
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
        records=_ORDINARY,
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
        records=_ORDINARY,
        dns_faults=(DnsFault(trouble=Trouble.DROP, name="dns-silent.test."),),
    ),
    Profile(
        name="dns-slow",
        description="Questions about it are answered after two seconds.",
        records=_ORDINARY,
        dns_faults=(DnsFault(trouble=Trouble.DELAY, name="dns-slow.test.", seconds=2.0),),
    ),
    Profile(
        name="big-dns",
        description="Has so many records that its answers only fit into TCP.",
        records=(*_ORDINARY, *(f'@ TXT "{number:02} {"-" * 200}"' for number in range(20))),
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

GROUPS: dict[str, tuple[Profile, ...]] = {
    "TLS without a policy": _OPPORTUNISTIC,
    "MTA-STS": _WITH_STS,
    "DNSSEC and DANE": _WITH_DNSSEC,
    "REQUIRETLS": _WITH_REQUIRETLS,
    "Servers with rules of their own": _STRICT,
    "Names that lead nowhere, or not straight": _NOWHERE,
}
"""Every domain of the lab under a heading, in the order in which pages show them."""

PROFILES: dict[str, Profile] = {
    profile.name: profile for group in GROUPS.values() for profile in group
}
"""Every domain of the lab by name, in the same order."""
