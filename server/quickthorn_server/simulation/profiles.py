"""Built-in populations: what providers do to callers, in a few numbers each."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from math import inf, log

from quickthorn_server.simulation.population import Population

Draw = Callable[[random.Random], float]

_RATE = 100.0
_STRAGGLERS = 0.05


def _stalling(chance: float, median: float = 0.25, low: float = 5.0, high: float = 60.0) -> Draw:
    """Return lognormal times (sigma 0.35) of which *chance* are replaced by *low* to *high* seconds."""
    mu = log(median)

    def draw(dice: random.Random) -> float:
        return dice.uniform(low, high) if dice.random() < chance else dice.lognormvariate(mu, 0.35)

    return draw


def _bhope(dice: random.Random) -> float:
    """Lognormal of mean 5 ms, deviation 2 ms; one in 20 takes ten times as long (github.com/bhope/hedge)."""
    spread = log(1 + (2 / 5) ** 2)
    time = dice.lognormvariate(log(0.005) - spread / 2, spread**0.5)
    return 10 * time if dice.random() < _STRAGGLERS else time


def _grpc_java(dice: random.Random) -> float:
    """1 % take 10 s, 4 % take 5 s, 5 % take 2 s: the server of grpc-java's example of hedging; the rest some ms."""
    chance = dice.random()
    for slower, seconds in ((0.01, 10.0), (0.05, 5.0), (0.10, 2.0)):
        if chance < slower:
            return seconds
    return dice.lognormvariate(log(0.003), 0.3)


def _population(name: str, lanes: str, first: Draw, hedge: Draw | None = None) -> Population:
    other = hedge or first

    def draw(lanes: int, dice: random.Random) -> tuple[int, tuple[float, ...]]:
        return 0, (first(dice), *(other(dice) for _ in range(lanes - 1)))

    return Population(name, lanes, draw, None, inf, _RATE)


def _sized(name: str, lanes: str) -> Population:
    """Return calls that are slow because they are large: so are their hedges."""

    def draw(lanes: int, dice: random.Random) -> tuple[int, tuple[float, ...]]:
        tokens = min(32_000, round(dice.lognormvariate(log(1200), 1.1)))
        usual = 0.15 + 0.0004 * tokens
        return tokens, tuple(usual * dice.lognormvariate(0, 0.2) for _ in range(lanes))

    return Population(name, lanes, draw, None, inf, _RATE)


_light = _stalling(0.0)
_cold = _stalling(0.06, median=1.2, low=10.0, high=70.0)

PROFILES: Mapping[str, Population] = {
    each.name: each
    for each in (
        _population(
            "stall", "a model behind a queue: 250 ms, but one call in 50 stalls for 5 to 60 s", _stalling(0.02)
        ),
        _population("stall-rare", "the same, but one call in 200 stalls", _stalling(0.005)),
        _population("stall-often", "the same, but one call in 20 stalls", _stalling(0.05)),
        _population("light", "250 ms and no stalls: nothing to gain", _light),
        _population("cold-start", "1.2 s, but 6 % wait 10 to 70 s for a machine to start", _cold),
        _population("cold-to-warm", "cold-start, hedges go to light", _cold, _light),
        _population("bhope", "5 ms, one call in 20 takes ten times as long: the bench of bhope/hedge", _bhope),
        _population("grpc-java", "some ms, one call in 10 takes 2, 5 or 10 s: grpc-java's example", _grpc_java),
        _sized("long-inputs", "slow calls are those with long inputs, on every backend: nothing to gain"),
    )
}
"""Name -> population; what it is stands in its *lanes*."""
