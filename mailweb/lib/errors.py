"""Refusals that are meant for people."""

from __future__ import annotations


class UserError(Exception):
    """That is not possible.

    A subclass's docstring is its default sentence; it is shown as it is.
    """

    def __init__(self, sentence: str = "", *, field: str = "") -> None:
        self.sentence = sentence or (self.__doc__ or "").strip().split("\n", 1)[0]
        self.field = field
        super().__init__(self.sentence)
