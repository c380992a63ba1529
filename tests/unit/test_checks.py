"""Active checks: through the gates of an attempt, within their budget, one at a time; only changes are logged."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend, BreakerRule, Limits, Route
from quickthorn_server.core.chunk import UsageReport
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.health import CheckMethod, CheckRule
from quickthorn_server.core.plan import Circuit, Forced
from quickthorn_server.core.usage import Price, Usage
from quickthorn_server.execution.breakers import Breakers
from quickthorn_server.execution.carried import Estate
from quickthorn_server.execution.checks import Checks, checking
from quickthorn_server.execution.latency import Latency
from quickthorn_server.execution.limits import Limiters
from quickthorn_server.execution.purses import Purses
from quickthorn_server.execution.reaper import Reaper
from quickthorn_server.providers.script import Reply
from quickthorn_server.providers.scripted import Scripted
from tests.support.cast import STOP, Told, fails, says
from tests.support.circuit import SICK
from tests.support.virtual import run_virtual

CONNECT, MODELS, COMPLETION = CheckMethod
SLOW_TO_OPEN = BreakerRule(consecutive=100, min_calls=100, open_for=5.0, successes=3)
WELL, DOWN, REFUSED = None, Failure.CONNECT, Failure.INVALID


class Target:
    """A provider whose checks go as *fates* say, the last one again and again; None = well."""

    def __init__(self, *fates: Failure | None, takes: float = 0.0) -> None:
        self.fates = list(fates)
        self.at: list[float] = []
        self.takes = takes
        self.running = self.most_running = 0

    async def connect(self, within: float) -> None:
        del within
        self.at.append(round(asyncio.get_running_loop().time(), 3))
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        fate = self.fates.pop(0) if len(self.fates) > 1 else self.fates[0]
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.running -= 1
        if fate is not None:
            raise BackendError(fate)

    async def list_models(self, within: float) -> None:
        await self.connect(within)


class Desk:
    """One backend with checks, and what they come to.  Its dice always fall in the middle: no wait is spread."""

    def __init__(self, provider: Any, method: CheckMethod = CONNECT, limits: Limits | None = None, **rule: Any) -> None:
        loop = asyncio.get_running_loop()
        self.told = Told()
        given = {"breaker": SLOW_TO_OPEN} | {key: rule.pop(key) for key in ("breaker", "price") if key in rule}
        check = CheckRule(method, **rule)
        self.backend = Backend("a", "scripted", "m", "m", limits=limits or Limits(), check=check, **given)
        backends = [self.backend]
        breakers = Breakers(backends, loop.time, self.told.circuit_changed)
        self.estate = Estate(
            {"a": provider},
            breakers,
            Limiters(backends, loop.time),
            Purses([Route("default", ())]),
            Latency([]),
            self.told,
            Reaper(),
            Middle(),
        )
        self.breaker = breakers["a"]
        self.checks = Checks(self.backend, check, self.estate, loop.time)

    async def often(self, times: int) -> list[Circuit]:
        """Check so often, each time when it is due; return the circuit after each."""
        seen = []
        for _ in range(times):
            wait = await self.checks.once()
            seen.append(self.breaker.circuit)
            await asyncio.sleep(wait)
        return seen


class Middle(random.Random):
    """Dice that always fall in the middle."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.name.endswith(".checks")]


def test_checks_open_the_circuit_of_an_idle_backend_and_close_it_again(caplog: pytest.LogCaptureFixture) -> None:
    """Three bad ones open it before any caller has come; when its time is over two good ones close it, and it ramps."""

    async def main() -> tuple[list[tuple[float, Circuit]], float, Desk]:
        desk = Desk(Target(WELL, DOWN, DOWN, DOWN, WELL))
        loop, seen = asyncio.get_running_loop(), []
        for _ in range(6):
            wait = await desk.checks.once()
            seen.append((round(loop.time(), 1), desk.breaker.circuit))
            await asyncio.sleep(wait)
        return seen, desk.breaker.ramp, desk

    with caplog.at_level(logging.INFO):
        seen, ramp, desk = run_virtual(main())
    closed, opened, half = Circuit.CLOSED, Circuit.OPEN, Circuit.HALF_OPEN
    assert [circuit for _, circuit in seen] == [closed, closed, closed, opened, half, closed]
    assert [at for at, _ in seen[:4]] == [0.0, 30.0, 60.0, 90.0]
    assert 95.0 <= seen[4][0] < 97.0  # not one interval later: as soon as the circuit lets a probe through
    assert seen[5][0] == pytest.approx(seen[4][0] + 1.0, abs=0.11)
    assert [state for _, state in desk.told.circuits] == [opened, half, closed]
    assert ramp > 0.1  # 30 s later; at once it was a tenth
    assert logged(caplog) == [
        "check backend=a method=connect state=failing: connect",
        "check backend=a method=connect state=passing",
    ]


