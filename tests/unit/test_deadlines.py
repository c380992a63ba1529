"""Patience: each limit at its instant, once, and for one timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.core.catalogue import Timeouts
from quickthorn_server.execution.alarm import TICK, Alarm, Alarms
from quickthorn_server.execution.deadlines import Limit, Patience
from tests.support.laws import law
from tests.support.virtual import VirtualTimeLoop, run_virtual

TIMES = Timeouts(first_token=10.0, idle=4.0, total=100.0)


Script = Callable[[Patience], list[tuple[float, Callable[[], None]]]]


def patient(timeouts: Timeouts, expired: Callable[[Limit], None], *, whole: bool = False) -> Patience:
    """Return what watches an attempt that begins now, and tells *expired* as a lane would be told."""
    loop = asyncio.get_running_loop()
    alarm = Alarm(Alarms())
    patience = Patience(timeouts, alarm, loop.time(), whole=whole)

    def look(now: float) -> float | None:
        if (limit := patience.passed(now)) is not None:
            patience.stop()
            expired(limit)
        return patience.due()

    alarm.watch(look)
    return patience


def watched(script: Script, *, timeouts: Timeouts = TIMES, whole: bool = False) -> list[tuple[float, Limit]]:
    """Return when which limits passed, if things happen as *script* says: instants and what to do at them."""

    async def main() -> list[tuple[float, Limit]]:
        loop = asyncio.get_running_loop()
        ended: list[tuple[float, Limit]] = []
        patience = patient(timeouts, lambda limit: ended.append((round(loop.time(), 6), limit)), whole=whole)
        for at, act in script(patience):
            loop.call_at(at, act)
        await asyncio.sleep(1000.0)
        patience.stop()
        return ended

    return run_virtual(main())


def heard(patience: Patience, at: float) -> tuple[float, Callable[[], None]]:
    return at, lambda: patience.heard(at)


def test_silence_from_the_start_ends_at_the_first_token_limit() -> None:
    """To the instant, and once."""
    assert watched(lambda _: []) == [(10.0, Limit.FIRST_TOKEN)]


def test_after_a_token_silence_is_bounded_by_idle() -> None:
    """Idle counts from the last token, whether that ends before or after the first limit would have."""
    assert watched(lambda patience: [heard(patience, 1.0)]) == [(5.0, Limit.IDLE)]
    assert watched(lambda patience: [heard(patience, 9.0)]) == [(13.0, Limit.IDLE)]
    assert watched(lambda patience: [heard(patience, 1.0), heard(patience, 4.5)]) == [(8.5, Limit.IDLE)]


def test_idle_longer_than_the_first_limit() -> None:
    """The first token lifts the first limit at once."""
    assert watched(
        lambda patience: [heard(patience, 1.0)], timeouts=Timeouts(first_token=2.0, idle=50.0, total=100)
    ) == [(51.0, Limit.IDLE)]


def test_total_bounds_a_stream_that_keeps_talking() -> None:
    """A drip ends at the total, however lively."""
    assert watched(lambda patience: [heard(patience, at * 3.0) for at in range(1, 99)]) == [(100.0, Limit.TOTAL)]


def test_total_counts_no_more_once_committed() -> None:
    """A stream that speaks may go on; idle still holds."""

    def script(patience: Patience) -> list[tuple[float, Callable[[], None]]]:
        talk = [heard(patience, at * 3.0) for at in range(1, 99)]
        return [(3.0, patience.committed), *talk]

    assert watched(script) == [(98 * 3.0 + 4.0, Limit.IDLE)]


def test_a_reply_in_one_piece_is_bounded_by_total_alone() -> None:
    """No token comes while the whole is written, so no silence is too long."""
    assert watched(lambda _: [], whole=True) == [(100.0, Limit.TOTAL)]
    assert watched(lambda patience: [heard(patience, 30.0)], whole=True) == [(34.0, Limit.IDLE)]


def test_our_own_pause_is_not_the_providers_silence() -> None:
    """While the reader is slow nothing expires; afterwards idle counts anew."""

    def script(patience: Patience) -> list[tuple[float, Callable[[], None]]]:
        return [heard(patience, 1.0), (1.0, patience.committed), (2.0, patience.paused), heard(patience, 500.0)]

    assert watched(script) == [(504.0, Limit.IDLE)]


def test_a_pause_does_not_lift_the_total_of_a_unary_call() -> None:
    """Total is the attempt's own, whoever is slow."""
    assert watched(lambda patience: [heard(patience, 1.0), (2.0, patience.paused)]) == [(100.0, Limit.TOTAL)]


