"""A backend's own limits: what would be over them is not sent, and the client learns when to come back."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend, Limits
from quickthorn_server.core.chunk import UsageReport
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Failure, Reason
from quickthorn_server.core.plan import Forced
from quickthorn_server.core.usage import Usage
from quickthorn_server.execution.limits import Limiter, Limiters, Minute
from quickthorn_server.execution.refusal import AtLimit
from quickthorn_server.providers.scripted import Scripted
from tests.support.cast import STOP, Cast, fails, says, silent
from tests.support.virtual import run_virtual


class Watch:
    """A clock that stands until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("limits", "taken", "near"),
    [
        (Limits(in_flight=5), 3, False),
        (Limits(in_flight=5), 4, True),
        (Limits(rpm=10), 7, False),
        (Limits(rpm=10), 8, True),
        (Limits(tpm=1000), 7, False),
        (Limits(tpm=1000), 8, True),
        (Limits(in_flight=100, rpm=100, tpm=1000), 8, True),
    ],
)
def test_four_fifths_of_a_limit_are_near(limits: Limits, taken: int, near: bool) -> None:
    """From there on what is left is for first attempts; after a minute, or when attempts have ended, it is not."""
    watch = Watch()
    limiters = Limiters([Backend("a", "p", "m", "m", limits=limits)], watch)
    leaves = [limiters.take("a", 100) for _ in range(taken)]
    assert limiters.near("a") == near
    for leave in leaves:
        leave(None)
    watch.now = 61.0
    assert not limiters.near("a")


def test_a_minute_slides() -> None:
    """Room comes back exactly a minute after it was taken, and not at any edge of the clock."""
    minute = Minute(3)
    for at in (0.0, 10.0, 59.0):
        assert minute.wait(1, at) == 0.0
        minute.take(1, at)
    assert (minute.wait(1, 59.0), minute.wait(2, 59.0), minute.wait(3, 59.0)) == (1.0, 11.0, 60.0)
    assert (minute.wait(1, 60.0), minute.wait(2, 60.0), minute.wait(2, 70.0)) == (0.0, 10.0, 0.0)


def test_no_minute_lets_more_through() -> None:
    """Whatever the amounts and instants: of what was let through, no 60 seconds hold more than the limit."""
    rng = random.Random(3)
    for _ in range(50):
        most, now, through = rng.randint(1, 40), 0.0, list[tuple[float, int]]()
        minute = Minute(most)
        for _ in range(200):
            now += rng.choice((0.0, 0.5, 3.0, 29.0))
            amount = rng.randint(1, most)
            wait = minute.wait(amount, now)
            held = sum(n for at, n in through if at > now - 60)
            assert (wait == 0.0) == (held + amount <= most)
            if not wait:
                minute.take(amount, now)
                through.append((now, amount))
            else:
                assert sum(n for at, n in through if at + 60 > now + wait) + amount <= most


def test_more_than_the_whole_limit_needs_all_of_it() -> None:
    """A prompt beyond the limit is let through when nothing else counts: refused it would wait for ever."""
    minute = Minute(100)
    minute.take(1, 0.0)
    assert minute.wait(5000, 20.0) == 40.0
    assert minute.wait(5000, 60.0) == 0.0
    minute.take(5000, 60.0)
    assert minute.wait(1, 61.0) == 59.0


def test_what_was_used_replaces_the_estimate() -> None:
    """Less gives room back at once; more counts from when it is known; what is over a minute old stays forgotten."""
    minute = Minute(100)
    spent = minute.take(80, 0.0)
    minute.correct(spent, 30, 5.0)
    assert (minute.wait(70, 5.0), minute.wait(71, 5.0)) == (0.0, 55.0)
    minute.correct(spent, 90, 10.0)
    assert (minute.wait(40, 60.0), minute.wait(41, 60.0)) == (0.0, 10.0)
    old = Minute(100)
    spent = old.take(80, 0.0)
    old.correct(spent, 10, 60.0)
    old.take(100, 60.0)
    assert old.wait(1, 60.0) == 60.0


def test_the_longest_of_the_waits_is_named() -> None:
    """A backend that is at two limits is free when both are."""
    clock = Watch()
    limiter = Limiter(Limits(in_flight=1, rpm=1, tpm=1000), clock)
    leave = limiter.take(10)
    clock.now = 15.0
    assert limiter.wait(10) == 45.0
    clock.now = 60.0
    assert limiter.wait(10) == 1.0
    leave(None)
    assert limiter.wait(10) == 0.0


def test_a_backend_without_limits_is_never_refused() -> None:
    """And costs no bookkeeping."""
    assert Limiters([Backend("a", "scripted", "m", "m")], Watch()).limited == frozenset()


def test_a_refusal_names_the_backend_and_the_wait() -> None:
    """As every refusal does; and the router is told who is at a limit now."""
    clock = Watch()
    limiters = Limiters([Backend("a", "scripted", "m", "m", limits=Limits(rpm=2))], clock)
    for _ in range(2):
        limiters.check("a", 1)
        limiters.take("a", 1)
    clock.now = 20.0
    with pytest.raises(AtLimit) as refusal:
        limiters.check("a", 1)
    assert (refusal.value.backend, refusal.value.retry_after) == ("a", 40.0)
    assert limiters.reached() == {"a"}


def calls(cast: Cast, count: int, **given: Any) -> list[asyncio.Task[Any]]:
    """Start unary calls at once."""
    return [asyncio.create_task(cast.completed(cast.plan(**given))) for _ in range(count)]


