"""Who is asked next, and when: decided without a lane, a loop or a clock."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.core.attempt import Cause
from quickthorn_server.core.catalogue import Backend, BreakerRule, BudgetRule, Entry, RetryRule, Route
from quickthorn_server.core.failures import MEANING, BackendError, Failure
from quickthorn_server.core.outline import Outline
from quickthorn_server.core.plan import Hedging, Plan, Verdict
from quickthorn_server.core.request import Directives, Preferences, Priority
from quickthorn_server.execution.breakers import Breaker
from quickthorn_server.execution.permit import Permit
from quickthorn_server.execution.purses import RoutePurses
from quickthorn_server.execution.schedule import Schedule
from tests.support.cast import UNBOUNDED
from tests.support.decisions import NEEDS
from tests.support.laws import law

A, B, C = (Backend(name, "scripted", name, name) for name in "abc")
NOTHING = Outline("", NEEDS.needs, Directives(), Preferences())
SICK = BackendError(Failure.UNAVAILABLE, http_status=500)
GONE = BackendError(Failure.NOT_FOUND, http_status=404)


def later(seconds: float) -> BackendError:
    return BackendError(Failure.RATE_LIMITED, http_status=429, retry_after=seconds)


class Loaded(random.Random):
    """Dice that always fall on the highest number."""

    def uniform(self, a: float, b: float) -> float:
        del a
        return b


def permit(backend: Backend) -> Permit:
    return Breaker(backend.name, BreakerRule(), lambda: 0.0, lambda *_: None).admit()


def scheduled(
    *order: Backend,
    attempts: int = 9,
    on: frozenset[int | str] = RetryRule().on,
    failover: bool = True,
    hedging: Hedging | None = None,
    deadline: float | None = None,
    admit: Callable[[Backend], Permit | None] = permit,
    purses: RoutePurses | None = None,
    priority: Priority = Priority.NORMAL,
) -> Schedule:
    retry = RetryRule(attempts, on)
    plan = Plan(
        route=Route("default", tuple(Entry(backend.name) for backend in order), retry=retry),
        order=order,
        verdicts=tuple(map(Verdict, order)),
        hedging=hedging,
        no_hedge="",
        retry=retry,
        whole=False,
        failover=failover,
        shows_reasoning=False,
        max_first_token=None,
        input_tokens=1,
        config_version="v",
        outline=NOTHING._replace(directives=Directives(priority=priority)),
    )
    return Schedule(
        plan,
        admit=admit,
        purses=purses or RoutePurses(UNBOUNDED),
        healthy=lambda _: True,
        random_=Loaded(),
        deadline=deadline,
    )


def named(schedule: Schedule, now: float) -> tuple[str, Cause] | None:
    """Take the replacement at *now*, by name and cause."""
    start = schedule.replacement(now)
    return None if start is None else (start.backend.name, start.cause)


def begun(*order: Backend, **given: object) -> Schedule:
    """Return a schedule whose first lane has started."""
    schedule = scheduled(*order, **given)  # type: ignore[arg-type]
    assert schedule.first() is not None
    return schedule


def test_each_candidate_comes_once_in_order() -> None:
    """Fresh candidates are never asked twice, whatever takes them."""
    schedule = scheduled(A, B, C)
    starts = [schedule.first(), *(schedule.hedge() for _ in range(3))]
    assert [(start.backend, start.cause) if start else None for start in starts] == [
        (A, Cause.FIRST),
        (B, Cause.SILENCE),
        (C, Cause.SILENCE),
        None,
    ]


def test_nothing_is_replaced_before_something_failed() -> None:
    """A replacement is owed for a failure, one each."""
    schedule = begun(A, B, C)
    assert named(schedule, 0.0) is None
    schedule.failed(A, SICK, 0.0)
    assert named(schedule, 0.0) == ("b", Cause.FAILOVER)
    assert named(schedule, 0.0) is None


def test_two_failures_are_owed_two_lanes() -> None:
    """Hedged lanes that both fail are both replaced."""
    schedule = begun(A, B, C)
    schedule.hedge()
    schedule.failed(A, SICK, 0.0)
    schedule.failed(B, SICK, 0.0)
    assert named(schedule, 0.0) == ("c", Cause.FAILOVER)
    assert schedule.due() == 0.5
    assert named(schedule, 0.5) == ("a", Cause.RETRY)


def test_a_terminal_failure_ends_it() -> None:
    """No candidate, fresh or failed, is asked after it; not even one owed before."""
    schedule = begun(A, B)
    schedule.failed(A, SICK, 0.0)
    schedule.failed(B, BackendError(Failure.INVALID, http_status=400), 0.0)
    assert (named(schedule, 99.0), schedule.hedge(), schedule.due()) == (None, None, None)
    assert not schedule.may_start


@pytest.mark.parametrize(("failures", "most"), [(1, 0.5), (2, 1.0), (3, 2.0), (5, 8.0), (9, 8.0)])
def test_the_backoff_doubles_up_to_a_cap(failures: int, most: float) -> None:
    """Full jitter between 0 and 0.25 s x 2^failures, 8 s at most."""
    schedule = begun(A, attempts=99)
    at = 0.0
    for _ in range(failures - 1):
        schedule.failed(A, SICK, at)
        due = schedule.due()
        assert due is not None
        at = due
        assert named(schedule, at) == ("a", Cause.RETRY)
    schedule.failed(A, SICK, at)
    assert schedule.due() == pytest.approx(at + most)


def test_backoffs_are_counted_per_backend() -> None:
    """One backend's second failure is not another's."""
    schedule = begun(A, B)
    schedule.failed(A, SICK, 0.0)
    assert named(schedule, 0.0) == ("b", Cause.FAILOVER)
    schedule.failed(B, SICK, 0.1)
    assert schedule.due() == 0.5
    assert named(schedule, 0.5) == ("a", Cause.RETRY)
    schedule.failed(A, SICK, 0.55)
    assert schedule.due() == 0.6
    assert named(schedule, 0.6) == ("b", Cause.RETRY)


def test_a_retry_waits_for_its_instant() -> None:
    """Not a moment sooner; a timer that fires a hair early counts."""
    schedule = begun(A)
    schedule.failed(A, later(2.0), 1.0)
    assert schedule.due() == 3.0
    assert named(schedule, 2.99) is None
    assert named(schedule, 3.0 - 5e-7) == ("a", Cause.RETRY)


def test_the_soonest_is_asked_first() -> None:
    """Waiting backends are asked in the order in which they come due."""
    schedule = begun(A, B)
    schedule.failed(A, later(5.0), 0.0)
    assert named(schedule, 0.0) == ("b", Cause.FAILOVER)
    schedule.failed(B, later(1.0), 0.0)
    assert schedule.due() == 1.0
    assert named(schedule, 9.0) == ("b", Cause.RETRY)


def test_a_wait_too_long_is_not_waited_for() -> None:
    """30 s may be waited for, more is the caller's to decide."""
    for seconds, due in ((30.0, 30.0), (30.1, None)):
        schedule = begun(A)
        schedule.failed(A, later(seconds), 0.0)
        assert schedule.due() == due


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    """What would start at the deadline or after it need not start."""
    for seconds, due in ((4.9, 4.9), (5.0, None), (6.0, None)):
        schedule = begun(A, deadline=5.0)
        schedule.failed(A, later(seconds), 0.0)
        assert schedule.due() == due


