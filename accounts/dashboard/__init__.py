"""What the send-security dashboard shows: selectors, scoped by owner, and the pure parts they use.

    overview.py    the sentence on top, the weeks, what needs attention, who announces REQUIRETLS
    table.py       recipient domains with their bars, searched, sorted, by the page
    domain.py      everything known about one domain
    matrix.py      each mail server, step by step
    timeline.py    what happened, newest first
    published.py   what the domain publishes, as looked up
    sentences.py   the sentence on top of a page (pure)
    chart.py       columns by week as rectangles (pure)
    clock.py       times as a page shows them (pure)
    export.py      the table as CSV and JSON

Nothing here writes, and nothing here is a promise: all of it is dated evidence.
"""

from __future__ import annotations
