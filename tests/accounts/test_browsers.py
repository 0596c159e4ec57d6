from __future__ import annotations

import pytest

from accounts.browsers import browser_name


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox on Linux",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537 Chrome/140 Safari/537 Edg/140",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537 Chrome/140 Mobile Safari/537",
            "Chrome on Android",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 26 like Mac OS X) Version/26 Safari/604",
            "Safari on iPhone",
        ),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 15) Version/26 Safari/605", "Safari on macOS"),
        ("curl/8.5", "curl"),
        ("", "A browser"),
    ],
)
def test_a_browser_is_named_by_what_it_claims(header, words):
    assert browser_name(header) == words
