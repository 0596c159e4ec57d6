"""Logging in with any address of an account, or with the name of an operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import ModelBackend

from accounts import selectors
from accounts.models import User

if TYPE_CHECKING:
    from django.http import HttpRequest


class AddressBackend(ModelBackend):
    """Compares names without regard to case, and takes as long for unknown ones as for known."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **_: Any,
    ) -> User | None:
        """Return the active user whose name or address, and password, these are."""
        if not username or password is None:
            return None
        user = selectors.user_named(username)
        if user is None:
            # One hash, so that the time taken does not tell which names exist.
            User().set_password(password)
            return None
        is_right = user.check_password(password)
        return user if is_right and self.user_can_authenticate(user) else None

    async def aauthenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **_: Any,
    ) -> User | None:
        """Do the same for asynchronous callers."""
        return await sync_to_async(self.authenticate)(request, username, password)
