"""Messages as bytes, for tests of the mail store and its pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailweb.webmail import services
from mailweb.webmail.models import Message, Role

if TYPE_CHECKING:
    from datetime import datetime

    from accounts.models import User


def letter(*lines: str, subject: str = "Key list", **headers: str) -> bytes:
    """Return a message from bob to alice; headers are given as `content_type="text/html"`."""
    fields = {
        "From": "Bob Baker <bob@mailweb.test>",
        "To": "alice@mailweb.test",
        "Subject": subject,
        **{name.replace("_", "-").title(): value for name, value in headers.items()},
    }
    head = [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join([*head, "", *lines]).encode()


def file(
    user: User, now: datetime, data: bytes | None = None, *, role: Role = Role.INBOX, **more
) -> Message:
    """File a message for `user`."""
    data = letter("The cellar is missing.") if data is None else data
    return services.file_message(user=user, role_or_mailbox=role, data=data, now=now, **more)


HTML = "\r\n".join(
    [
        "--b",
        "Content-Type: text/html; charset=utf-8",
        "",
        '<p style="position:fixed;color:red">Dear <b>Alice</b></p><script>alert(1)</script>'
        '<img src="cid:plan@x"><img src="https://spy.test/1.png"><img src="http://spy.test/2.png">',
        "--b",
        "Content-Type: image/png",
        "Content-ID: <plan@x>",
        "Content-Transfer-Encoding: base64",
        "",
        "aGVsbG8=",
        "--b",
        'Content-Type: text/html; name="page.html"',
        "Content-Disposition: attachment",
        "",
        "<script>alert(1)</script>",
        "--b--",
    ]
)


def html_letter() -> bytes:
    """Return a message with HTML, a picture inside it, and an HTML file attached."""
    return letter(HTML, content_type='multipart/mixed; boundary="b"')
