"""What people read of the benchmark: the table of all cells, and the figures beside their targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.hedging.cells import LIVES, SELDOM, Cell, figures
from bench.hedging.populations import RATE

Figures = Mapping[str, float | None]

TARGETS = {
    "mean_regret": 0.02,
    "worst_regret": 0.10,
    "regret_at_5000": 0.05,
    "max_budget_overrun": 1.0,
    "never_worse_hedge_rate": 0.005,
    "p999_regret": 0.05,
    "regime_recovery_requests": 20_000,
    "brownout_extra_points": 0.1,
    "grpc_java_p95_ms": 30,
    "grpc_java_p99_ms": 60,
}
HEADINGS = (
    "group",
    "population",
    "budget",
    "none",
    "optimum",
    "auto",
    "figure",
    "worst",
    "hedges",
    "10 s",
    "overrun",
    "as sent",
)


def summary(cells: Sequence[Cell]) -> dict[str, float | None]:
    """Return the figures that the benchmark is judged by; None where nothing was measured.

    The limit of common episodes is twice that of the other populations that hedging cannot help, so they count half.
    """
    regrets, early = figures(cells, "scored"), figures(cells, life(5_000))
    rates = figures(cells, "never worse") + [each / 2 for each in figures(cells, "common episodes")]
    found = {
        "mean_regret": _mean(regrets),
        "worst_regret": max(regrets, default=None),
        "regret_at_5000": _mean(early),
        "max_budget_overrun": max((cell.overrun for cell in cells), default=None),
        "never_worse_hedge_rate": max(rates, default=None),
        "p999_regret": max(figures(cells, "p99.9"), default=None),
        "regime_recovery_requests": max(figures(cells, "shift"), default=None),
        "brownout_extra_points": max(figures(cells, "brown-out"), default=None),
        "grpc_java_p95_ms": next(iter(figures(cells, "grpc-java, p95")), None),
        "grpc_java_p99_ms": next(iter(figures(cells, "grpc-java, p99")), None),
    }
    return {name: value if value is None else round(value, 5) for name, value in found.items()}


def limits(found: Figures) -> dict[str, float]:
    """Return the targets; that of cancels depends on the floor, and is one where that was *found*."""
    floor = found.get("cancel_floor_p99_ms")
    return TARGETS if floor is None else TARGETS | {"cancel_p99_ms": max(10.0, 2 * floor)}


def missed(found: Figures) -> list[str]:
    """Return which figures miss their targets, with both."""
    measured = ((name, found.get(name), limit) for name, limit in limits(found).items())
    return [f"{name} {value:g} > {limit:g}" for name, value, limit in measured if value is not None and value > limit]


def lines(cells: Sequence[Cell]) -> list[str]:
    """Return the table: times in milliseconds, hedges and windows in percent of requests."""
    rows = [HEADINGS, *map(_row, cells)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(_pad, row, widths, range(len(row)))).rstrip() for row in rows]


def early(cells: Sequence[Cell]) -> list[str]:
    """Return the regrets of short lives, a line for each length."""
    groups = [(requests, rate, figures(cells, life(requests, rate))) for rate in (RATE, SELDOM) for requests in LIVES]
    return [
        f"first {requests:,} requests at {rate:,.0f}/s, cold start included: mean regret {_mean(found):.3f}, "
        f"worst {max(found):.3f}"
        for requests, rate, found in groups
        if found
    ]


def life(requests: int, per_second: float = RATE) -> str:
    """Return the group of cells that score the first *requests* of a run, so many *per_second*."""
    return f"first {requests:,}" if per_second == RATE else f"first {requests:,} at {per_second:,.0f}/s"


def _row(cell: Cell) -> tuple[str, ...]:
    times = ("" if each is None else f"{each:,.1f}" for each in (cell.none_ms, cell.oracle_ms, cell.policy_ms))
    worst = "" if cell.worst is None else f"{cell.worst:.3f}"
    shares = (f"{cell.rate:.2%}", f"{cell.window:.2%}", f"{cell.overrun:.2f}", f"{cell.overrun_as_sent:.2f}")
    return (cell.group, cell.population, f"{cell.budget:.1%}", *times, f"{cell.figure:,.4g}", worst, *shares)


def _pad(text: str, width: int, column: int) -> str:
    return text.ljust(width) if column < 2 else text.rjust(width)  # noqa: PLR2004 - the words stand left


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