def test_the_ramp_begins_when_checks_close_the_circuit() -> None:
    """At the instant of closing the backend has a tenth of its calls, five seconds later half of them."""

    async def main() -> tuple[float, float]:
        desk = Desk(Target(DOWN, DOWN, DOWN, WELL))
        await desk.often(4)
        await desk.checks.once()
        assert desk.breaker.circuit is Circuit.CLOSED
        first = desk.estate.breakers.ramps()["a"]
        await asyncio.sleep(5.0)
        return first, desk.estate.breakers.ramps()["a"]

    assert run_virtual(main()) == pytest.approx((0.1, 0.5))


@pytest.mark.parametrize("method", [CONNECT, MODELS])
def test_what_calls_have_opened_is_not_for_weak_checks_to_close(method: CheckMethod) -> None:
    """A provider that accepts connections may still answer nobody: the probe's place is left to callers."""

    async def main() -> None:
        rule = replace(SLOW_TO_OPEN, consecutive=3)
        target = Target(DOWN, WELL)
        desk = Desk(target, method, breaker=rule)
        await desk.often(1)
        for _ in range(2):
            desk.breaker.admit().failed(SICK)
        assert desk.breaker.circuit is Circuit.OPEN
        await desk.often(5)
        assert len(target.at) == 1
        for _ in range(3):
            desk.breaker.admit().succeeded(0.1)
        assert (await desk.often(2), len(target.at)) == ([Circuit.CLOSED] * 2, 3)

    run_virtual(main())


def test_weak_checks_do_not_hide_failing_calls() -> None:
    """A good connect between two failed calls neither ends their row nor thins their rate; a good completion does."""

    async def opened(target: Any, method: CheckMethod) -> bool:
        desk = Desk(target, method, breaker=replace(SLOW_TO_OPEN, consecutive=4))
        for _ in range(4):
            desk.breaker.admit().failed(SICK)
            await desk.checks.once()
        return desk.breaker.circuit is Circuit.OPEN

    async def main() -> list[bool]:
        return [await opened(Target(WELL), CONNECT), await opened(Scripted(says("x")), COMPLETION)]

    assert run_virtual(main()) == [True, False]


def test_a_completion_closes_what_calls_have_opened() -> None:
    """It is the probe: one at a time, and a caller who comes meanwhile is sent elsewhere."""

    async def main() -> None:
        script = Scripted(says("x", after=0.5))
        desk = Desk(script, COMPLETION, breaker=replace(SLOW_TO_OPEN, consecutive=1), healthy=2)
        desk.breaker.admit().failed(SICK)
        await asyncio.sleep(5.0)
        probe = asyncio.create_task(desk.checks.once())
        await asyncio.sleep(0.25)
        assert (desk.breaker.circuit, script.open) == (Circuit.HALF_OPEN, 1)
        with pytest.raises(Exception, match="circuit of a is open"):
            desk.breaker.admit()
        await asyncio.sleep(await probe)
        await desk.checks.once()
        assert desk.breaker.circuit is Circuit.CLOSED

    run_virtual(main())


def test_a_check_that_completes_a_row_of_failed_calls_does_not_own_the_opening() -> None:
    """Three failed calls and a failed connect open it: a good connect does not close it."""

    async def main() -> None:
        desk = Desk(Target(DOWN, WELL), breaker=replace(SLOW_TO_OPEN, consecutive=4))
        for _ in range(3):
            desk.breaker.admit().failed(SICK)
        assert set(await desk.often(10)) == {Circuit.OPEN}

    run_virtual(main())


