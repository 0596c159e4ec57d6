"""Why a message is not taken for delivery, in sentences for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from datetime import datetime


class RefusedMessageError(UserError):
    """The message can't be accepted for delivery."""


class LimitReachedError(RefusedMessageError):
    """The account has sent as much as it may for now.

    `again_at` is when this message can be sent; None if it never can with this limit.
    """

    def __init__(self, sentence: str, *, again_at: datetime | None) -> None:
        self.again_at = again_at
        super().__init__(sentence)
