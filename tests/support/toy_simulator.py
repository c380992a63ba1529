"""Simulators that take the real one's options and know their policy beforehand: honest ones, and cheats.

Usage: toy_simulator KIND --replay IN.csv --out OUT.csv --budget 2% --seed 1 ..., where KIND is `none`, `fixed:DELAY`,
`best:DELAY:PROBABILITY`, or the name of a cheat below.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.judge_hedging import Asked, asked

Times = NDArray[np.float64]


def peeks_ahead(rows: Asked, chance: np.random.Generator) -> tuple[Times, NDArray[np.bool_]]:
    """Take its delay from the whole file."""
    return planned(rows, float(np.quantile(rows.lanes[0], 0.95)), 1.0, chance)


def learns_too_early(rows: Asked, chance: np.random.Generator) -> tuple[Times, NDArray[np.bool_]]:
    """Learn from each request as soon as the next arrives, however long it is still going to take."""
    slow = np.concatenate(([0.0], np.cumsum(rows.lanes[0] > 1)[:-1])) / np.arange(1, len(rows.arrival) + 1)
    return planned(rows, 0.5 + slow, 1.0, chance)


def peeks_at_its_own(rows: Asked, chance: np.random.Generator) -> tuple[Times, NDArray[np.bool_]]:
    """Hedge at once what is going to be slow."""
    return planned(rows, np.where(rows.lanes[0] > np.quantile(rows.lanes[0], 0.95), 0.0, np.nan), 1.0, chance)


def peeks_at_the_hedge(rows: Asked, chance: np.random.Generator) -> tuple[Times, NDArray[np.bool_]]:
    """Hedge only where the hedge is going to be fast."""
    delays, hedged = planned(rows, 0.4, 1.0, chance)
    return delays, hedged & (rows.lanes[1] < np.median(rows.lanes[1]))


def overspends(rows: Asked, chance: np.random.Generator) -> tuple[Times, NDArray[np.bool_]]:
    """Hedge every third request without looking at the purse."""
    return planned(rows, 0.0, 1 / 3, chance)


def hedges_the_fast(rows: Asked, chance: np.random.Generator) -> tuple[Times, NDArray[np.bool_]]:
    """Say of requests which had been answered that they were hedged."""
    delays, _ = planned(rows, 0.3, 1.0, chance)
    return delays, chance.random(len(delays)) < 0.01


CHEATS = {
    cheat.__name__.replace("_", "-"): cheat
    for cheat in (
        peeks_ahead,
        learns_too_early,
        peeks_at_its_own,
        peeks_at_the_hedge,
        overspends,
        hedges_the_fast,
    )
}


def planned(
    rows: Asked, delay: float | Times, probability: float, chance: np.random.Generator
) -> tuple[Times, NDArray[np.bool_]]:
    """Return the delays (NaN: none) of requests of which *probability* may be hedged, and which were."""
    delays = np.where(chance.random(len(rows.arrival)) < probability, delay, np.nan)
    return delays, rows.lanes[0] > delays


def main() -> None:
    """Answer one file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind")
    for name in ("replay", "out", "seed", "budget", "policy", "target", "burst", "max-parallel"):
        parser.add_argument(f"--{name}")
    given = parser.parse_args()
    rows, chance = asked(Path(given.replay)), np.random.default_rng(int(given.seed))
    kind, *settings = given.kind.split(":")
    if kind in CHEATS:
        delays, hedged = CHEATS[kind](rows, chance)
    else:
        delay, probability = {"none": [0.0, 0.0], "fixed": [*settings, 1.0], "best": settings}[kind]
        delays, hedged = planned(rows, float(delay), float(probability), chance)
    latency = np.where(hedged, np.minimum(rows.lanes[0], delays + rows.lanes[1]), rows.lanes[0])
    answers = zip(rows.request.tolist(), delays.tolist(), hedged.tolist(), latency.tolist(), strict=True)
    lines = (
        f"{name:.0f},{'' if math.isnan(delay) else repr(delay)},{h:d},{time!r},toy" for name, delay, h, time in answers
    )
    Path(given.out).write_text("\n".join(("request,delay_s,hedged,latency_s,reason", *lines, "")))


if __name__ == "__main__":
    main()
