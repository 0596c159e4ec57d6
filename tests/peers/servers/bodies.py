"""Bodies that must come through unharmed, whatever SMTP does to lines and dots on the way."""

from __future__ import annotations

import pytest

HEAD = b"From: alice@mailweb.test\r\nSubject: Hello\r\n"

BODIES = [
    pytest.param(b".\r\n..\r\n. \r\n.a\r\n", id="dots"),
    pytest.param(b"", id="no body"),
    pytest.param(b"\r\n\r\n\r\n", id="empty lines"),
    pytest.param(b"From alice\r\n>From bob\r\n \t\r\ntrailing \t \r\n", id="white space"),
    pytest.param(b"x" * 998 + b"\r\n" + b"." * 998 + b"\r\n", id="the longest lines"),
    pytest.param("Grüße, 日本語, 🙂\r\n".encode() * 50, id="UTF-8"),
    pytest.param(bytes(range(128, 256)) + b"\r\n", id="every high octet"),
    pytest.param(b"0123456789abcde.\r\n" * 60_000, id="a megabyte"),
]
