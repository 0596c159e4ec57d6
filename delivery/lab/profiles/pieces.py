"""Lines of DNS and other pieces that several profiles share."""

from __future__ import annotations

from delivery.lab.behaviour import Tls
from delivery.lab.ca import Showing

ORDINARY = ("@ MX 10 mx", "mx A {mx}")
REPORTS = '_smtp._tls TXT "v=TLSRPTv1; rua=mailto:tls-reports@{domain}"'
STS = ('_mta-sts TXT "v=STSv1; id={sts_id}"', "mta-sts A 127.0.0.1", REPORTS)
TLSA = "_25._tcp.mx TLSA 3 1 1 {ee}"
SELF_SIGNED = Tls(showing=Showing.SELF_SIGNED)
