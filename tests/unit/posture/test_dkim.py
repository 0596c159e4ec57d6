from __future__ import annotations

import base64

import pytest

from accounts.posture.dkim import record_for
from accounts.posture.records import check
from delivery.dkim import Algorithm
from tests.unit.dkim.oracle import ED25519, RSA

RECORD = record_for(
    domain="mailweb.test", selector="s1", algorithm=Algorithm.ED25519, public=ED25519.public
)
P = base64.b64encode(ED25519.public).decode()
OTHER = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("found", "will_do", "sentence"),
    [
        ([RECORD.value], True, "Published."),
        ([f"k=ed25519;p={P}"], True, "Published."),
        ([f"v=DKIM1; k=ed25519; t=y; p={P}"], True, "Published, but t=y"),
        ([], False, "Missing."),
        ([RECORD.value, RECORD.value], False, "There are 2 records"),
        (["v=spf1 -all"], False, "can't be read"),
        (["v=DKIM1; k=ed25519; p="], False, "revoked"),
        ([f"v=DKIM1; k=ed25519; p={OTHER}"], False, "another key"),
        ([f"v=DKIM1; p={P}"], False, "another key"),
        ([f"v=DKIM1; k=ed25519; h=sha1; p={P}"], False, "s= or h="),
        ([f"v=DKIM1; k=ed25519; s=tlsrpt; p={P}"], False, "s= or h="),
    ],
)
def test_what_dns_has_for_a_key_is_judged(found: list[str], will_do: bool, sentence: str):
    (verdict,) = check([RECORD], lambda *_: found)
    assert verdict.will_do is will_do
    assert sentence in verdict.sentence
    assert (str(RECORD) in verdict.sentence) is not will_do


def test_a_long_record_is_printed_as_strings_that_dns_takes():
    record = record_for(
        domain="mailweb.test", selector="s1", algorithm=Algorithm.RSA, public=RSA.public
    )
    assert len(record.strings) == 2
    assert str(record) == (
        f's1._domainkey.mailweb.test. TXT "{record.strings[0]}" "{record.strings[1]}"'
    )
