"""A total outage cost 1.102 attempts a call: failing over to a backend that its circuit only tried out was free."""

from __future__ import annotations

from quickthorn_server.core.catalogue import Backend, BreakerRule
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.execution.breakers import Breakers


def test_a_backend_that_is_only_tried_out_is_not_healthy() -> None:
    """Its window knows nothing any more, for the outage has outlasted it; once closed, it is judged by its outcomes."""
    now = [0.0]
    rule = BreakerRule(consecutive=5, open_for=5.0, window=2.0, successes=1)
    backend = Backend("a", "scripted", "m", "m", breaker=rule)
    breakers = Breakers([backend], lambda: now[0], lambda *_: None)
    assert breakers.healthy("a")
    for _ in range(5):
        breakers["a"].admit().failed(BackendError(Failure.UNAVAILABLE))
    now[0] = 10.0
    trial = breakers["a"].admit()
    assert not breakers.healthy("a")
    trial.succeeded(0.1)
    assert breakers.healthy("a")
