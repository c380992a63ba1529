"""How property tests run here: the same cases on every machine, and no clock of Hypothesis's own."""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def law(examples: int = 50, steps: int = 30) -> settings:
    """Return settings for *examples* cases of a property, each of at most *steps* where it is a history."""
    return settings(
        stateful_step_count=steps,
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],  # a busy machine is no fault of the property
    )
