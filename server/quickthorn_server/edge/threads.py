"""gRPC's thread and the one that runs the event loop: the second is not to be interrupted by the first."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

BEHIND = 10
"""Steps of niceness: a tenth of the processor where both want it, which is about what the thread needs."""


@contextmanager
def stepping_back() -> Iterator[None]:
    """Let threads of Python's that begin inside of the block step back behind all others of this process.

    gRPC reads connections in a thread of its own and hands over every event by waking the event loop's.  Whenever it
    has something to read, or to hand over, Linux takes the processor away from the other one, in the midst of another
    call: nine times a call, on one processor.  Stepped back by 3, 6, 10 or 19 steps of niceness it does so 8, 5, 1 or 0
    times, and a call cost about 6, 9, 14 or 15 % less (one run, one kernel, all threads on one processor): events come
    a few at a time and find their code still warm.

    With another busy process beside it in the same session, p50 rose from 1.5 to 2.9 ms.  Where a system has
    no niceness of threads, or does not permit it, nothing is changed.
    """
    before = set(threading.enumerate())
    yield
    if sys.platform != "linux":
        return  # elsewhere niceness is a process's
    for thread in set(threading.enumerate()) - before:
        if thread.native_id is not None:
            with suppress(OSError):
                now = os.getpriority(os.PRIO_PROCESS, thread.native_id)
                os.setpriority(os.PRIO_PROCESS, thread.native_id, now + BEHIND)
