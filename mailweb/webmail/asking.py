"""What Send may come back with before anything is sent, and what it can be told in answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from delivery.selectors import Consent
    from mailweb.webmail.keeping_back import Suppressed


class UnfinishedDraftError(UserError):
    """Something in the message has to be put right first.

    `errors` has the sentences by field: to, cc, bcc, sender, subject, files.
    """

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        self.errors = dict(errors)
        super().__init__(next(sentence for sentences in errors.values() for sentence in sentences))


class DecisionError(UserError):
    """Before this is sent, somebody has to decide something."""


class CannotBeMetError(DecisionError):
    """At least one copy can't be sent like this."""


class ConsentNeededError(DecisionError):
    """At least one copy would go with TLS optional; that needs a yes."""

    def __init__(self, consents: tuple[Consent, ...]) -> None:
        self.consents = consents
        super().__init__()


class SuppressedError(DecisionError):
    """At least one recipient is on the account's list of suppressed addresses."""

    def __init__(self, suppressed: tuple[Suppressed, ...]) -> None:
        self.suppressed = suppressed
        super().__init__()


REFUSALS = (UnfinishedDraftError, DecisionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What Send was told beyond the draft.

    `consents` are copies that may go with TLS optional, `insists` those that shall rather wait;
    `anyway` queues copies that would wait or fail as things stand. `lifts` are addresses to be taken
    off the list of suppressed ones.
    """

    consents: frozenset[str] = field(default_factory=frozenset)
    insists: frozenset[str] = field(default_factory=frozenset)
    lifts: frozenset[str] = field(default_factory=frozenset)
    anyway: bool = False