def reasons(results: list[Any]) -> list[tuple[Reason, float | None]]:
    """Return the failures among *results*."""
    return [(result.reason, result.retry_after) for result in results if isinstance(result, CallError)]


def test_no_more_than_in_flight_are_asked_at_once() -> None:
    """10 calls, 3 places: 3 are asked, 7 are refused without being sent, and the places come back."""

    async def main() -> None:
        cast = Cast(a=Scripted(says("A", after=1.0)), limits=Limits(in_flight=3))
        results = await asyncio.gather(*calls(cast, 10), return_exceptions=True)
        assert len(cast.scripts["a"].opened_at) == 3
        assert reasons(results) == [(Reason.RATE_LIMITED, 1.0)] * 7
        assert not reasons(await asyncio.gather(*calls(cast, 3)))

    run_virtual(main())


def test_a_limited_backend_is_skipped() -> None:
    """The next candidate takes what is over; nobody fails, and no circuit hears of it."""

    async def main() -> None:
        cast = Cast(a=Scripted(says("A", after=1.0)), b=Scripted(says("B", after=1.0)), limits=Limits(in_flight=3))
        await asyncio.gather(*calls(cast, 6))
        assert [len(cast.scripts[name].opened_at) for name in "ab"] == [3, 3]
        assert cast.told.circuits == []

    run_virtual(main())


def test_requests_per_minute_count_attempts_and_name_the_wait() -> None:
    """Also those that failed: the provider has counted them. The shortest wait of all candidates is told."""

    async def main() -> None:
        sick = fails(Failure.UNAVAILABLE, http_status=500)
        cast = Cast(a=Scripted(sick), b=Scripted(says("B")), limits=Limits(rpm=2))
        for _ in range(2):
            await cast.completed(cast.plan())
            await asyncio.sleep(9.9)
        with pytest.raises(CallError) as refused:
            await cast.completed(cast.plan())
        assert (refused.value.reason, round(refused.value.retry_after or 0, 6)) == (Reason.RATE_LIMITED, 40.0)
        assert [len(cast.scripts[name].opened_at) for name in "ab"] == [2, 2]
        assert cast.lanes() == []
        await asyncio.sleep(40.0)
        await cast.completed(cast.plan())

    run_virtual(main())


def test_tokens_per_minute_reserve_and_settle() -> None:
    """An estimate holds its place while the attempt runs; what it really used counts afterwards."""
    reply = [*says("A", after=1.0)[:-1], (0.0, UsageReport(Usage(40, 5))), (0.0, STOP)]

    async def main() -> None:
        cast = Cast(a=Scripted(reply), limits=Limits(tpm=100))
        results = await asyncio.gather(*calls(cast, 2, input_tokens=90), return_exceptions=True)
        assert len(reasons(results)) == 1
        assert len(cast.scripts["a"].opened_at) == 1
        cast.limiters.check("a", 55)
        with pytest.raises(AtLimit):
            cast.limiters.check("a", 56)

    run_virtual(main())


def test_every_way_to_end_gives_the_place_back_once() -> None:
    """Won, lost, failed, timed out, abandoned by the caller, or cancelled in the middle: nothing stays in flight."""

    async def main() -> None:
        cast = Cast(
            a=Scripted(silent()), b=Scripted(fails(Failure.LOST)), c=Scripted(says("C")), limits=Limits(in_flight=5)
        )
        await cast.completed(cast.plan(delay=0.1, max_parallel=3))
        assert {lane[2] for lane in cast.lanes()} == {"lost", "failed", "won"}
        with pytest.raises(CallError):
            await cast.completed(cast.plan(order=(cast.backends["a"],), attempts=1))
        (running,) = calls(cast, 1)
        await asyncio.sleep(0.05)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await cast.streamed(cast.plan(), deadline=0.05)
        assert [limiter.in_flight for limiter in cast.limiters._all.values()] == [0, 0, 0]

    run_virtual(main())


def test_a_thousand_random_calls_leave_nothing_and_exceed_nothing() -> None:
    """Hedged, failing and cancelled at random instants: never more streams than places, and in the end none."""

    async def main() -> None:
        rng = random.Random(7)
        cast = Cast(
            a=Scripted(says("A", after=0.7)), b=Scripted(fails(Failure.UNAVAILABLE, 0.2)), limits=Limits(in_flight=4)
        )
        running = []
        for _ in range(1000):
            running += calls(cast, 1, delay=rng.choice((None, 0.0, 0.3)))
            await asyncio.sleep(rng.random() * 0.2)
            assert all(limiter.in_flight <= 4 for limiter in cast.limiters._all.values())
            if rng.random() < 0.3:
                rng.choice(running).cancel()
        await asyncio.gather(*running, return_exceptions=True)
        assert [limiter.in_flight for limiter in cast.limiters._all.values()] == [0, 0]
        assert max(len(script.opened_at) for script in cast.scripts.values()) > 100

    run_virtual(main())


def test_one_limited_and_one_open_is_no_healthy_backend() -> None:
    """Not every candidate is at a limit: slowing down alone would not help, the shorter wait is told."""

    async def main() -> None:
        cast = Cast(a=Scripted(says("A")), b=Scripted(says("B")), limits=Limits(rpm=1))
        await cast.completed(cast.plan())
        cast.breakers["b"].force(Forced.OPEN)
        with pytest.raises(CallError) as refused:
            await cast.completed(cast.plan())
        assert (refused.value.reason, refused.value.retry_after) == (Reason.NO_HEALTHY_BACKEND, 5.0)
        assert refused.value.message == "every backend of route default is limited, or its circuit open"

    run_virtual(main())