def test_a_stopped_watch_says_nothing() -> None:
    """What has ended cannot expire, and leaves no timer."""
    assert watched(lambda patience: [(9.999, patience.stop)]) == []


def test_a_stopped_watch_stays_stopped() -> None:
    """A token that is still being read after the end starts no new watch."""
    assert watched(lambda patience: [(1.0, patience.stop), heard(patience, 1.0)]) == []


@pytest.mark.parametrize(("first", "idle", "limit"), [(3.0, 9.0, Limit.FIRST_TOKEN), (9.0, 9.0, Limit.TOTAL)])
def test_the_earlier_limit_speaks(first: float, idle: float, limit: Limit) -> None:
    """Of two limits the one that passes first is named."""
    assert watched(lambda _: [], timeouts=Timeouts(first_token=first, idle=idle, total=5.0))[0][1] is limit


def test_a_talkative_stream_costs_few_timers() -> None:
    """100,000 tokens in 100 s arm a timer about once per idle time, not once per token."""

    class Counting(VirtualTimeLoop):
        armed = 0

        def call_at(self, *given: object, **named: object) -> asyncio.TimerHandle:
            self.armed += 1
            return super().call_at(*given, **named)  # type: ignore[arg-type]

    async def main() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Counting)
        patience = patient(TIMES, lambda _: None)
        for turn in range(100):
            for token in range(1000):
                patience.heard(turn + token / 1000)
            await asyncio.sleep(1.0)
        patience.stop()
        return loop.armed - 100  # the sleeps

    with asyncio.Runner(loop_factory=Counting) as runner:
        assert runner.run(main()) <= 100 / TIMES.idle + 5


@law()
@given(
    st.lists(st.floats(0.01, 6.0), max_size=12),
    st.floats(0.5, 8.0),
    st.floats(0.5, 8.0),
    st.floats(0.5, 40.0),
)
def test_the_first_gap_that_is_too_long_ends_it(gaps: list[float], first: float, idle: float, total: float) -> None:
    """Against a plain walk over the gaps: the same limit at the same instant, and nothing after it."""
    expected = _walk(gaps, first, idle, total)

    async def main() -> list[tuple[float, Limit]]:
        loop = asyncio.get_running_loop()
        ended: list[tuple[float, Limit]] = []
        timeouts = Timeouts(first_token=first, idle=idle, total=total)
        patience = patient(timeouts, lambda limit: ended.append((loop.time(), limit)))
        for gap in gaps:
            await asyncio.sleep(gap)
            if ended:
                break
            patience.heard(loop.time())
        await asyncio.sleep(200.0)
        patience.stop()
        return ended

    ((at, limit),) = run_virtual(main())
    assert at == pytest.approx(expected[0], abs=10 * TICK)
    assert limit is expected[1]


def _walk(gaps: list[float], first: float, idle: float, total: float) -> tuple[float, Limit]:
    now, allowed, limit = 0.0, first, Limit.FIRST_TOKEN
    for gap in gaps:
        if min(allowed, total - now) <= gap:
            break
        now += gap
        allowed, limit = idle, Limit.IDLE
    return (now + allowed, limit) if now + allowed < total else (total, Limit.TOTAL)
