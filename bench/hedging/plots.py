"""Draw the pictures of the benchmark from its cells.  Usage: python -m bench.hedging.plots [FOLDER with cells.json]."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bench.hedging.black_box import Setting
from bench.hedging.cells import Cell
from bench.hedging.kept import RESULTS, cells_in
from bench.hedging.oracle import Oracle
from bench.hedging.populations import SCORED, Population
from bench.hedging.runs import Bench, Judged, Length
from bench.judge_hedging import percentile

Times = NDArray[np.float64]

GREY, BLUE, ORANGE, GREEN = "#57606a", "#2f6fbf", "#c2701c", "#27855a"
SHOWN = ("bhope", "stall-2", "together/13b", "replicate/70b -> groq/70b")
TAIL = (SCORED[1], Setting(0.02))
SHARES = np.geomspace(0.5, 1e-4, 400)
STYLE = {
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelcolor": GREY,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": GREY,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "grid.alpha": 0.25,
    "grid.color": GREY,
    "legend.frameon": False,
    "legend.labelcolor": GREY,
    "savefig.facecolor": "white",  # a panel of its own, which reads on dark pages, too
    "svg.hashsalt": "quickthorn",
    "text.color": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
}


def main(folder: Path = RESULTS) -> None:
    """Draw those into *folder* of which the figures are there."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type] # its keys are a literal of all names there are
        for name, figure in _drawn(folder):
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
            plt.close(figure)


def _drawn(folder: Path) -> Iterator[tuple[str, Figure]]:
    if (path := folder / "sockets.json").exists():
        yield "sockets", over_sockets(json.loads(path.read_text()))
    if cells := [cell for cell in cells_in(folder) if cell.group in {"scored", "not scored"}]:
        yield "regret", regrets(cells)
        yield "trade_off", trade_off(cells)
        yield "tail", tails(*_tail_runs())


def regrets(cells: Sequence[Cell]) -> Figure:
    """Draw the regret of every cell: a row for each population, a column for each budget."""
    names, budgets = list(dict.fromkeys(cell.population for cell in cells)), sorted({cell.budget for cell in cells})
    figure, axes = plt.subplots(figsize=(7.5, 0.42 * len(names) + 1.2))
    for cell in cells:
        place = (budgets.index(cell.budget), names.index(cell.population))
        counts = cell.group == "scored"
        axes.scatter(*place, s=3000 * min(1.0, cell.figure) + 4, color=BLUE if counts else GREY, alpha=0.45, lw=0)
        axes.annotate(f"{cell.figure:.3f}", place, xytext=(0, 6), textcoords="offset points", ha="center", color=GREY)
    axes.set(xticks=range(len(budgets)), xticklabels=[f"{each:.0%}" for each in budgets], xlabel="budget")
    axes.set(
        yticks=range(len(names)), yticklabels=names, xlim=(-0.5, len(budgets) - 0.5), ylim=(len(names) - 0.5, -0.5)
    )
    axes.set_title("Regret: 0 is the optimum, 1 no hedging at all (grey: not scored)", loc="left")
    axes.grid(visible=False)
    return figure


def trade_off(cells: Sequence[Cell]) -> Figure:
    """Draw p99 over extra load: no hedging, a delay at a percentile known beforehand, the optimum, and `auto`."""
    figure, grid = plt.subplots(2, 2, figsize=(8.5, 6))
    for axes, name in zip(grid.flat, SHOWN, strict=True):
        population = next(each for each in SCORED if each.name == name)
        mine = sorted((cell for cell in cells if cell.population == name), key=lambda cell: cell.budget)
        _curves(axes, population)
        axes.plot(
            [100 * cell.rate for cell in mine],
            [(cell.policy_ms or 0.0) / 1e3 for cell in mine],
            "o",
            color=BLUE,
            ms=6,
            label="auto, as measured",
        )
        axes.set(title=name, yscale="log", xlim=(0, 11), xlabel="hedges per 100 requests", ylabel="p99, s")
    grid.flat[0].legend(loc="upper right")
    return figure


def _curves(axes: Axes, population: Population) -> None:
    chance = np.random.default_rng(1)
    primary, hedge = population.sample(chance, 400_000)
    oracle, loads = Oracle(primary, hedge), np.linspace(0.0025, 0.11, 44)
    delays = np.quantile(primary, 1 - loads)
    fixed = [percentile(np.where(primary > d, np.minimum(primary, d + hedge), primary), 0.99) for d in delays]
    axes.axhline(percentile(primary, 0.99), color=GREY, ls=":", label="no hedging")
    axes.plot(100 * loads, fixed, color=ORANGE, label="fixed delay or percentile, known beforehand")
    axes.plot(100 * loads, [oracle.best(0.99, load).time for load in loads], color=GREEN, label="optimum (SingleR)")


def tails(run: Judged, budget: float) -> Figure:
    """Draw the share of requests that take longer, over the time."""
    primary, hedge = run.asked.lanes[0][run.warm_up :], run.asked.lanes[1][run.warm_up :]
    delay = float(np.quantile(primary, 1 - budget))
    usual = np.where(primary > delay, np.minimum(primary, delay + hedge), primary)
    none, auto, oracle = run.scored
    figure, axes = plt.subplots(figsize=(7.5, 4))
    for times, color, label in (
        (none, GREY, "no hedging"),
        (usual, ORANGE, f"delay at p{100 - 100 * budget:.0f}"),
        (oracle, GREEN, "optimum"),
        (auto, BLUE, "auto"),
    ):
        axes.plot(np.quantile(times, 1 - SHARES), SHARES, color=color, label=label, lw=1.8)
    axes.axhline(0.01, color=GREY, ls=":", lw=1)
    axes.set(xscale="log", yscale="log", xlabel="time to first content, s", ylabel="share of requests that take longer")
    axes.set_title(f"{TAIL[0].name}, budget {budget:.0%}", loc="left")
    axes.legend()
    return figure


def over_sockets(found: Mapping[str, Any]) -> Figure:
    """Draw the share of calls over sockets that take longer, without hedging and with."""
    figure, axes = plt.subplots(figsize=(7.5, 3.6))
    for route, color, name in (("off", GREY, "no hedging"), ("auto", BLUE, "delay: auto")):
        times = np.sort(found[route]["times_ms"]) / 1e3
        p50, p95, p99 = (found[route][share] for share in ("p50_ms", "p95_ms", "p99_ms"))
        label = f"{name}: p50 {p50:,.0f} ms, p95 {p95:,.0f} ms, p99 {p99:,.0f} ms"
        axes.step(times, 1 - np.arange(len(times)) / len(times), where="post", color=color, lw=1.8, label=label)
        axes.plot(p99 / 1e3, 0.01, "o", color=color, ms=6)
    stalls = found["stalls"]
    axes.set(xscale="log", yscale="log", xlabel="time to first content, s", ylabel="share of calls that take longer")
    axes.set_title(
        f"A real model over sockets; {stalls['share']:.0%} of its answers stall"
        f" {stalls['shortest_s']:g} to {stalls['longest_s']:g} s",
        loc="left",
    )
    axes.legend(loc="lower left")
    return figure


def _tail_runs() -> tuple[Judged, float]:
    population, setting = TAIL
    return Bench(1).runs(population, [setting], 1, Length())[setting][0], setting.budget


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
