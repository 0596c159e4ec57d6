"""What stays of each domain of the lab: its five bars, and the row of the attempt in the ledger."""

from __future__ import annotations

import pytest

from delivery.lab.profiles import PROFILES
from delivery.models import AttemptOutcome
from delivery.policy.facts import Starttls, StsMode
from delivery.policy.outcome import Result
from tests.delivery.playing import DOWNGRADED
from tests.peers.test_lab_profiles import DEFAULT

PKIX = ("Yes", "No policy", "Unsigned", "None", "No")
"""A trusted certificate and nothing published: the bars of most servers."""

BROKEN_TLS = ("Failed", "No policy", "Unsigned", "None", "Unknown")
ENFORCED = ("Yes", "Enforced", "Unsigned", "None", "No")
STS_FAILED = ("Yes", "Failed", "Unsigned", "None", "No")
STS_SILENT = ("Yes", "No answer", "Unsigned", "None", "No")
SIGNED = ("Yes", "No policy", "Signed", "None", "No")
DANE = ("Yes", "No policy", "Signed", "Matches", "No")
DANE_FAILED = ("Yes", "No policy", "Signed", "Failed", "No")
NO_SESSION = ("Unknown", "No policy", "Unsigned", "None", "Unknown")
BOGUS = ("Unknown", "No answer", "Failed", "No answer", "Unknown")
NO_DNS = ("Unknown", "No answer", "Not checked", "No answer", "Unknown")

BARS = {
    "plain": ("No", "No policy", "Unsigned", "None", "No"),
    "starttls": PKIX,
    "pkix": PKIX,
    "downgrade": PKIX,
    DOWNGRADED: ("Lost", "No policy", "Unsigned", "None", "No"),
    "late-alert": BROKEN_TLS,
    "tls10": BROKEN_TLS,
    "tls-refused": BROKEN_TLS,
    "tls-broken": BROKEN_TLS,
    "injection": BROKEN_TLS,
    "sts": ENFORCED,
    "sts-testing": ("Yes", "Testing", "Unsigned", "None", "No"),
    "sts-none": PKIX,
    "sts-mismatch": STS_FAILED,
    "sts-expired": STS_FAILED,
    "sts-other-name": STS_FAILED,
    "sts-plain": ("No", "Failed", "Unsigned", "None", "No"),
    "sts-unreachable": STS_SILENT,
    "sts-redirect": STS_SILENT,
    "sts-untrusted": STS_SILENT,
    "dnssec": SIGNED,
    "dane": DANE,
    "dane-ta": DANE,
    "dane-expired": DANE,
    "dane-rollover": DANE,
    "dane-mismatch": DANE_FAILED,
    "dane-mismatch-sts": ("Yes", "Enforced", "Signed", "Failed", "No"),
    "dane-unusable": DANE_FAILED,
    "dane-insecure": PKIX,
    "dane-partly": SIGNED,
    "tlsa-servfail": ("Yes", "No policy", "Signed", "No answer", "No"),
    "tlsa-wildcard": SIGNED,
    "bogus": BOGUS,
    "dnssec-expired": BOGUS,
    "cname": DANE,
    "cname-insecure": DANE,
    "requiretls": ("Yes", "No policy", "Signed", "Matches", "Yes"),
    "requiretls-sts": ("Yes", "Enforced", "Unsigned", "None", "Yes"),
    "requiretls-nopolicy": ("Yes", "No policy", "Unsigned", "None", "Yes"),
    "nullmx": NO_SESSION,
    "nxdomain": ("Unknown", "No policy", "Signed", "None", "Unknown"),
    "no-address": NO_SESSION,
    "busy": NO_SESSION,
    "silent": NO_SESSION,
    "servfail": NO_DNS,
    "dns-silent": NO_DNS,
}
SERVERS_WITH_RULES = [
    "greylist",
    "slow",
    "blocklist-mail",
    "blocklist-rcpt",
    "rcptmax",
    "rcpt452",
    "full",
    "rejects-content",
    "eai",
    "no8bit",
    "bare",
    "nobdat",
    "dualstack",
    "backup",
    "dns-slow",
    "big-dns",
    "implicit",
]
"""Their rules are about other things: in the bars they look like any other server."""

BARS |= dict.fromkeys(SERVERS_WITH_RULES, PKIX)

SCOPES = {
    "blocklist-mail": "message",
    "rejects-content": "message",
    "bogus": "domain",
    "dnssec-expired": "domain",
    "nullmx": "domain",
    "nxdomain": "domain",
    "servfail": "domain",
    "dns-silent": "domain",
    "no-address": "host",
    "silent": "host",
    "busy": "host",
}
"""For whom the outcome speaks; what TLS stopped speaks for the host, the rest for the recipient."""


def test_every_domain_has_its_bars():
    assert set(BARS) == {*PROFILES, DOWNGRADED}


@pytest.mark.django_db
@pytest.mark.parametrize("profile", BARS)
def test_one_check_shows_the_bars(played, profile):
    assert played.bars[profile] == BARS[profile]


@pytest.mark.django_db
@pytest.mark.parametrize("profile", PROFILES)
def test_the_attempt_is_kept_with_what_it_showed_and_how_it_ended(played, profile):
    expected, copy = DEFAULT[profile], played.cells[profile, "default"].copy
    row = copy.last_attempt
    assert row.starttls == (expected.starttls or Starttls.UNKNOWN)
    assert bool(row.tls_version) is bool(row.cipher) is (row.starttls == Starttls.OFFERED)
    assert bool(row.certificate) is bool(row.tls_version)
    assert row.verified_by == sorted(expected.proofs)
    assert (row.reason, row.stopped_by) == (expected.reason, expected.stopped_by)
    assert row.dnssec == expected.dnssec
    assert row.mta_sts_mode == ("" if expected.sts is StsMode.ABSENT else expected.sts)
    assert bool(row.mta_sts_id) is (
        expected.sts in (StsMode.ENFORCE, StsMode.TESTING, StsMode.NONE)
    )
    assert row.requiretls_offered is profile.startswith("requiretls")
    assert not row.requiretls_used
    usual = "host" if expected.stopped_by else "recipient"
    assert row.scope == SCOPES.get(profile, usual)


@pytest.mark.django_db
@pytest.mark.parametrize("profile", PROFILES)
def test_the_copy_ends_as_the_attempt_says(played, profile):
    expected, copy = DEFAULT[profile], played.cells[profile, "default"].copy
    row = copy.last_attempt
    is_delivered = expected.result is Result.DELIVERED
    assert played.cells[profile, "default"].result is expected.result
    assert (copy.enhanced, row.enhanced) == (expected.enhanced, expected.enhanced)
    assert copy.reason == ("" if is_delivered else expected.reason)
    assert (copy.code, copy.last_reply) == (row.code, row.reply)
    assert row.code is not None
    assert copy.explanation


@pytest.mark.django_db
@pytest.mark.parametrize("profile", PROFILES)
def test_under_requiretls_the_row_says_whether_it_was_used(played, profile):
    cell = played.cells[profile, "requiretls"]
    row = cell.copy.last_attempt
    is_used = profile in ("requiretls", "requiretls-sts")
    assert row.requiretls_used is is_used
    assert (row.outcome == AttemptOutcome.DELIVERED) is is_used
