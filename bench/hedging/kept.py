"""Where the figures of a run are kept, and how they are written and read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.hedging.black_box import ROOT
from bench.hedging.cells import Cell

RESULTS = ROOT / "bench/results/hedging"


def keep(folder: Path, found: Mapping[str, Any], cells: Sequence[Cell], lines: Sequence[str]) -> None:
    """Write the figures beside *folder*, all cells and their table, *lines*, into it."""
    folder.mkdir(parents=True, exist_ok=True)
    figures_beside(folder).write_text(json.dumps(found, indent=2) + "\n")
    rows = ",\n".join(json.dumps(asdict(cell)) for cell in cells)
    Path(folder, "cells.json").write_text(f"[\n{rows}\n]\n")
    Path(folder, "table.txt").write_text("\n".join(lines) + "\n")


def cells_in(folder: Path) -> list[Cell]:
    """Return all cells that were kept in *folder*; none where there are none."""
    path = folder / "cells.json"
    return [Cell(**fields) for fields in json.loads(path.read_text())] if path.exists() else []


def figures_beside(folder: Path) -> Path:
    """Return where the figures of *folder* are: in a file of its name beside it."""
    return folder.with_suffix(".json")