@pytest.mark.parametrize(
    ("error", "on", "again"),
    [
        (SICK, frozenset({500}), True),
        (SICK, frozenset({502}), False),
        (BackendError(Failure.UNAVAILABLE), frozenset({500}), True),
        (BackendError(Failure.OVERLOADED, http_status=529), frozenset({529}), True),
        (BackendError(Failure.RATE_LIMITED, http_status=429), frozenset({429}), True),
        (BackendError(Failure.TIMEOUT), frozenset({"timeout"}), True),
        (BackendError(Failure.TIMEOUT), frozenset({"connect", 408}), False),
        (BackendError(Failure.CONNECT), frozenset({"connect"}), True),
        (BackendError(Failure.LOST), frozenset({"connect"}), True),
        (BackendError(Failure.LOST), frozenset({"timeout"}), False),
        (GONE, frozenset({404}), False),
        (BackendError(Failure.PROTOCOL, http_status=200), frozenset({200}), False),
        (BackendError(Failure.CONTENT_FILTERED, http_status=500), frozenset({500}), False),
    ],
)
def test_the_same_backend_is_asked_again_only_where_both_agree(
    error: BackendError, on: frozenset[int | str], again: bool
) -> None:
    """The kind of failure must allow it and the route must name it."""
    schedule = begun(A, on=on)
    schedule.failed(A, error, 0.0)
    assert (schedule.due() is not None) is again


def test_attempts_bound_all_lanes_together() -> None:
    """First, hedge, failover and retry share one number."""
    schedule = begun(A, B, C, attempts=2)
    assert schedule.hedge() is not None
    schedule.failed(A, SICK, 0.0)
    assert (named(schedule, 0.0), schedule.due(), schedule.hedge()) == (None, None, None)


def test_without_failover_only_the_first_is_retried() -> None:
    """Other candidates stay out, however the first fails."""
    schedule = begun(A, B, failover=False)
    schedule.failed(A, GONE, 0.0)
    assert (named(schedule, 0.0), schedule.due()) == (None, None)
    schedule = begun(A, B, failover=False)
    schedule.failed(A, SICK, 0.0)
    assert named(schedule, 0.0) is None
    assert named(schedule, 0.5) == ("a", Cause.RETRY)


def test_without_failover_a_hedge_may_still_start() -> None:
    """A hedge answers silence, not failure: as many candidates as may race stay in."""
    schedule = begun(A, B, C, failover=False, hedging=Hedging(0.1, 2))
    start = schedule.hedge()
    assert start is not None
    assert start.backend is B
    assert schedule.hedge() is None


