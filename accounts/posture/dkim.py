"""The keys that sign a domain's mail: the states they go through, and whether DNS has them right.

A key is *planned* until its record has been seen in DNS, then *published*. Only then may it become
*active* and sign. One that signs no more is *retiring*: its record must stay as long as mail with
its signatures may still be checked. After that it is *gone*.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Final

from accounts.posture.records import Record
from delivery.dkim import Algorithm, BadRecordError, KeyRecord, record_name

KEEP_RECORD_FOR: Final = timedelta(days=7)
"""Servers try for five days (RFC 5321 §4.5.4.1), and some check only when mail is read."""


class KeyState(StrEnum):
    """Where a key stands."""

    PLANNED = "planned"
    PUBLISHED = "published"
    ACTIVE = "active"
    RETIRING = "retiring"
    GONE = "gone"


BEFORE_USE: Final = (KeyState.PLANNED, KeyState.PUBLISHED)
IN_DNS: Final = (*BEFORE_USE, KeyState.ACTIVE, KeyState.RETIRING)
"""The states in which the record is published, or should be."""


def record_for(*, domain: str, selector: str, algorithm: Algorithm, public: bytes) -> Record:
    """Return the record to publish for a key, with the judgement of what is found there."""
    value = str(KeyRecord.of(algorithm, public))
    return Record(
        name=record_name(selector, domain),
        kind="TXT",
        value=value,
        mark="v=DKIM1",
        why=f"Others can check the signatures of your mail ({algorithm.shown}; DKIM, RFC 6376).",
        judge=partial(judge, algorithm=algorithm, public=public),
    )


def judge(found: Sequence[str], *, algorithm: Algorithm, public: bytes) -> tuple[bool, str]:
    """Tell whether the TXT records at a selector let others check signatures, and say it."""
    if not found:
        return False, "Missing."
    if len(found) > 1:
        return False, f"There are {len(found)} records at this name; leave only this one."
    try:
        record = KeyRecord.parse(found[0])
    except BadRecordError as error:
        return False, f"What is published can't be read: {error}."
    if not record.public:
        return False, "What is published says that the key is revoked."
    if (record.algorithm, record.public) != (algorithm.value, public):
        return False, "What is published is another key."
    if not record.is_for_mail or not record.takes_sha256:
        return False, "What is published rules these signatures out by s= or h=."
    if record.is_testing:
        return True, "Published, but t=y asks others to treat the mail as if it were unsigned."
    return True, "Published."
