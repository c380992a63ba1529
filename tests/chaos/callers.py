"""Callers who leave, who are in a hurry, who read slowly, or who are too many."""

from __future__ import annotations

import math
import time
from dataclasses import replace

from tests.chaos import judge
from tests.chaos.faults import Fault, Pace
from tests.chaos.form import Form
from tests.chaos.house import MIXED, STREAM, UNARY, House, Plan, settled
from tests.chaos.judge import Verdict
from tests.chaos.load import Kind
from tests.chaos.logs import Seen

_SLOW_STREAMS = 200
_BESIDE = 1100  # calls; of fewer, one pause of the machine is more than a percent
_MB_A_STREAM = 1.5  # what is read ahead for a reader, by the lane, the HTTP client and gRPC
_STALL = 6.0  # seconds; who reads slowly frees the window every 2 to 4
_POOLED = {"descriptors", "threads"}  # of connections that wait for more, and of Python's own executor
BIG = Kind("big", "StreamComplete", "big")


def cancel(seed: int, form: Form) -> Verdict:
    """R10: calls are given up at any time: upstreams hear of it within 10 ms, and nothing is left over."""
    count, rate = int(max(500, 3000 * form.scale)), 150.0
    verdict = Verdict("cancel", seed, count)
    plan = Plan(route="hedge: {delay: 20ms}, budget: {hedges: 100%}", pace=Pace(first=0.04, reads=12, gap=0.01))
    with House("cancel", seed, form.folder, plan) as house:
        house.warm()
        before = settled(house)
        bare = Kind("bare", "bare", f"127.0.0.1:{house.ports['a']}", weight=0.5)
        calls, _ = house.calls(house.job("c", *MIXED, bare, count=count, rate=rate, cancel=(0.0, 0.16)))
        after = settled(house)
        truth = house.truth()
    floor = judge.cancels((seen for seen in calls if seen.kind == "bare"), truth)
    ours = judge.cancels((seen for seen in calls if seen.kind != "bare"), truth)
    verdict.figures["cancelled_attempts"] = len(ours)
    verdict.at_most("cancel_p99_ms", judge.percentile(ours, 0.99) * 1e3, 10.0)
    verdict.figures["cancel_p50_ms"] = round(judge.percentile(ours, 0.5) * 1e3, 2)
    verdict.figures["cancel_floor_p99_ms"] = round(judge.percentile(floor, 0.99) * 1e3, 2)
    odd = [seen for seen in calls if not seen.ok and (seen.code != "CANCELLED" or seen.cancelled is None)]
    verdict.at_most("other_statuses", len(odd), 0)
    left = {name: (before[name], after[name]) for name in before if after[name] > before[name] and name not in _POOLED}
    verdict.must(not left, f"left over: {left}")
    return verdict


def deadline(seed: int, form: Form) -> Verdict:
    """R11: nobody answers callers that wait 500 ms: they hear so by 520 ms, and upstreams are let go before."""
    verdict = Verdict("deadline", seed, 200)
    plan = Plan(backend="timeouts: {first_token: 5s}", route="hedge: {delay: 100ms}")
    with House("deadline", seed, form.folder, plan) as house:
        house.warm()
        job = house.job("d", count=verdict.n, rate=50.0, deadline=0.5)
        for name in house.plan.providers:
            house.order(name, Fault("black_hole"), at=job.start - 0.02)
        calls, _ = house.calls(job)
        truth = judge.by_call(house.truth())
    verdict.at_most("heard_max_ms", max(seen.done - seen.sent for seen in calls) * 1e3, 520.0)
    odd = [seen for seen in calls if seen.code not in {"DEADLINE_EXCEEDED", "UNAVAILABLE"}]
    verdict.at_most("other_statuses", len(odd), 0)
    ends = [each.ended - seen.sent for seen in calls for each in truth.get(seen.call, ()) if each.ended is not None]
    verdict.at_most("upstream_max_ms", max(ends) * 1e3, 500.0)
    verdict.must(all(each.ended for tried in truth.values() for each in tried), "an upstream was not let go")
    return verdict