def test_hedges_go_to_their_targets_and_failovers_keep_to_the_order() -> None:
    """Silence asks whom the plan chose for it, a failure whoever is next and was not asked."""
    schedule = begun(A, B, C, hedging=Hedging(0.1, 2, (C,)))
    start = schedule.hedge()
    assert start is not None
    assert start.backend is C
    assert schedule.hedge() is None
    assert schedule.no_hedge == ""  # one was sent
    schedule.failed(A, GONE, 0.0)
    assert named(schedule, 0.0) == ("b", Cause.FAILOVER)


def test_a_target_that_a_failure_has_led_to_is_followed_by_the_next() -> None:
    """After a failover silence still has somebody to ask."""
    schedule = begun(A, B, C, hedging=Hedging(0.1, 2, (B, C)))
    schedule.failed(A, GONE, 0.0)
    assert named(schedule, 0.0) == ("b", Cause.FAILOVER)
    start = schedule.hedge()
    assert start is not None
    assert start.backend is C


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"attempts": 1}, "the call may start no more lanes"),
        ({"admit": lambda backend: permit(backend) if backend is A else None}, "no other backend takes a hedge now"),
        ({"hedging": Hedging(0.1, 2, ())}, "no other backend takes a hedge now"),
    ],
)
def test_a_hedge_that_cannot_start_says_why(given: dict[str, Any], why: str) -> None:
    """Silence that nobody answers is explained."""
    schedule = begun(A, B, **given)
    assert (schedule.hedge(), schedule.no_hedge) == (None, why)


def pushed(backend_error: BackendError) -> BackendError:
    backend_error.pushed_back = True
    return backend_error


def test_a_provider_that_pushes_back_ends_retries_and_hedges() -> None:
    """Neither it nor whoever failed before is asked again, nobody because of silence; failing over is free to go on."""
    schedule = begun(A, B, C)
    schedule.failed(A, SICK, 0.0)
    assert named(schedule, 0.0) == ("b", Cause.FAILOVER)
    schedule.failed(B, pushed(BackendError(Failure.UNAVAILABLE, http_status=500)), 0.0)
    assert schedule.due() is None
    assert (schedule.hedge(), schedule.no_hedge) == (None, "a provider asked not to be asked again")
    assert named(schedule, 0.0) == ("c", Cause.FAILOVER)
    schedule.failed(C, SICK, 0.0)
    assert (named(schedule, 9.0), schedule.due()) == (None, None)


@pytest.mark.parametrize(("priority", "hedges"), [(Priority.NORMAL, 18), (Priority.CRITICAL, 20)])
def test_the_last_tenth_of_the_burst_is_for_critical_calls(priority: Priority, hedges: int) -> None:
    """Of 20 a normal call leaves two; a purse under ten keeps nothing back."""
    for burst, expected in (20, hedges), (9, 9):
        purses, sent = RoutePurses(BudgetRule(hedges=1e-6, burst=burst)), 0
        for _ in range(30):
            schedule = scheduled(A, B, hedging=Hedging(0.1, 2), purses=purses, priority=priority)
            schedule.first()
            sent += schedule.hedge() is not None
        assert sent == expected


def test_a_refused_candidate_is_passed_over() -> None:
    """An open circuit costs neither an attempt nor the failover."""
    schedule = scheduled(A, B, C, attempts=2, admit=lambda backend: None if backend is A else permit(backend))
    start = schedule.first()
    assert start is not None
    assert start.backend is B
    schedule.failed(B, GONE, 0.0)
    assert named(schedule, 0.0) == ("c", Cause.FAILOVER)


def test_nobody_is_asked_for_leave_who_may_not_start() -> None:
    """A permit is taken only for a lane that starts: one more would hold a probe's place for ever."""
    asked: list[str] = []

    def admit(backend: Backend) -> Permit | None:
        asked.append(backend.name)
        return permit(backend)

    schedule = scheduled(A, B, attempts=1, admit=admit)
    schedule.first()
    schedule.hedge()
    schedule.failed(A, SICK, 0.0)
    schedule.replacement(99.0)
    assert asked == ["a"]


_failures = st.sampled_from([failure for failure in Failure if not MEANING[failure].terminal])


@law(80)
@given(st.data(), st.integers(1, 6), st.integers(1, 4))
def test_no_history_breaks_the_rules(data: st.DataObject, attempts: int, candidates: int) -> None:
    """Whatever fails when: at most *attempts* lanes, fresh ones first and once, a retry only for a known failure."""
    order = (A, B, C, Backend("d", "scripted", "d", "d"))[:candidates]
    schedule = scheduled(*order, attempts=attempts)
    running, fresh, failed = list[Backend](), list[Backend](), set[str]()
    started, now = 0, 0.0
    start = schedule.first()
    while start is not None or running:
        if start is not None:
            started += 1
            running.append(start.backend)
            if start.cause is Cause.RETRY:
                assert start.backend.name in failed
                assert len(fresh) == candidates
            else:
                assert start.backend not in fresh
                fresh.append(start.backend)
        if running:
            lane = running.pop(data.draw(st.integers(0, len(running) - 1)))
            failed.add(lane.name)
            schedule.failed(lane, BackendError(data.draw(_failures), http_status=500), now)
        now = max(now, schedule.due() or now)
        start = schedule.replacement(now)
    assert started <= attempts
    assert fresh == list(order[: len(fresh)])
    assert schedule.due() is None
