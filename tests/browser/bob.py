"""Bob at a shell: sends alice one letter after the other, without starting anew for each."""

from __future__ import annotations

import io
import subprocess
import sys
from base64 import b64decode, b64encode
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.instance import CHECKOUT
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.instance import Instance

WHO = ("--from", "bob@mailweb.test", "--to", "alice@mailweb.test")


@contextmanager
def writing(instance: Instance) -> Iterator[Callable[[bytes], None]]:
    """Yield what sends a letter and returns once the worker has filed it."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.browser.bob"],
        cwd=CHECKOUT,
        env=instance.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def write(letter: bytes) -> None:
            stdin.write(b64encode(letter) + b"\n")
            stdin.flush()
            assert stdout.readline() == b"sent\n"

        yield write
        stdin.close()


def main() -> None:
    """Send each letter that comes in, a line of Base64 each."""
    import django
    from django.core.management import call_command

    django.setup()
    from delivery.models import Recipient

    mine = Recipient.objects.filter(message__mail_from=WHO[1])
    answers, sys.stdout = sys.stdout, io.StringIO()
    for line in sys.stdin:
        sys.stdin = io.TextIOWrapper(io.BytesIO(b64decode(line)))
        call_command("send", *WHO, "-")
        is_filed = eventually(lambda: not mine.filter(settled_at=None).exists())
        answers.write("sent\n" if is_filed else "not filed\n")
        answers.flush()


if __name__ == "__main__":
    main()
