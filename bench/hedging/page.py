"""Write the tables of `HEDGING.md` from what was kept.  Usage: python -m bench.hedging.page [FOLDER [PAGE]]."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.hedging.black_box import ROOT
from bench.hedging.cells import Cell
from bench.hedging.kept import RESULTS, cells_in, figures_beside
from bench.hedging.table import early, limits

PAGE = ROOT / "bench/HEDGING.md"
BEGIN, END = "<!-- figures: by python -m bench.hedging.page -->\n", "<!-- end of figures -->\n"
REGRETS = ("scored", "not scored")
RATES = ("never worse", "common episodes")
UNITS = {
    "p99.9": "regret",
    "shift": "requests until it is small again",
    "brown-out": "points of requests above the budget",
}


def main(folder: Path = RESULTS, page: Path = PAGE) -> None:
    """Replace what stands between the two marks of *page*."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    found = json.loads(figures_beside(folder).read_text())
    lines = "\n".join(_tables(found, cells_in(folder)))
    page.write_text(f"{before}{BEGIN}\n{lines}\n{END}{after}")


def _tables(found: Mapping[str, Any], cells: Sequence[Cell]) -> Iterator[str]:
    yield from _figures(found)
    yield _machine(found)
    regrets = [cell for cell in cells if cell.group in REGRETS]
    yield from ("", "Regret by budget, cells that are not scored in brackets:", "")
    yield from _matrix(regrets, lambda cell: _bracketed(cell, f"{cell.figure:.3f}"))
    yield from (
        "",
        "p99 in seconds, the optimum's and that of `auto`, by budget; without hedging in the second column:",
        "",
    )
    yield from _matrix(regrets, lambda cell: f"{_s(cell.oracle_ms)} / {_s(cell.policy_ms)}", none=True)
    yield from ("", "Hedges per 100 requests where hedging cannot help, by budget:", "")
    yield from _matrix([cell for cell in cells if cell.group in RATES], lambda cell: f"{100 * cell.figure:.2f}")
    yield from ("", "| | population | budget | |", "|---|---|---|---|")
    yield from filter(None, map(_other, cells))
    yield from ("", *(f"* {line}" for line in early(cells)), "")


def _figures(found: Mapping[str, Any]) -> Iterator[str]:
    yield from ("| figure | measured | target |", "|---|---|---|")
    for name, limit in limits(found).items():
        value = found.get(name)
        fault = ", **missed**" if value is not None and value > limit else ""
        yield f"| `{name}` | {'not measured' if value is None else f'{value:,g}'} | <= {limit:,g}{fault} |"
    if (floor := found.get("cancel_floor_p99_ms")) is not None:
        yield f"| `cancel_floor_p99_ms` | {floor:,g} | |"


def _machine(found: Mapping[str, Any]) -> str:
    count, where = found["n"], found["machine"]
    return (
        f"\nSeed {found['seed']}; {count['seeds']} runs of {count['requests']:,} requests a cell,"
        f" {count['others']} where it is not scored, {count['few']} where hedging cannot help;"
        f" {count['lives']} from a cold start. {where['cpu']}, {where['cores']} cores, Python {where['python']},"
        f" {where['took_s'] / 60:.0f} minutes."
    )


def _matrix(cells: Sequence[Cell], shown: Callable[[Cell], str], *, none: bool = False) -> Iterator[str]:
    """Yield a table with a row for each population and a column for each budget."""
    budgets = sorted({cell.budget for cell in cells})
    yield "".join(("| population |", " none |" * none, *(f" {budget:.0%} |" for budget in budgets)))
    yield "|---" * (1 + none + len(budgets)) + "|"
    for name in dict.fromkeys(cell.population for cell in cells):
        row = {cell.budget: cell for cell in cells if cell.population == name}
        without = f" {_s(next(iter(row.values())).none_ms)} |" if none else ""
        yield "".join((f"| {name} |", without, *(f" {shown(row[budget])} |" for budget in budgets)))


def _other(cell: Cell) -> str:
    """Return the row of a cell that is judged by something else than p99 or a share of hedges, "" for one that is."""
    if unit := UNITS.get(cell.group):
        return f"| {cell.group} | {cell.population} | {cell.budget:.0%} | {round(cell.figure, 3):,g} {unit} |"
    if cell.group.startswith("grpc-java"):
        return f"| {cell.group} | {cell.population} | {cell.budget:.1%} | {cell.figure:,.1f} ms |"
    return ""


def _bracketed(cell: Cell, text: str) -> str:
    return text if cell.group == "scored" else f"({text})"


def _s(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds / 1e3:.3g}"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
