"""Try rules of hedging on the same calls: none, a fixed delay, a percentile, auto and the oracle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from quickthorn_server.simulation.engine import Policy, simulate
from quickthorn_server.simulation.measure import Bill, Measured, measured, percentile
from quickthorn_server.simulation.oracle import Oracle
from quickthorn_server.simulation.policies import auto, fixed, none
from quickthorn_server.simulation.policies import percentile as at_percentile
from quickthorn_server.simulation.population import Population
from quickthorn_server.simulation.words import name, written

_WARM_UP = 0.2

Progress = Callable[[int], None]
"""Told how many calls more have been simulated."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is tried: *target* percentile (0..1), lanes, *burst* of the purse, and *requests* that *seed* draws.

    *delay* in seconds of the rule `fixed`, None = the shortest that the budget pays for; *share* of `percentile`.
    *bound*: times as long may be longer.
    """

    target: float
    max_parallel: int
    burst: int
    requests: int
    seed: int
    delay: float | None
    share: float
    bill: Bill
    bound: float = inf

    @property
    def warm_up(self) -> int:
        """How many calls come first and are not counted."""
        return int(self.requests * _WARM_UP)


@dataclass(frozen=True, slots=True)
class Tried:
    """What the rules came to at one *budget* (a share of calls)."""

    budget: float
    fixed: Measured
    percentile: Measured
    auto: Measured
    oracle: Measured

    @property
    def rules(self) -> tuple[Measured, ...]:
        """All of them, the oracle last."""
        return self.fixed, self.percentile, self.auto, self.oracle


class Trial:
    """The calls of *population*, drawn once, for all rules and budgets."""

    ROUNDS = 3
    """How often `at` goes through all calls."""

    def __init__(self, population: Population, terms: Terms, progress: Progress) -> None:
        self._terms, self._progress = terms, progress
        self._rows = population.rows(terms.requests, terms.max_parallel, terms.seed)
        self._counted = self._rows[terms.warm_up :]
        self._oracle = Oracle(self._counted)
        self._first = sorted(row.lanes[0] for row in self._rows[: terms.warm_up])
        self.none = self._run("none", "", none(), 1.0)
        """What happens without hedging."""

    def at(self, budget: float) -> Tried:
        """Return what each rule comes to with *budget* extra lanes per call."""
        terms = self._terms
        delay = percentile(self._first, max(0.0, 1 - budget)) if terms.delay is None else terms.delay
        return Tried(
            budget,
            fixed=self._run("fixed", written(delay), fixed(delay), budget),
            percentile=self._run("percentile", name(terms.share), at_percentile(terms.share), budget),
            auto=self._run("auto", name(terms.target), auto(terms.target), budget),
            oracle=self._best(budget),
        )

    def possible(self, budget: float) -> float:
        """Return the least that the target percentile could be."""
        return self._oracle.best(self._terms.target, budget, self._terms.max_parallel).time

    def _best(self, budget: float) -> Measured:
        terms = self._terms
        best = self._oracle.best(terms.target, budget, terms.max_parallel)
        outcomes = self._oracle.outcomes(self._counted, best, terms.seed)
        return measured("oracle", name(terms.target), self._counted, outcomes, terms.bill)

    def _run(self, rule: str, setting: str, policy: Policy, budget: float) -> Measured:
        terms, done = self._terms, 0

        def progress(count: int) -> None:
            nonlocal done
            self._progress(count - done)
            done = count

        outcomes = simulate(
            self._rows,
            policy,
            budget=budget,
            burst=terms.burst,
            max_parallel=terms.max_parallel,
            seed=terms.seed,
            progress=progress,
        )
        progress(len(self._rows))
        return measured(rule, setting, self._counted, outcomes[terms.warm_up :], terms.bill)
