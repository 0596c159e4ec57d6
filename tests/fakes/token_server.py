"""A server that renews tokens (RFC 6749 §6), by HTTPS on loopback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tests.fakes.hook_server import HookServer


class TokenServer(HookServer):
    """Issues "token-1", "token-2" and so on, each good for an hour; `answers` are given instead.

    An answer is a status and a document; None in their place means to issue a token after all.
    """

    def __init__(self, pem: Path) -> None:
        super().__init__(pem)
        self.answers: list[tuple[int, dict[str, Any]] | None] = []
        self.issued = 0
        self.more: dict[str, Any] = {}
        self.url = f"https://login.test:{self.port}/oauth/token?tenant=ours"

    def prepare(self) -> None:
        """Decide about the answer to what was just heard."""
        answer = self.answers.pop(0) if self.answers else None
        if answer is None:
            self.issued += 1
            document = {"access_token": f"token-{self.issued}", "token_type": "Bearer"}
            answer = 200, {**document, "expires_in": 3600, **self.more}
        self.status, self.words = answer[0], json.dumps(answer[1]).encode()

    @property
    def asked(self) -> list[dict[str, str]]:
        """The forms that were sent."""
        return [
            {name: values[0] for name, values in parse_qs(body.decode()).items()}
            for _, _, body in self.heard
        ]
