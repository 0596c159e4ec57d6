"""Benchmarks: the whole worker beside Debian's Postfix, on the same machine, into the same sink.

Method. Both queues are filled first and held. Then all is released at once, and the time until
the sink has accepted the last message is taken. Runs alternate between the two, because a
shared machine drifts; the medians and their ratio are what counts, never a single time.
"""

from __future__ import annotations
