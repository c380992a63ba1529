"""The populations of the benchmark: what the first lane takes, what the others take, and what changes on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.hedging.samples import (
    Draw,
    Times,
    bhope,
    body,
    conversation_tokens,
    grpc_java,
    measured,
    scaled,
    stall,
)

RATE = 1000.0  # arrivals per second
SHIFT_AT = 160_000  # the request at which a population changes, and at whose arrival a brown-out begins
BROWN_OUT = 60.0  # seconds
SPELL, SPELLS_EVERY = 10.0, 200.0  # seconds
SLOWED = 20.0


@dataclass(frozen=True, slots=True)
class Rows:
    """Requests in the order of their arrival: *lanes[0]* are the times of first lanes, the others those of hedges."""

    arrival: Times
    tokens: NDArray[np.int64]
    lanes: tuple[Times, ...]

    def __len__(self) -> int:
        return len(self.arrival)


@dataclass(frozen=True, slots=True)
class Population:
    """A name, and how to draw: *primary* for first lanes, *hedge* (if it differs) for the others.

    *after* replaces both from request `SHIFT_AT` on.  *slowed* says at which arrivals both lanes are slow, by `SLOWED`.
    *tokens* draws the sizes of inputs; with *per_token*, times are multiplied by what that makes of them.
    """

    name: str
    primary: Draw
    hedge: Draw | None = None
    after: Draw | None = None
    slowed: Callable[[Generator, Times], NDArray[np.bool_]] | None = None
    tokens: Callable[[Generator, int], NDArray[np.int64]] | None = None
    per_token: Callable[[NDArray[np.int64]], Times] | None = None
    hedges: int = 1

    @property
    def independent(self) -> bool:
        """Whether what a request takes says nothing of any other's."""
        return self.slowed is None and self.per_token is None and self.after is None

    def rows(self, chance: Generator, count: int, per_second: float = RATE) -> Rows:
        """Draw *count* requests, Poisson arrivals, so many *per_second*; times to the nanosecond."""
        arrival = np.cumsum(chance.exponential(1 / per_second, count))
        tokens = (self.tokens or unrelated_tokens)(chance, count)
        factor = np.ones(count) if self.per_token is None else self.per_token(tokens)
        if self.slowed is not None:
            factor = np.where(self.slowed(chance, arrival), SLOWED, 1.0)
        lanes = [self._lane(chance, count, lane) * factor for lane in range(1 + self.hedges)]
        return Rows(np.round(arrival, 9), tokens, tuple(np.round(times, 9) for times in lanes))

    def sample(self, chance: Generator, count: int, *, shifted: bool = False) -> tuple[Times, Times]:
        """Draw *count* times of each lane for the oracle, *shifted*: as they are from `SHIFT_AT` on."""
        first, second = (self.after, self.after) if shifted and self.after else (self.primary, self.hedge)
        return first(chance, count), (second or first)(chance, count)

    def _lane(self, chance: Generator, count: int, lane: int) -> Times:
        draw = self.hedge if lane and self.hedge else self.primary
        times = draw(chance, count)
        if self.after is not None:
            times[SHIFT_AT:] = self.after(chance, max(0, count - SHIFT_AT))
        return times


def unrelated_tokens(chance: Generator, count: int) -> NDArray[np.int64]:
    """Draw sizes of inputs that say nothing of the times."""
    return np.maximum(1, np.exp(6.3 + chance.standard_normal(count))).astype(np.int64)


def _as_measured(_: Generator, count: int) -> NDArray[np.int64]:
    return np.full(count, 550)


def _conversations(chance: Generator, count: int) -> NDArray[np.int64]:
    return np.asarray(chance.choice(conversation_tokens(), count))


def _spells(chance: Generator, arrival: Times) -> NDArray[np.bool_]:
    return np.asarray((arrival - chance.uniform(0, SPELLS_EVERY)) % SPELLS_EVERY < SPELL)


def _brown_out(_: Generator, arrival: Times) -> NDArray[np.bool_]:
    begins = arrival[SHIFT_AT]
    return np.asarray((arrival >= begins) & (arrival < begins + BROWN_OUT))


def _provider(first: str, second: str | None = None) -> Population:
    """Return a measured provider, or the first with the second to hedge to, as `name/size`."""
    name = first if second is None else f"{first} -> {second}"
    return Population(name, measured(first), measured(second) if second else None, tokens=_as_measured)


LIGHT = body(0.25, 0.35)

SCORED = (
    Population("bhope", bhope),
    Population("stall-2", stall(0.02)),
    Population("stall-5", stall(0.05)),
    _provider("together/13b"),
    _provider("fireworks/7b"),
    _provider("replicate/70b"),
    _provider("replicate/70b", "groq/70b"),
    _provider("replicate/70b", "together/70b"),
    _provider("together/13b", "anyscale/13b"),
)
NEVER_WORSE = (
    Population("lognormal", LIGHT),
    *map(_provider, ("groq/70b", "anyscale/70b", "together/70b", "bedrock/70b")),
    Population(
        "common size",
        body(1.0, 0.2),
        tokens=_conversations,
        per_token=lambda tokens: np.asarray(0.15 + 0.0004 * tokens),
    ),
)
EPISODES = Population("common episodes", LIGHT, slowed=_spells)
RARE = Population("stall-0.5", stall(0.005))
SHIFTED = (
    Population("bhope x4", bhope, after=scaled(bhope, 4)),
    Population("stall-2, body x4", stall(0.02), after=stall(0.02, median=1.0)),
)
BROWNED = (
    Population("bhope, brown-out", bhope, slowed=_brown_out),
    Population("stall-2, brown-out", stall(0.02), slowed=_brown_out),
    Population("lognormal, brown-out", LIGHT, slowed=_brown_out),
)
GRPC_JAVA = Population("grpc-java", grpc_java, hedges=2)
