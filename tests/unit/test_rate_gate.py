"""A backend that says "429, come back later" is left alone for that long, and its circuit stays closed."""

from __future__ import annotations

import asyncio
import logging
from math import inf, nan

import pytest

from quickthorn_server.core.failures import BackendError, Failure, Reason
from quickthorn_server.core.plan import Circuit, Forced
from quickthorn_server.execution.rate_gate import RateGate, clamped
from quickthorn_server.execution.refusal import CircuitOpen, RateGated, Refused
from quickthorn_server.providers.retry_after import retry_after
from quickthorn_server.providers.scripted import Scripted
from tests.support.cast import Cast, Played, fails, says
from tests.support.circuit import Rig
from tests.support.virtual import run_virtual

YEAR = 365.0 * 24 * 3600


def limited(seconds: float | None) -> BackendError:
    return BackendError(Failure.RATE_LIMITED, http_status=429, retry_after=seconds)


@pytest.mark.parametrize(
    ("named", "taken"),
    [(0.0, 0.0), (2.5, 2.5), (3600.0, 3600.0), (YEAR, 3600.0), (-1.0, 0.0), (nan, 0.0), (inf, 3600.0)],
)
def test_a_wait_is_clamped(named: float, taken: float, caplog: pytest.LogCaptureFixture) -> None:
    """To an hour at most and nothing at least; what had to be clamped is logged once per backend."""
    gate = RateGate("a")
    with caplog.at_level(logging.WARNING):
        gate.limited(named, 10.0)
        gate.limited(named, 10.0)
    assert (clamped(named), gate.wait(10.0)) == (taken, taken)
    assert len(caplog.records) == (named != taken)


@pytest.mark.parametrize(
    ("header", "taken", "logged"),
    [("31536000", 3600.0, 1), ("-5", 0.0, 1), ("1e999", 3600.0, 1), ("NaN", 0.0, 0), ("30", 30.0, 0)],
)
def test_a_senseless_header_is_clamped_and_logged_once(
    header: str, taken: float, logged: int, caplog: pytest.LogCaptureFixture
) -> None:
    """From the wire to the gate: a year, a negative wait, infinity; what is no number names no wait."""
    gate = RateGate("a")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            gate.limited(retry_after("", header), 0.0)
    assert (gate.wait(0.0), len(caplog.records)) == (taken, logged)


def test_the_longest_wait_holds() -> None:
    """A shorter one does not shorten it, an unnamed one adds none, and it ends when it ends."""
    gate = RateGate("a")
    gate.limited(None, 0.0)
    assert gate.wait(0.0) == 0.0
    gate.limited(5.0, 0.0)
    gate.limited(1.0, 1.0)
    gate.limited(None, 2.0)
    assert (gate.wait(2.0), gate.wait(4.5), gate.wait(5.0), gate.wait(99.0)) == (3.0, 0.5, 0.0, 0.0)


def test_a_limited_backend_is_refused_and_its_circuit_is_closed() -> None:
    """Whatever the number of 429; the refusal is of its own kind and carries the wait."""
    rig = Rig()
    for permit in rig.admit(100):
        permit.failed(limited(4.0))
    assert (rig.circuit(), rig.outcomes, rig.breaker.snapshot().retry_after) == (Circuit.CLOSED, 0, 4.0)
    rig.now += 1.0
    with pytest.raises(RateGated) as refusal:
        rig.breaker.admit()
    assert (refusal.value.backend, refusal.value.retry_after) == ("a", 3.0)
    rig.now += 3.0
    rig.succeed()


def test_a_limit_takes_no_probe_and_no_place() -> None:
    """While it holds a circuit does not even turn half-open; an open circuit says it is open."""
    rig = Rig()
    late = rig.admit()[0]
    rig.tripped()
    late.failed(limited(60.0))  # of an earlier era, and true all the same
    with pytest.raises(CircuitOpen):
        rig.breaker.admit()
    rig.now += 10.0
    with pytest.raises(RateGated):
        rig.breaker.admit()
    assert (rig.circuit(), rig.told) == (Circuit.OPEN, [Circuit.OPEN])
    rig.now += 50.0
    rig.admit()
    assert rig.circuit() is Circuit.HALF_OPEN


def test_both_kinds_of_refusal_are_refusals() -> None:
    """Whoever asks for leave need know only that there is none, and for how long."""
    assert issubclass(CircuitOpen, Refused)
    assert issubclass(RateGated, Refused)


def played(wait: float, *, b_sick: bool = False, b_limited: float | None = None) -> tuple[Played, Played, Cast]:
    """Play a call that meets a 429 of backend a, and another one a second later."""

    async def main() -> tuple[Played, Played, Cast]:
        b = says("B")
        if b_limited is not None:
            b = fails(Failure.RATE_LIMITED, http_status=429, retry_after=b_limited)
        elif b_sick:
            b = fails(Failure.UNAVAILABLE, http_status=500)
        a = fails(Failure.RATE_LIMITED, http_status=429, retry_after=wait)
        cast = Cast(a=Scripted(a), b=Scripted(b))
        first = await cast.streamed(cast.plan(attempts=2))
        await asyncio.sleep(1.0)
        return first, await cast.streamed(cast.plan(attempts=2)), cast

    return run_virtual(main())


def test_the_next_call_does_not_ask_a_limited_backend() -> None:
    """It goes straight to the other one."""
    first, second, cast = played(30.0)
    assert (first.error, second.error, second.server) == (None, None, "b")
    assert [lane[0] for lane in cast.lanes()] == ["b"]


def test_all_limited_is_rate_limited_with_the_shortest_wait() -> None:
    """Not "every circuit is open": the client learns that slowing down helps, and when."""
    first, second, cast = played(30.0, b_limited=20.0)
    assert first.error is not None
    assert (first.error.reason, first.error.retry_after) == (Reason.RATE_LIMITED, 20.0)
    assert second.error is not None
    assert (second.error.reason, second.error.retry_after) == (Reason.RATE_LIMITED, 19.0)
    assert (cast.lanes(), cast.told.circuits) == ([], [])


def test_one_limited_and_one_sick_is_neither() -> None:
    """The lane that ran was not limited, so the call failed everywhere for different reasons."""
    _, second, cast = played(30.0, b_sick=True)
    assert second.error is not None
    assert (second.error.reason, second.error.retry_after) == (Reason.ALL_FAILED, 29.0)
    assert "a rate_limited" in second.error.message
    assert {lane[0] for lane in cast.lanes()} == {"b"}


def test_one_limited_and_one_open_is_no_healthy_backend() -> None:
    """With the shorter of the two waits."""

    async def main() -> Played:
        cast = Cast(a=Scripted(says("A")), b=Scripted(says("B")))
        cast.breakers["a"].admit().failed(limited(30.0))
        await asyncio.sleep(28.0)
        cast.breakers["b"].force(Forced.OPEN)
        return await cast.streamed(cast.plan())

    seen = run_virtual(main())
    assert seen.error is not None
    assert (seen.error.reason, seen.error.retry_after) == (Reason.NO_HEALTHY_BACKEND, 2.0)


def test_an_absurd_wait_never_reaches_the_client() -> None:
    """What the advice says is clamped as the gate is."""
    for wait in (YEAR, nan, -5.0):
        first, _, _ = played(wait, b_limited=wait)
        assert first.error is not None
        assert first.error.retry_after == clamped(wait)
