"""The header field TLS-Required (RFC 8689 §3): what counts, and how it gets into a message."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from delivery.policy.tls_required import FIELD, saying_no, says_no

REST = b"Subject: x\r\n\r\nTLS-Required: No\r\n"


@pytest.mark.parametrize(
    "fields",
    [
        b"TLS-Required: No\r\n",
        b"tls-required:no\r\n",
        b"TLS-REQUIRED: \t NO \t\r\n",
        b"TLS-Required:\r\n No\r\n",
        b"TLS-Required: No\r\nTLS-Required: no\r\n",
    ],
)
def test_field_that_says_no_counts(fields: bytes):
    assert says_no(fields + REST)
    assert saying_no(fields + REST) == fields + REST


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b"", id="none, but a line of the body"),
        pytest.param(b"TLS-Required: Yes\r\n", id="yes"),
        pytest.param(b"TLS-Required:\r\n", id="nothing"),
        pytest.param(b"TLS-Required: No, thanks\r\n", id="more words"),
        pytest.param(b"TLS-Required: No\r\n thanks\r\n", id="more words, folded"),
        pytest.param(b"TLS-Required: No\r\nTLS-Required: Yes\r\n", id="no and yes"),
        pytest.param(b"TLS-Required: Yes\r\nTLS-Required: No\r\n", id="yes and no"),
        pytest.param(b"X-TLS-Required: No\r\n", id="another field"),
        pytest.param(b"Subject: a\r\n TLS-Required: No\r\n", id="within another field"),
    ],
)
def test_field_that_is_missing_or_odd_counts_for_nothing(fields: bytes):
    assert not says_no(fields + REST)


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        (b"", b""),
        (b"TLS-Required: Yes\r\n", b""),
        (
            b"To: a\r\nTLS-Required: No\r\nTLS-Required:\r\n maybe\r\nCc: b\r\n",
            b"To: a\r\nCc: b\r\n",
        ),
    ],
)
def test_message_is_made_to_say_no_exactly_once(fields: bytes, left: bytes):
    assert saying_no(fields + REST) == FIELD + left + REST


def test_message_without_a_header_gets_one():
    assert saying_no(b"\r\nTLS-Required: Yes\r\n") == FIELD + b"\r\nTLS-Required: Yes\r\n"
    assert saying_no(b"Subject: x\r\n") == FIELD + b"Subject: x\r\n"


@given(st.lists(st.sampled_from([b"TLS-Required: no", b"TLS-Required: yes", b"A: b", b" c", b""])))
def test_any_message_says_no_afterwards_and_keeps_its_body(lines: list[bytes]):
    assume(not lines or lines[0] != b" c")  # a line that continues nothing: no message at all
    message = b"".join(line + b"\r\n" for line in lines)
    made = saying_no(message)
    assert says_no(made)
    body = message if message.startswith(b"\r\n") else b"\r\n" + message.partition(b"\r\n\r\n")[2]
    assert made.endswith(body) or b"\r\n\r\n" not in message
