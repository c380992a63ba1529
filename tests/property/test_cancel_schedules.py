"""Ten thousand seeded schedules of a cancel: every step of many random casts."""

from __future__ import annotations

import random
from itertools import count

import pytest

from tests.property.test_cancel import cancelled_everywhere, random_scenario

ENOUGH = 10_000


@pytest.mark.slow
def test_ten_thousand_schedules_of_a_cancel() -> None:
    """Random casts, cancelled at every step of the loop: one outcome per permit, no leak, no hang, always."""
    schedules = 0
    for seed in count(1_000):
        scenario = random_scenario(random.Random(seed))
        schedules += cancelled_everywhere(scenario, f"seed {seed}", again=seed % 2 == 1)
        if schedules >= ENOUGH:
            break
    assert schedules >= ENOUGH
