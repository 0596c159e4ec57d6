"""Property tests assert behaviour, not speed: a busy machine must not fail them."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("mailweb", deadline=None)
settings.load_profile("mailweb")
