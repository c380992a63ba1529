"""R16: 200 calls a second for ten minutes, a few faults among them: nothing fails, nothing grows, nothing is left."""

from __future__ import annotations

import time

from tests.chaos import judge
from tests.chaos.faults import Fault
from tests.chaos.form import Form
from tests.chaos.house import House, Plan, settled
from tests.chaos.judge import Verdict

RATE = 200.0
_GROWTH_MB = 4.0
_LONGEST = 1.0  # seconds a call may take, as grpc's own soak tests say
_IDLE = 35.0  # seconds until pooled connections are closed


def soak(seed: int, form: Form) -> Verdict:
    """Run it; *warm_up* seconds of it do not count for memory."""
    verdict = Verdict("soak", seed, int(RATE * form.soak))
    with House("soak", seed, form.folder, Plan()) as house:
        house.warm()
        house.warm()  # gRPC takes another pair of sockets when the second crowd comes, and no more after that
        time.sleep(_IDLE)
        before = settled(house)
        for name in house.plan.providers:
            house.order(name, Fault("status", 0.005, (500, 503)), Fault("reset", 0.002), Fault("slow", 0.002))
        job = house.job("s", count=verdict.n, rate=RATE)
        house.begin(job)
        time.sleep(max(0.0, job.start + form.warm_up - time.monotonic()))
        warm = house.rss_mb()
        calls, _ = house.finish(job)
        grown = house.rss_mb() - warm
        time.sleep(_IDLE)
        after = settled(house)
        truth = house.truth()
    verdict.failures = len(wrong := judge.unexpected(calls, truth))
    verdict.at_most("failures", verdict.failures, 0)
    verdict.faults += wrong[:3]
    verdict.at_most("slowest_s", max(seen.took for seen in calls), _LONGEST)
    verdict.figures["p99_ms"] = round(judge.percentile((seen.took for seen in calls), 0.99) * 1e3, 1)
    verdict.at_most("rss_growth_mb", grown, _GROWTH_MB)
    left = {name: (before[name], after[name]) for name in before if after[name] != before[name]}
    verdict.must(not left, f"not as before: {left}")
    return verdict
