"""Debian's Postfix as a submission server: whoever logs in through Cyrus SASL may send mail."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tests.peers.servers.postfix import DOMAIN, Postfix
from tests.peers.servers.presence import missing, unpacked

USERNAME, PASSWORD = "alice", "wonderland"
MODULES = "libscram.so", "libsasldb.so", "libcrammd5.so", "libplain.so", "liblogin.so"

_LOG_IN: Mapping[str, str] = MappingProxyType(
    {
        "smtpd_sasl_auth_enable": "yes",
        "smtpd_tls_auth_only": "yes",
        "smtpd_client_restrictions": "permit_sasl_authenticated,reject",
        "smtpd_delay_reject": "yes",
    }
)
WAYS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "submission": {**_LOG_IN, "smtpd_tls_security_level": "encrypt"},
        "submissions": {**_LOG_IN, "smtpd_tls_wrappermode": "yes"},
        "tls-1.2": {**_LOG_IN, "smtpd_tls_protocols": "<=TLSv1.2"},
        "only-plain": {**_LOG_IN, "smtpd_sasl_mechanism_filter": "plain,login"},
    }
)

SASL = """
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {folder}/etc/sasldb2
mech_list: SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN
"""


class Submission(Postfix):
    """A running instance; a context manager. One account: `USERNAME` with `PASSWORD`."""

    ways = WAYS
    silent = frozenset({"submissions"})

    def _configure(self, trusted: bytes, self_signed: bytes) -> None:
        tool = unpacked("usr/sbin/saslpasswd2", of="Cyrus SASL")
        if not all(any(Path("/usr/lib").glob(f"*/sasl2/{name}")) for name in MODULES):
            missing("Cyrus SASL with its mechanisms")
        super()._configure(trusted, self_signed)
        etc = self._folder / "etc"
        # Debian's Postfix looks here, whatever `cyrus_sasl_config_path` says.
        (etc / "sasl").mkdir()
        (etc / "sasl/smtpd.conf").write_text(SASL.format(folder=self._folder), encoding="utf-8")
        subprocess.run(
            [tool, "-c", "-p", "-f", etc / "sasldb2", "-u", f"mx.{DOMAIN}", USERNAME],
            check=True,
            input=PASSWORD.encode(),
        )
        shutil.chown(etc / "sasldb2", "postfix")