def slow_readers(seed: int, form: Form) -> Verdict:
    """R12: 200 streams are read at a message a second, 50 not at all: memory is bounded, providers are let go."""
    verdict = Verdict("slow_readers", seed, _SLOW_STREAMS)
    plan = Plan(
        beside=("d", "e"),
        crowds=2,
        backend="limits: {}",
        server=f"max_in_flight: 8000, write_stall: {_STALL:g}s",
        routes="  - {name: big, backends: [d]}\n  - {name: stop, backends: [e]}\n",
    )
    big = Pace(tokens=2000, reads=2000, gap=0.01, pad=16_384)
    slow = {"tokens": big.tokens, "pad": big.pad, "narrow": True, "deadline": 24.0}
    with House("slow_readers", seed, form.folder, plan) as house:
        house.warm()
        house.order("d", pace=replace(big, gap=0.2))
        house.order("e", pace=big)
        alone, _ = house.calls(house.job("w", count=_BESIDE, rate=150.0))
        before = house.rss_mb()
        stop = replace(BIG, name="stop", route="stop")
        readers = house.job("s", BIG, count=_SLOW_STREAMS, rate=50.0, pause=1.0, **slow)
        house.begin(readers, 1)
        time.sleep(_SLOW_STREAMS / 50.0 + 12.0)  # all have started, and what is read ahead for them is
        others, _ = house.calls(house.job("o", count=_BESIDE, rate=150.0))
        grown = house.rss_mb() - before
        slowly, _ = house.finish(readers, 1)
        stopped, _ = house.calls(
            house.job("t", stop, count=50, rate=25.0, reads=2, hold=11.0, **slow | {"deadline": 12.0})
        )
        truth = judge.by_call(house.truth())
    verdict.at_most("rss_growth_mb", grown, _SLOW_STREAMS * _MB_A_STREAM)
    p99s = [judge.percentile((seen.took for seen in calls), 0.99) * 1e3 for calls in (alone, others)]
    verdict.at_most("others_p99_ms", p99s[1], 2 * p99s[0])
    verdict.figures["alone_p99_ms"] = round(p99s[0], 1)
    held = [(each.ended or math.inf) - each.arrived for seen in stopped for each in truth[seen.call]]
    verdict.at_most("let_go_after_s", max(held), _STALL + 3.0)
    verdict.at_least("slow_to_the_end", sum(seen.code == "DEADLINE_EXCEEDED" for seen in slowly), _SLOW_STREAMS)
    verdict.must(all(seen.code != "OK" for seen in stopped), "a reader that had stopped was told that all is well")
    return verdict


def too_many(seed: int, form: Form) -> Verdict:
    """R18: three times as many calls as are admitted: exactly the excess is refused, and health answers quickly."""
    verdict = Verdict("too_many", seed, 300)
    plan = Plan(
        server="max_in_flight: 100", route="strategy: weighted", backend="limits: {}", pace=Pace(first=1.5, spread=0.01)
    )
    with House("too_many", seed, form.folder, plan) as house:
        house.warm(0.1)
        job = house.job("m", UNARY, STREAM, count=300, rate=600.0, health=("",), every=0.01)
        calls, checks = house.calls(job)
    refused = [seen for seen in calls if _refused(seen)]
    verdict.must(len(refused) == 200, f"{len(refused)} were refused")
    verdict.figures["refused"] = len(refused)
    verdict.must(sum(seen.ok for seen in calls) == 100, f"{sum(seen.ok for seen in calls)} were answered")
    verdict.at_most("health_max_ms", max(check.took for check in checks) * 1e3, 50.0)
    verdict.must(all(check.serving for check in checks), "health did not serve")
    return verdict


def _refused(seen: Seen) -> bool:
    return seen.code == "RESOURCE_EXHAUSTED" and seen.reason == "OVERLOADED" and (seen.pushback or 0) > 0


def overload(seed: int, form: Form) -> Verdict:
    """R6: twice what it can do for 30 s, then less: the server is itself again within 15 s, without help."""
    pace = Pace(first=0.01, tokens=100, reads=12, gap=0.001)
    plan = Plan(server="heartbeat: 15s", backend="limits: {}", route="hedge: {delay: 500ms}", pace=pace, crowds=2)
    with House("overload", seed, form.folder, plan) as house:
        house.warm(2.0)
        given = {"tokens": pace.tokens}
        free, _ = house.calls(house.job("free", UNARY, workers=48, seconds=4.0, **given))
        can = sum(seen.ok for seen in free) / 4.0
        usual, trigger = 0.7 * can, max(8.0, 30.0 * form.scale)
        base, _ = house.calls(house.job("base", UNARY, count=int(usual * 10), rate=usual, **given))
        much = house.job("much", UNARY, count=int(2 * can * trigger), rate=2 * can, **given)
        over = much.start + trigger
        house.begin(much)
        after = house.job("after", UNARY, count=int(usual * (form.after + 5)), rate=usual, **given)
        house.begin(replace(after, start=over), 1)
        hard, _ = house.finish(much)
        calm, _ = house.finish(after, 1)
    verdict = Verdict("overload", seed, len(hard) + len(calm))
    verdict.figures |= {"capacity_rps": round(can), "base_goodput": round(sum(each.ok for each in base) / len(base), 3)}
    verdict.figures["overload_goodput"] = round(sum(each.ok for each in hard) / trigger / can, 3)
    verdict.at_most("queue_drained_s", max(seen.done for seen in hard) - over, 15.0)
    verdict.at_most("recovered_s", _recovered(base, calm, over), 15.0)
    return verdict


def _recovered(base: list[Seen], calm: list[Seen], over: float) -> float:
    """Return seconds until the end of the first 5 s with p99 and goodput within 10 % of the worst 5 s of *base*."""
    half = base[0].due + 5.0
    halves = [[seen for seen in base if (seen.due < half) is first] for first in (True, False)]
    p99 = 1.1 * max(judge.percentile((seen.took for seen in each), 0.99) for each in halves)
    good = 0.9 * min(sum(seen.ok for seen in each) / len(each) for each in halves)
    for second in range(20):
        window = [seen for seen in calm if over + second <= seen.due < over + second + 5]
        took = judge.percentile((seen.took for seen in window), 0.99)
        if window and took <= p99 and sum(seen.ok for seen in window) / len(window) >= good:
            return second + 5.0
    return math.inf
