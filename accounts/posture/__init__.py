"""What a domain of this installation should publish, and what it does publish.

    records.py   the records to publish, and whether those found will do
    dkim.py      the keys that sign the domain's mail, and their records

Pure: records in, verdicts out. Who asks the DNS is the caller's business.
"""

from __future__ import annotations