@pytest.mark.parametrize("script", [fails(Failure.UNAVAILABLE), says("x", after=9.0)])
def test_a_bad_or_slow_probe_opens_the_circuit_anew(script: Sequence[Any]) -> None:
    """And longer than before, as a caller's would."""

    async def main() -> None:
        rule = replace(SLOW_TO_OPEN, consecutive=1)
        desk = Desk(Scripted(script), COMPLETION, breaker=rule, timeout=20.0)
        desk.breaker.admit().failed(SICK)
        await asyncio.sleep(5.0)
        await desk.checks.once()
        assert (desk.breaker.circuit, desk.breaker.retry_after) == (Circuit.OPEN, 10.0)
        desk.estate.providers["a"]._replies = [Reply(says("x"))]  # type: ignore[attr-defined]
        await asyncio.sleep(10.0)
        await desk.checks.once()
        assert desk.breaker.circuit is Circuit.HALF_OPEN  # it takes two in a row, and the slow one was none

    run_virtual(main())


def test_good_calls_outweigh_bad_checks() -> None:
    """A list of models that is broken must not take a backend away that answers: each good call ends the row."""

    async def main() -> None:
        desk = Desk(Target(Failure.UNAVAILABLE), MODELS)
        for _ in range(10):
            await desk.checks.once()
            desk.breaker.admit().succeeded(0.1)
        assert desk.breaker.circuit is Circuit.CLOSED
        assert (await desk.often(3))[-1] is Circuit.OPEN

    run_virtual(main())


def test_a_check_that_takes_too_long_is_bad() -> None:
    """Its time limit holds whatever hangs, and the stream is closed."""

    async def main() -> None:
        script = Scripted([(100.0, STOP)])
        desk = Desk(script, COMPLETION, timeout=2.0, unhealthy=1)
        await desk.checks.once()
        assert (asyncio.get_running_loop().time(), desk.breaker.circuit, script.open) == (2.0, Circuit.OPEN, 0)

    run_virtual(main())


def test_answers_that_blame_nobody_do_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    """A model that takes no answer of one token is not ill: the circuit hears nothing, the operator once."""

    async def main() -> list[Circuit]:
        return await Desk(Target(REFUSED)).often(10)

    assert set(run_virtual(main())) == {Circuit.CLOSED}
    assert logged(caplog) == ["check backend=a method=connect state=useless: invalid, which says nothing of its health"]


def test_a_refused_key_is_noticed_before_the_first_caller() -> None:
    """And then nothing is asked any more: it would look like an attack."""

    async def main() -> None:
        target = Target(Failure.UNAUTHENTICATED)
        desk = Desk(target, MODELS)
        await desk.often(5)
        assert (desk.breaker._key.refused, len(target.at)) == (True, 1 + 2)  # without a key of ours, one a minute

    run_virtual(main())


def test_limits_hold_for_checks() -> None:
    """Two requests a minute are two checks, of which callers get none; to connect is no request."""

    async def main(method: CheckMethod) -> int:
        target = Target(WELL)
        desk = Desk(target, method, limits=Limits(rpm=2), interval=1.0)
        await desk.often(50)
        assert desk.estate.limiters._all["a"].in_flight == 0
        return len(target.at)

    assert (run_virtual(main(MODELS)), run_virtual(main(CONNECT))) == (2, 50)


def test_an_operator_s_word_holds() -> None:
    """Forced open nothing is sent; forced closed, bad checks open nothing."""

    async def main() -> None:
        target = Target(DOWN)
        desk = Desk(target)
        desk.breaker.force(Forced.OPEN)
        await desk.often(5)
        assert target.at == []
        desk.breaker.force(Forced.CLOSED)
        assert set(await desk.often(5)) == {Circuit.CLOSED}

    run_virtual(main())


PRICE = Price(Decimal(1), Decimal(1))
COSTS: dict[str, Any] = {"price": PRICE, "cost": 17_000, "most_tokens": 17}


