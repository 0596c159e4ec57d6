"""A limited number of turns, given to those who wait for them in fair order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from delivery.agent.fair import FairQueue, Party


class Turns:
    """Like a semaphore, but `most` may change while it is used, and parties take turns.

    A turn that ends is handed on. Beside those in use another one begins only if at least `line`
    wait for each of them: a short line is served sooner than a new session is set up.
    """

    def __init__(self, most: int, *, line: int = 0) -> None:
        self.most = most
        self._line = line
        self.used = 0
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()

    @property
    def are_wanted(self) -> bool:
        """Whether somebody waits for a turn."""
        return bool(self._waiting)

    async def take(self, party: Party) -> None:
        """Wait for a turn; it must be given back."""
        is_worth_it = not self._line or not self.used
        if self.used < self.most and not self._waiting and is_worth_it:
            self.used += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.add(party, turn)
        self._let_in()
        try:
            await turn
        except BaseException:
            self._waiting.remove(party, turn)
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # The turn came together with the cancellation: it goes to the next.
                self.give_back()
            raise

    def give_back(self) -> None:
        """End a turn, and let the next one begin."""
        self.used -= 1
        self._let_in(handed_on=1)

    def allow(self, most: int) -> None:
        """Change how many turns there are; those that have begun are not ended."""
        self.most = most
        self._let_in()

    def send_away(self, why: Callable[[], Exception]) -> None:
        """Let `take` raise what `why` makes for everybody who waits now."""
        while self._waiting:
            turn = self._waiting.next()
            if not turn.done():
                turn.set_exception(why())

    def _let_in(self, handed_on: int = 0) -> None:
        while self._waiting and self.used < self.most:
            if not handed_on and len(self._waiting) < self._line * self.used:
                return
            turn = self._waiting.next()
            if not turn.done():
                self.used += 1
                handed_on = 0
                turn.set_result(None)
