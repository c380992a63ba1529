"""What it costs an open circuit to refuse a call, in microseconds: a process of its own, which imports the server."""

from __future__ import annotations

import sys
import time

from quickthorn_server.core.catalogue import BreakerRule
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.execution.breakers import Breaker
from quickthorn_server.execution.refusal import Refused

_TIMES = 50_000


def refusal_us() -> float:
    """Return it, measured over many."""
    breaker = Breaker("a", BreakerRule(consecutive=1, open_for=1000.0), time.monotonic, lambda *_: None)
    breaker.admit().failed(BackendError(Failure.UNAVAILABLE, http_status=503))
    refused = 0
    began = time.perf_counter()
    for _ in range(_TIMES):
        try:
            breaker.admit()
        except Refused:
            refused += 1
    took = time.perf_counter() - began
    if refused != _TIMES:
        raise RuntimeError("the circuit was not open")
    return took / _TIMES * 1e6


if __name__ == "__main__":
    sys.stdout.write(f"{refusal_us():.2f}\n")
