"""How long a provider asks to be left alone.  Pure."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime


def retry_after(milliseconds: str, seconds_or_date: str, now: Callable[[], float] = time.time) -> float | None:
    """Return how many seconds to wait, whatever number the provider named; None where it names no wait.

    Whoever keeps the wait bounds it, and logs that it had to.  A date that has passed means 0: clocks differ.

    `retry-after-ms` is finer and wins over `Retry-After` (RFC 9110, 10.2.3: seconds or an HTTP date).
    """
    wait = _number(milliseconds, 1000.0)
    if wait is None:
        wait = _number(seconds_or_date, 1.0)
    if wait is None:
        wait = _until(seconds_or_date, now)
    return wait


def _number(text: str, per_second: float) -> float | None:
    try:
        value = float(text) / per_second
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _until(text: str, now: Callable[[], float]) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now())
    except (ValueError, OverflowError):
        return None
