"""The page of the hedging benchmark shows what was kept of a run, and says what missed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.hedging import page
from bench.hedging.cells import Cell
from bench.hedging.kept import cells_in, keep

RUNS = {"requests": 300_000, "warm_up": 60_000, "seeds": 5, "others": 3, "few": 2, "lives": 8}
MACHINE = {"cpu": "a machine", "cores": 2, "python": "3.11", "took_s": 1_200}
FOUND: dict[str, Any] = {
    "mean_regret": 0.004,
    "worst_regret": 0.2,
    "cancel_p99_ms": 30.0,
    "cancel_floor_p99_ms": 16.0,
    "seed": 1,
    "n": RUNS,
    "machine": MACHINE,
}


def _cell(group: str, population: str, budget: float, figure: float) -> Cell:
    return Cell(group, population, budget, figure, 0.02, 0.02, 0.9, 0.9, 31_700.0, 878.0, 884.6)


CELLS = [
    _cell("scored", "stall-2", 0.02, 0.0002),
    _cell("not scored", "bhope", 0.02, 0.5),
    _cell("first 5,000", "stall-2", 0.02, 0.03),
    _cell("common episodes", "common episodes", 0.02, 0.0004),
    _cell("shift", "bhope x4", 0.02, 10_000),
    _cell("grpc-java, p95", "grpc-java", 0.111, 13.04),
]


@pytest.fixture
def shown(tmp_path: Path) -> str:
    """Return a page of which the figures are written."""
    text, folder = tmp_path / "page.md", tmp_path / "hedging"
    text.write_text(f"Before.\n{page.BEGIN}stale\n{page.END}After.\n")
    keep(folder, FOUND, CELLS, ["the table"])
    assert cells_in(folder) == CELLS
    page.main(folder, text)
    return text.read_text()


def test_only_the_figures_are_replaced(shown: str) -> None:
    """What stands around the marks stays, and so do they."""
    assert shown.startswith(f"Before.\n{page.BEGIN}")
    assert shown.endswith(f"{page.END}After.\n")
    assert "stale" not in shown


@pytest.mark.parametrize(
    "line",
    [
        "| `mean_regret` | 0.004 | <= 0.02 |",
        "| `worst_regret` | 0.2 | <= 0.1, **missed** |",
        "| `p999_regret` | not measured | <= 0.05 |",
        "| `cancel_p99_ms` | 30 | <= 32 |",
        "| stall-2 | 0.000 |",
        "| bhope | (0.500) |",
        "| stall-2 | 31.7 | 0.878 / 0.885 |",
        "| common episodes | 0.04 |",
        "| shift | bhope x4 | 2% | 10,000 requests until it is small again |",
        "| grpc-java, p95 | grpc-java | 11.1% | 13.0 ms |",
        "* first 5,000 requests at 1,000/s, cold start included: mean regret 0.030, worst 0.030",
    ],
)
def test_every_kind_of_cell_is_shown(shown: str, line: str) -> None:
    """Figures stand beside their targets, each cell where its kind belongs, unscored ones in brackets."""
    assert line in shown.splitlines()
