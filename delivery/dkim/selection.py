"""Which header fields a signature covers (RFC 6376 §5.4).

A field is signed as often as it occurs. One that must not be added on the way is named once more
than that ("oversigned", §8.15): then a second From, or a Reply-To that was not there, breaks the
signature. Fields that others rightly add (Resent-*, List-*, Sender) are signed only where they are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from delivery.dkim.canonical import Field

SEALED: Final = (
    b"from",
    b"reply-to",
    b"subject",
    b"date",
    b"to",
    b"cc",
    b"message-id",
    b"in-reply-to",
    b"references",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
    # RFC 8689 §3: whoever adds this asks for less protection in the sender's name.
    b"tls-required",
)

SIGNED: Final = (
    b"sender",
    b"resent-date",
    b"resent-from",
    b"resent-sender",
    b"resent-to",
    b"resent-cc",
    b"resent-message-id",
    b"list-id",
    b"list-help",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"list-subscribe",
    b"list-post",
    b"list-owner",
    b"list-archive",
    b"content-id",
    b"content-description",
    b"content-disposition",
    b"auto-submitted",
    b"tls-report-domain",
    b"tls-report-submitter",
)

MOST_OF_A_KIND: Final = 20
"""RFC 5322 §3.6 allows one of most fields; of hundreds the lowest few are signed."""


def names_to_sign(fields: Iterable[Field]) -> list[bytes]:
    """Return the names for `h=`, in order, each as often as it counts."""
    found = Counter(field.name for field in fields)
    names: list[bytes] = []
    for name in SEALED:
        times = found[name] + 1 if found[name] < MOST_OF_A_KIND else MOST_OF_A_KIND
        names += [name] * times
    for name in SIGNED:
        names += [name] * min(found[name], MOST_OF_A_KIND)
    return names


def signed_fields(fields: Sequence[Field], names: Iterable[bytes]) -> list[Field]:
    """Return the fields that `names` means: each name takes the lowest one not taken yet (§5.4.2)."""
    left: dict[bytes, list[Field]] = defaultdict(list)
    for field in fields:
        left[field.name].append(field)
    return [left[name].pop() for name in names if left[name]]
