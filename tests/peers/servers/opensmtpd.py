"""Debian's OpenSMTPD as a receiving server, in a root directory of its own.

It insists on root, on users of its own and on fixed paths; a small root directory has them all.
Debian 12's can't use its key with OpenSSL 3 there ("missing private key"), so it does without TLS.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.peers.servers.arrivals import Arrivals
from tests.peers.servers.presence import (
    UNPACKED,
    program,
    root_needed_by,
    unpacked,
)
from tests.peers.servers.server import Server
from tests.services import free_port

DOMAIN = "d.test"
TOOLS = ("sh", "cat", "mktemp", "mv")
LIBEXEC = "usr/libexec/opensmtpd"

CONFIGURATION = """
table users {{ "@{domain}" = "keeper" }}
smtp max-message-size 2M
smtp limit max-rcpt 20
smtp limit max-mails 4
listen on 127.0.0.1 port {port} hostname mx.{domain}
action "keep" mda "/mail/keep %{{sender}} %{{rcpt}}" virtual <users>
match from any for rcpt-to "nobody@{domain}" reject
match from any for domain "{domain}" action "keep"
"""

PASSWD = """root:x:0:0::/:/bin/sh
opensmtpd:x:65531:65531::/var/lib/opensmtpd/empty:/bin/false
opensmtpq:x:65532:65532::/var/lib/opensmtpd/empty:/bin/false
keeper:x:65533:65533::/mail:/bin/sh
"""
GROUP = "root:x:0:\nopensmtpd:x:65531:\nopensmtpq:x:65532:\nkeeper:x:65533:\n"


class OpenSmtpd(Server):
    """A running instance; a context manager."""

    name = "OpenSMTPD"

    def __init__(self) -> None:
        binary = unpacked("usr/sbin/smtpd", of="OpenSMTPD")
        root_needed_by("OpenSMTPD")
        self._folder = Path(tempfile.mkdtemp(prefix="mailweb-opensmtpd-"))
        self._folder.chmod(0o755)
        self.arrivals = Arrivals(self._folder / "mail", seen_as="/mail")
        self.port = free_port()
        self._furnish(binary)
        texts = {
            "smtpd.conf": CONFIGURATION.format(domain=DOMAIN, port=self.port),
            "passwd": PASSWD,
            "group": GROUP,
            "hosts": "127.0.0.1 localhost\n",
            "resolv.conf": "nameserver 127.0.0.1\n",
            "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
        }
        for name, text in texts.items():
            (self._folder / "etc" / name).write_text(text, encoding="utf-8")

    def _furnish(self, binary: Path) -> None:
        """Make the folders, and put the programs and all they load into them."""
        for name in ("etc", "usr/sbin", LIBEXEC, "bin", "dev", "tmp", "var/run", "var/mail"):
            (self._folder / name).mkdir(parents=True)
        for name in ("var/lib/opensmtpd/empty", "var/spool/smtpd"):
            (self._folder / name).mkdir(parents=True)
        (self._folder / "var/spool/smtpd").chmod(0o711)
        (self._folder / "tmp").chmod(0o1777)
        for number, name in ((3, "null"), (8, "random"), (9, "urandom")):
            os.mknod(self._folder / "dev" / name, 0o020666, os.makedev(1, number))
            (self._folder / "dev" / name).chmod(0o666)
        tools = {f"bin/{name}": Path(program(name)) for name in TOOLS}
        helpers = {f"{LIBEXEC}/{path.name}": path for path in (UNPACKED / LIBEXEC).iterdir()}
        for place, source in {"usr/sbin/smtpd": binary, **tools, **helpers}.items():
            shutil.copy(source, self._folder / place)
            for library in _libraries_of(source):
                copy = self._folder / library.relative_to("/")
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(library, copy)

    def _start(self) -> None:
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [program("chroot"), self._folder, "/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd.conf"],
                env={"PATH": "/bin:/usr/sbin"},
                stdout=log,
                stderr=log,
            )

    def _listening(self) -> Iterable[int]:
        return [self.port]

    def _logs(self) -> Iterable[Path]:
        return [self._folder / "log"]


def _libraries_of(binary: Path) -> list[Path]:
    """Return the shared libraries that a program loads, and the loader itself."""
    listed = subprocess.run(["ldd", binary], check=False, capture_output=True, text=True).stdout
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", listed)]
