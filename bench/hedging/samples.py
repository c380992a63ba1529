"""How long lanes take, as distributions to draw from; times in seconds."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Times = NDArray[np.float64]
Draw = Callable[[Generator, int], Times]

STRAGGLERS = 0.05  # of bhope
LATENCIES = Path(__file__).resolve().parents[3] / "shared/data/latency"
MEASURED = LATENCIES / "llmperf_requests.csv"


def body(median: float, sigma: float) -> Draw:
    """Return a lognormal with that *median*."""
    return lambda chance, count: np.asarray(median * np.exp(sigma * chance.standard_normal(count)))


def bhope(chance: Generator, count: int) -> Times:
    """Draw from bhope/hedge's own benchmark: lognormal, mean 5 ms, sd 2 ms, ten times that with probability 0.05."""
    variance = np.log(1 + (2 / 5) ** 2)
    mean = np.log(0.005) - variance / 2
    times = np.exp(mean + np.sqrt(variance) * chance.standard_normal(count))
    return np.asarray(np.where(chance.random(count) < STRAGGLERS, 10 * times, times))


def stall(share: float, median: float = 0.25) -> Draw:
    """Return a lognormal body (sigma 0.35) of which *share* is replaced by 5 to 60 s, uniformly."""

    def draw(chance: Generator, count: int) -> Times:
        times = body(median, 0.35)(chance, count)
        return np.where(chance.random(count) < share, chance.uniform(5, 60, count), times)

    return draw


def scaled(draw: Draw, factor: float) -> Draw:
    """Return *draw*, *factor* times as slow."""
    return lambda chance, count: factor * draw(chance, count)


def grpc_java(chance: Generator, count: int) -> Times:
    """Draw as grpc-java's hedging example sleeps: 1 % 10 s, 4 % 5 s, 5 % 2 s, before a call of some milliseconds."""
    sleeps = np.choose(np.searchsorted([0.01, 0.05, 0.10], chance.random(count), side="right"), [10.0, 5.0, 2.0, 0.0])
    return sleeps + body(0.003, 0.5)(chance, count)


def measured(name: str) -> Draw:
    """Return the measured times of a provider and model size (`together/13b`), smoothed.

    Sorted value i of n stands at (i - 0.5)/n; between them the inverse of the distribution is linear in log time, and
    clamped beyond the first and the last.
    """

    def draw(chance: Generator, count: int) -> Times:
        values = np.log(first_tokens(*name.split("/")))
        shares = (np.arange(1, len(values) + 1) - 0.5) / len(values)
        return np.exp(np.interp(chance.random(count), shares, values))

    return draw


@cache
def first_tokens(provider: str, size: str) -> Times:
    """Return the sorted times to first token that were measured of a provider; 0 is an error there, and left out."""
    with MEASURED.open(newline="") as file:
        rows = csv.DictReader(file)
        times = [float(row["ttft_s"]) for row in rows if (row["provider"], row["model_size"]) == (provider, size)]
    return np.sort([time for time in times if time > 0])


@cache
def conversation_tokens() -> NDArray[np.int64]:
    """Return the prompt sizes of Azure's conversation service."""
    with (LATENCIES / "azure_llm_2023_conv.csv").open(newline="") as file:
        return np.array([int(row["ContextTokens"]) for row in csv.DictReader(file)])
