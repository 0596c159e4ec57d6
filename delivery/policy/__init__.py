"""Decisions about transport security, as pure functions of values.

What a recipient's server was seen to do is *evidence*; what DNS and HTTPS say now are
*facts*; what the sender asked for is an *order*. From these three the package judges:

    requirements.py   what one MX host must show before it gets the message
    verdict.py        the one judge: compose foresees with it, the worker obeys it
    recall.py         what the last session with a host would show under today's facts
    memory.py         how long evidence counts; TLS that was there forbids plain text
    telling.py        the sentences of a forecast
    choice.py         which TLS mode is chosen for a message, and the sentence why
    record.py         folds attempts into what is known about a domain
    bars.py           the five bars, from a record and the facts
    words.py          the words and shapes that people see
    dates.py          moments as people say them
    dane.py           RFC 6698, 7671, 7672: do certificates match TLSA records?
    mtasts.py         RFC 8461: records, policies, matching
    outcome.py        how a try ended: scope and permanence
    retry.py          when to try again

Nothing here opens a socket, reads a clock or rolls dice; `now` and `jitter` are arguments.
"""

from __future__ import annotations
