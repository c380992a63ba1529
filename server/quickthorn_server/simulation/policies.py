"""The policies that can be played: none, a fixed delay, a percentile, and what `delay: auto` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from quickthorn_server.core.catalogue import HedgeRule, Route
from quickthorn_server.core.coin import planned
from quickthorn_server.execution.hedging.learners import Heard, Learners
from quickthorn_server.execution.latency import Latency
from quickthorn_server.execution.purses import Purses
from quickthorn_server.simulation.engine import LANES, ROUTE, Pilot, Planned, Policy


def none() -> Policy:
    """Never hedge."""
    return lambda _route, _purses: _Fixed(Planned(None, 1, "no hedging"))


def fixed(seconds: float) -> Policy:
    """Hedge after *seconds* of silence, as `delay: 300ms` does."""
    return lambda route, _purses: _Fixed(Planned(seconds, _most(route), f"fixed {seconds:g}s"))


def percentile(share: float) -> Policy:
    """Hedge after the percentile *share* (0..1) of what lanes took of late, as `delay: p95` does."""
    return lambda route, _purses: _Percentile(share, _most(route))


def auto(target: float, *, min_gain: float = 0.1) -> Policy:
    """Hedge so that the percentile *target* (0..1) becomes as short as it can, as `delay: auto` does."""

    def start(route: Route, purses: Purses) -> Pilot:
        rule = HedgeRule(target=target, max_parallel=_most(route), min_gain=min_gain)
        return _Auto(replace(route, hedge=rule), purses)

    return start


def _most(route: Route) -> int:
    return len(route.entries)


class _Fixed:
    """Plans the same for every call."""

    def __init__(self, plan: Planned) -> None:
        self._plan = plan

    def plan(self, turn: int, input_tokens: int, now: float) -> Planned:  # noqa: ARG002 - whatever the call
        return self._plan

    def settled(self, input_tokens: int, lanes: Sequence[Heard], now: float) -> None:
        """Learn nothing."""

    def hedged(self, lane: int, input_tokens: int, began: float, now: float) -> None:
        """Learn nothing."""


class _Percentile:
    """Plans by the times of late, which the server's own `Latency` keeps."""

    def __init__(self, share: float, lanes: int) -> None:
        self._now = 0.0
        rule = HedgeRule(percentile=share, max_parallel=lanes)
        self._latency = Latency([Route(ROUTE, (), hedge=rule)], lambda: self._now)
        self._share = share
        self._name = f"p{share * 100:g}"
        self._lanes = lanes

    def plan(self, turn: int, input_tokens: int, now: float) -> Planned:  # noqa: ARG002 - whatever the call
        seconds = self._latency.first_content.get((LANES[0], self._share))
        return Planned(seconds, self._lanes, f"{self._name} is not known yet" if seconds is None else self._name)

    def hedged(self, lane: int, input_tokens: int, began: float, now: float) -> None:
        """Learn nothing before it is decided."""

    def settled(self, input_tokens: int, lanes: Sequence[Heard], now: float) -> None:
        self._now = now
        for lane in lanes:
            (self._latency.spoke if lane.spoke else self._latency.outlasted)(lane.backend, lane.seconds, input_tokens)


class _Auto:
    """Plans by what the server's own learners say."""

    def __init__(self, route: Route, purses: Purses) -> None:
        self._learners = Learners([route], purses)
        self._lanes = LANES[: _most(route)]

    def plan(self, turn: int, input_tokens: int, now: float) -> Planned:
        self._learners.started(ROUTE, LANES[0], input_tokens, now)
        advice = self._learners.advice(ROUTE, self._lanes, input_tokens)
        if advice.delay is None:
            return Planned(None, 1, advice.why)
        if not planned(turn, advice.probability):
            return Planned(None, 1, f"{advice.basis}; left out by lot")
        return Planned(advice.delay, advice.lanes, advice.basis)

    def hedged(self, lane: int, input_tokens: int, began: float, now: float) -> None:
        self._learners.hedged(ROUTE, LANES[0], LANES[lane], input_tokens, began=began, now=now)

    def settled(self, input_tokens: int, lanes: Sequence[Heard], now: float) -> None:
        if self._learners.settled(ROUTE, input_tokens, lanes, now):
            while self._learners.recompute(ROUTE, now):
                pass
