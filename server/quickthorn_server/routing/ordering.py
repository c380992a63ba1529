"""Order candidates: by place, by weight, by what the caller would rather have."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from math import gcd

from quickthorn_server.core.catalogue import Backend, Entry, Strategy
from quickthorn_server.core.outline import Needs
from quickthorn_server.core.request import Objective, Preferences
from quickthorn_server.routing.eligibility import worst_cost


def ordered(entries: Sequence[Entry], strategy: Strategy, turn: int) -> list[Entry]:
    """Return *entries* in the order in which to ask them; lower groups first.

    Who waits for another to fail takes no turn, and is not first.
    """
    if strategy is Strategy.PRIORITY:
        return _led(sorted(entries, key=_group))
    result: list[Entry] = []
    for _, members in groupby(sorted(entries, key=_group), key=_group):
        group = list(members)
        result.extend(_turned([entry for entry in group if not entry.fallback_on], turn))
        result.extend(entry for entry in group if entry.fallback_on)
    return _led(result)


def preferred(backends: list[Backend], preferences: Preferences, needs: Needs) -> list[Backend]:
    """Return *backends* with the caller's favourites first: by name, then by region, then by objective.

    A stable sort, so the route's order breaks ties.
    """
    by_cost = preferences.objective is Objective.COST
    if not (by_cost or preferences.backends or preferences.regions):
        return backends
    names = _places(preferences.backends)
    regions = _places(preferences.regions)

    def wish(backend: Backend) -> tuple[int, int, float]:
        nearest = min((regions[region] for region in backend.regions & regions.keys()), default=len(regions))
        return names.get(backend.name, len(names)), nearest, cost_of_one(backend, needs) if by_cost else 0.0

    return sorted(backends, key=wish)


def _places(wanted: tuple[str, ...]) -> dict[str, int]:
    """Return the rank of each word, most wanted first."""
    return {word: place for place, word in enumerate(dict.fromkeys(wanted))}


def _group(entry: Entry) -> tuple[int, int]:
    """Put a lower tier behind every group of the higher ones."""
    return entry.rank, entry.group


def _led(entries: list[Entry]) -> list[Entry]:
    """Return *entries* with one first that does not wait for another to fail, if there is any."""
    if entries and entries[0].fallback_on:
        first = next((place for place, entry in enumerate(entries) if not entry.fallback_on), 0)
        entries.insert(0, entries.pop(first))
    return entries


def _turned(entries: list[Entry], turn: int) -> list[Entry]:
    """Walk the wheel from *turn* on; each entry is asked where it first comes up."""
    if not entries:
        return []
    wheel = smooth_cycle(tuple(entry.weight for entry in entries))
    start = turn % len(wheel)
    return [entries[place] for place in dict.fromkeys(wheel[start:] + wheel[:start])]


@lru_cache(maxsize=1024)
def smooth_cycle(weights: tuple[int, ...]) -> tuple[int, ...]:
    """Return one cycle of smooth weighted round robin over positive *weights*, as places.

    Every place comes up exactly weight/gcd times a cycle, spread out instead of in runs.  The rule is nginx's
    (commit 52327e0627f4, 2012): add each weight to its place's credit, pick the richest, charge it the total.
    """
    divisor = gcd(*weights)
    shares = [weight // divisor for weight in weights]
    total, credit = sum(shares), [0] * len(shares)
    cycle = []
    for _ in range(total):
        credit = [have + share for have, share in zip(credit, shares, strict=True)]
        richest = max(range(len(credit)), key=credit.__getitem__)
        credit[richest] -= total
        cycle.append(richest)
    return tuple(cycle)


def cost_of_one(backend: Backend, needs: Needs) -> float:
    """Return what to compare backends by that should be cheap, less = cheaper, inf = unknown.

    That is what one attempt may cost; where the output is unbounded, by the price of a balanced call.
    """
    cost = worst_cost(backend, needs) if needs.max_output_tokens is not None else None
    if cost is not None:
        return float(cost)
    return float("inf") if backend.price is None else float(backend.price.input + backend.price.output)
