"""What is known of first lanes, while they change."""

from __future__ import annotations

import heapq
import random

import pytest

from quickthorn_server.execution.hedging.first_lanes import FirstLanes, Heard, Race

RATE = 1000.0
BEFORE, AFTER = 60_000, 4_000
LOOK = 100  # calls


@pytest.mark.parametrize("seed", range(3))
def test_calls_on_their_way_when_all_begins_anew_count_no_more_than_others(seed: int) -> None:
    """Answers that take four times as long from one call to the next are known for what they are a few seconds later.

    Half of the calls take longer than a second then, one in fifty hangs, and none of the others takes four.
    """
    draw, lanes, running = random.Random(seed), FirstLanes(), list[tuple[float, float]]()
    for call in range(BEFORE + AFTER):
        now = call / RATE
        while running and running[0][0] <= now:
            heard, began = heapq.heappop(running)
            lanes.settle(Race(100, (Heard("a", 0.0, heard - began, spoke=True),), began), heard)
            if lanes.changed:
                lanes.relearn()
                lanes.look(heard)
        lanes.start(100, now)
        usual = 0.25 if call < BEFORE else 1.0
        seconds = 60.0 if draw.random() < 0.02 else usual * draw.lognormvariate(0.0, 0.3)
        heapq.heappush(running, (now + seconds, now))
        if call % LOOK == 0:
            lanes.look(now)
    assert lanes.known < AFTER
    assert lanes.curve.reaches(0.5) == pytest.approx(1.0, rel=0.1)
    assert lanes.curve.beyond(3.0) < 0.04
