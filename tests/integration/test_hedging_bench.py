"""The short form of the hedging benchmark, as `make bench-hedging HEDGING=short` runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEYS = [
    "mean_regret",
    "worst_regret",
    "regret_at_5000",
    "max_budget_overrun",
    "never_worse_hedge_rate",
    "p999_regret",
    "regime_recovery_requests",
    "brownout_extra_points",
    "grpc_java_p95_ms",
    "grpc_java_p99_ms",
    "cancel_p99_ms",
    "cancel_floor_p99_ms",
    "seed",
    "n",
    "machine",
]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_auto_is_near_the_optimum() -> None:
    """At two budgets of two populations every target holds, and the last thing that is printed is one object."""
    command = [sys.executable, "-m", "bench.hedging", "short", "--seed", "20261120"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    assert done.returncode == 0, done.stderr
    table, _, figures = done.stdout.partition("\n{\n")
    found = json.loads("{" + figures)
    assert list(found) == KEYS
    assert "missed: nothing" in table, table
    assert found["mean_regret"] is not None
    assert "causal stall-2" in done.stderr
