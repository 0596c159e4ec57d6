"""Everything of an installation that gets old, by the name operators call it."""

from __future__ import annotations

from typing import Final

import accounts.pruning
import delivery.pruning

KINDS: Final = {kind.name: kind for kind in (*delivery.pruning.KINDS, *accounts.pruning.KINDS)}