@pytest.mark.parametrize(
    ("usage", "made"),
    [
        (None, 5),  # unknown: each counts as what one may cost, 17 of 100 millionths
        (Usage(8, 1), 10),  # 9 each, as long as another 17 would fit
        (Usage(40, 1), 2),  # dearer than was thought: the next one is expected to be so, too
    ],
)
def test_completions_stop_where_the_day_s_money_ends(
    usage: Usage | None, made: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Exactly, in nano-USD, and begin again the next day; the pause is logged once."""

    async def main() -> None:
        said = says("x")
        script = Scripted(said if usage is None else [(0.0, UsageReport(usage)), *said])
        desk = Desk(script, COMPLETION, interval=600.0, max_cost_per_day=100_000, **COSTS)
        await desk.often(100)
        assert len(script.opened_at) == made
        await asyncio.sleep(86_400.0 - asyncio.get_running_loop().time())
        await desk.often(1)
        assert len(script.opened_at) == made + 1

    run_virtual(main())
    paused = "check backend=a method=completion state=paused: what checks may cost in a day is spent"
    assert logged(caplog).count(paused) == 1


def test_what_never_reached_the_provider_costs_nothing() -> None:
    """Nobody bills a connection that was refused."""

    async def main() -> int:
        script = Scripted(fails(Failure.CONNECT))
        desk = Desk(script, COMPLETION, max_cost_per_day=20_000, unhealthy=100, **COSTS)
        await desk.often(20)
        return len(script.opened_at)

    assert run_virtual(main()) == 20


def test_checks_are_spread_and_never_overlap() -> None:
    """A hundred backends that start at once are first checked all over the interval; each has one check at a time."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        targets = {f"b{n}": Target(WELL, takes=4.0) for n in range(100)}
        rule = CheckRule(CONNECT, interval=5.0, timeout=5.0)
        backends = [Backend(name, "scripted", "m", "m", check=rule) for name in targets]
        backends.append(Backend("unchecked", "scripted", "m", "m"))
        breakers = Breakers(backends, loop.time, lambda *_: None)
        nothing = Limiters(backends, loop.time), Purses([]), Latency([]), Told(), Reaper()
        estate = Estate(targets, breakers, *nothing, random.Random(7))  # type: ignore[arg-type]
        async with checking(backends, estate, loop.time):
            await asyncio.sleep(60.0)
        first = sorted(target.at[0] for target in targets.values())
        assert (first[0] < 0.5, first[-1] > 4.5) == (True, True)
        assert max(later - earlier for earlier, later in pairwise(first)) < 0.5
        assert {target.most_running for target in targets.values()} == {1}
        assert len({round(b - a, 2) for target in targets.values() for a, b in pairwise(target.at)}) > 50

    run_virtual(main())


def test_the_end_stops_a_check_that_is_under_way() -> None:
    """Leaving takes no time, closes its stream, gives back its place and that of the probe, and counts as nothing."""

    async def main() -> None:
        script = Scripted([(100.0, STOP)])
        rule = replace(SLOW_TO_OPEN, consecutive=1, open_for=1.0)
        desk = Desk(script, COMPLETION, Limits(in_flight=1), breaker=rule, interval=3.0, timeout=3.0)
        loop = asyncio.get_running_loop()
        desk.breaker.admit().failed(SICK)
        async with checking([desk.backend], desk.estate, loop.time):
            await asyncio.sleep(2.0)
            assert (desk.breaker.circuit, script.open) == (Circuit.HALF_OPEN, 1)
        assert (loop.time(), script.open, desk.estate.limiters._all["a"].in_flight) == (2.0, 0, 0)
        assert desk.breaker.snapshot().outcomes == 1
        desk.breaker.admit()

    run_virtual(main())


def test_a_bug_in_a_check_ends_neither_the_checks_nor_its_place(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged by its type alone, and the next check comes when it is due."""

    class Broken(Target):
        async def connect(self, within: float) -> None:
            await super().connect(within)
            raise KeyError("the prompt")

    async def main() -> None:
        target = Broken(WELL)
        desk = Desk(target, breaker=replace(SLOW_TO_OPEN, consecutive=1))
        async with checking([desk.backend], desk.estate, asyncio.get_running_loop().time):
            await asyncio.sleep(100.0)
        assert (len(target.at), desk.breaker.circuit) == (3, Circuit.CLOSED)

    run_virtual(main())
    assert [message.split(" at=")[0] for message in logged(caplog)] == ["bug check=a"] * 3
    assert "the prompt" not in caplog.text
