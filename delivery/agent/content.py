"""A message's content as it goes on the wire: the header that is added, and seven-bit forms.

Signatures come last, over the octets that are sent: after the header was added and after eight bits
were hidden. Dots are doubled and undone on the way (RFC 5321 §4.5.2); signatures don't see that.
"""

from __future__ import annotations

import email.generator
import email.message
import email.parser
import email.policy
import io
import quopri
from base64 import encodebytes
from functools import cached_property

from delivery.agent.job import Job
from delivery.policy.modes import Mode
from delivery.policy.tls_required import saying_no

_POLICY = email.policy.compat32.clone(linesep="\r\n", max_line_length=0)
_IDENTITY = {"", "7bit", "8bit", "binary"}


class CannotDowngradeError(Exception):
    """This message cannot be put into seven bits without damage."""


class Content:
    """What is sent for one job; prepared once, whatever number of sessions it takes."""

    def __init__(self, job: Job) -> None:
        data = job.content if job.content.endswith(b"\r\n") else job.content + b"\r\n"
        if job.order.effective_mode is Mode.OPTIONAL:
            # RFC 8689 §3: asks every later server, too, not to let TLS stop this message.
            data = saying_no(data)
        self._sign = job.sign
        self._unsigned = data
        self.has_8bit = not data.isascii()

    @cached_property
    def data(self) -> bytes:
        """The message, signed if it can be."""
        return self._signed(self._unsigned)

    @cached_property
    def seven_bit(self) -> bytes:
        """The same message for servers without 8BITMIME, with a signature of its own.

        Raises:
            CannotDowngradeError: it has eight bits where no encoding can hide them.
        """
        return self._signed(downgraded(self._unsigned)) if self.has_8bit else self.data

    def _signed(self, data: bytes) -> bytes:
        return self._sign(data) + data if self._sign else data


def has_header(data: bytes, name: bytes) -> bool:
    """Return whether the message has a header field `name` (lower case)."""
    head = b"\r\n" + data.partition(b"\r\n\r\n")[0].lower()
    return b"\r\n" + name + b":" in head


def downgraded(data: bytes) -> bytes:
    """Return the message with its eight-bit parts in quoted-printable or base64 (RFC 6152 §3).

    Raises:
        CannotDowngradeError: a header field has eight bits, or a signature covers a part that
            would have to change.
    """
    message = email.parser.BytesParser(policy=_POLICY).parsebytes(data)
    if has_header(data, b"dkim-signature"):
        raise CannotDowngradeError("a DKIM signature covers the eight-bit content")
    _downgrade(message)
    out = io.BytesIO()
    email.generator.BytesGenerator(out, mangle_from_=False, policy=_POLICY).flatten(message)
    encoded = out.getvalue()
    if not encoded.isascii():
        raise CannotDowngradeError("a header field has eight-bit characters")
    return encoded


def _downgrade(part: email.message.Message) -> None:
    """Encode one part, or the parts within it."""
    if part.get_content_type() in ("multipart/signed", "multipart/encrypted"):
        if not _is_ascii(part):
            raise CannotDowngradeError("a signature covers the eight-bit content")
        return
    if part.is_multipart():
        for inner in part.get_payload():
            if isinstance(inner, email.message.Message):
                _downgrade(inner)
        _declare(part, "7bit")
        return
    _encode_leaf(part)


def _is_ascii(part: email.message.Message) -> bool:
    return part.as_bytes(policy=_POLICY).isascii()


def _encode_leaf(part: email.message.Message) -> None:
    if str(part.get("Content-Transfer-Encoding", "")).strip().lower() not in _IDENTITY:
        return
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes) or raw.isascii():
        _declare(part, "7bit")
        return
    if part.get_content_maintype() == "text":
        encoded, encoding = _quoted(raw), "quoted-printable"
    else:
        encoded, encoding = encodebytes(raw), "base64"
    del part["Content-Transfer-Encoding"]
    part["Content-Transfer-Encoding"] = encoding
    part.set_payload(encoded.decode("ascii"))


def _quoted(raw: bytes) -> bytes:
    return quopri.encodestring(raw.replace(b"\r\n", b"\n"))


def _declare(part: email.message.Message, encoding: str) -> None:
    """Correct a declaration of eight bits that holds no more; add none where there was none."""
    if str(part.get("Content-Transfer-Encoding", "")).strip().lower() in ("8bit", "binary"):
        part.replace_header("Content-Transfer-Encoding", encoding)
