"""Sick providers: outage, brown-out, circuits that open and close, a pool of which most are sick, a kill."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.chaos import judge
from tests.chaos.faults import Fault, Pace
from tests.chaos.form import Form
from tests.chaos.house import ROOT, STREAM, UNARY, WHOLE, House, Plan
from tests.chaos.judge import Verdict

MOST = 1.10  # attempts a call
_COME_BACK = {"UNAVAILABLE", "RESOURCE_EXHAUSTED"}
_IN_TIME = 0.5  # seconds; ten times what a healthy provider takes at its worst
_MIN_CALLS, _PROBES, _SUCCESSES = 10, 1, 3  # of the breaker, by default
_PURSES = 2  # routes: each may hold up to one request more than it was fed


def total_outage(seed: int, form: Form) -> Verdict:
    """All three fail, then are well: no storm of retries meanwhile, no hanging call, and recovery without help."""
    verdict = Verdict("total_outage", seed, form.calls)
    seconds = max(8.0, form.calls / form.rate + 3.0)
    with House("total_outage", seed, form.folder, Plan(route="strategy: weighted")) as house:
        house.warm()
        job = house.job("o", UNARY, WHOLE, STREAM, count=int((seconds + form.after) * form.rate), rate=form.rate)
        for name in house.plan.providers:
            house.order(name, Fault("status", statuses=(500, 502, 503, 529)), at=job.start)
            house.order(name, at=job.start + seconds)
        calls, _ = house.calls(job)
        truth = house.truth()
    began, over = job.start + 0.1, job.start + seconds
    outage = [seen for seen in calls if began <= seen.due < over - 1.0]  # later ones may try again once all is well
    verdict.n = len(outage)
    verdict.figures["attempts_with_burst"] = round(judge.amplification(outage, truth), 3)
    after = sum(seen.due >= began + 2.0 for seen in outage)  # the burst is over
    verdict.amplification = judge.amplification_between(truth, began + 2.0, over - 1.0)
    verdict.at_most("attempts", verdict.amplification, MOST + _PURSES / after)
    odd = [seen for seen in outage if not seen.ok and (seen.code not in _COME_BACK or seen.wait is None)]
    verdict.at_most("without_retry_info", len(odd), 0)
    failed = [seen.due for seen in calls if not seen.ok and seen.due >= over]
    verdict.at_most("recovered_s", max(failed, default=over) - over, 15.0)
    return verdict


def brown_out(seed: int, form: Form) -> Verdict:
    """R5: one provider is 20 times as slow for a minute: hedges stay within their budget, and answers come."""
    rate, seconds = min(form.rate, 500.0), max(15.0, 60.0 * form.scale)
    verdict = Verdict("brown_out", seed, int(rate * seconds))
    with House("brown_out", seed, form.folder, Plan()) as house:
        house.warm()
        well, _ = house.calls(house.job("w", UNARY, STREAM, count=int(rate * 3), rate=rate))
        job = house.job("b", UNARY, STREAM, count=verdict.n, rate=rate)
        house.order("a", Fault("slow"), at=job.start)
        calls, _ = house.calls(job)
        truth = house.truth()
    verdict.amplification = judge.worst_window(calls, truth, 5.0, job.start)
    verdict.at_most("attempts_worst_5s", verdict.amplification, MOST)
    verdict.failures = len(judge.unexpected(well + calls, truth))
    verdict.at_most("failures", verdict.failures, 0)
    verdict.at_least("goodput", sum(seen.ok and seen.took <= _IN_TIME for seen in calls) / len(calls), 2 / 3)
    verdict.figures["p99_ms"] = round(judge.percentile((seen.took for seen in calls), 0.99) * 1e3, 1)
    return verdict


def light_tail(seed: int, form: Form) -> Verdict:
    """R4: where nobody is ever slow, learned hedging sends next to nothing and costs nobody anything."""
    rate = min(form.rate, 400.0)
    verdict = Verdict("light_tail", seed, 6000)  # of fewer, one pause of the machine is a percent of the p99
    took: dict[str, list[float]] = {}
    extra = 0.0
    for name, hedge in {"plain": "", "hedged": "hedge: {delay: auto, target: p99}"}.items():
        pace = Pace(first=0.3, spread=0.08)
        plan = Plan(asked=("chat",), route=hedge or "retry: {}", pace=pace, backend="limits: {}")
        with House(f"light_tail-{name}", seed, form.folder, plan) as house:
            house.calls(house.job("warm", UNARY, STREAM, workers=48, seconds=3.0))
            calls, _ = house.calls(house.job("l", UNARY, STREAM, count=verdict.n, rate=rate))
            truth = house.truth()
        took[name] = [seen.took for seen in calls]
        verdict.failures += len(judge.unexpected(calls, truth))
        extra = judge.amplification(calls, truth) - 1.0
    verdict.at_most("hedged_share", extra, 0.005)
    for share in (0.5, 0.99):
        plain, hedged = (judge.percentile(took[name], share) for name in ("plain", "hedged"))
        verdict.figures[f"plain_p{share * 100:.0f}_ms"] = round(plain * 1e3, 1)
        verdict.at_most(f"hedged_p{share * 100:.0f}_ms", hedged * 1e3, 1.01 * plain * 1e3)
    verdict.at_most("failures", verdict.failures, 0)
    return verdict


def breaker_opens(seed: int, form: Form) -> Verdict:
    """R7: every second attempt fails, 20 a second: the circuit opens within 2 s of the calls it needs to judge."""
    verdict = Verdict("breaker_opens", seed, 100)
    plan = Plan(providers=("a",), route="retry: {attempts: 1}")
    with House("breaker_opens", seed, form.folder, plan) as house:
        house.warm(0.3)
        time.sleep(11)  # a window's time: what was good until now is forgotten
        job = house.job("b", UNARY, count=100, rate=20.0, health=("backend/a",), every=0.02)
        house.order("a", Fault("status", alternately=True), at=job.start - 0.02)
        calls, checks = house.calls(job)
        tried = [attempt for attempt in house.truth() if attempt.arrived >= job.start]
    opened = judge.turned(checks, "backend/a", serving=False, after=job.start)
    if opened is None or len(tried) < _MIN_CALLS:
        verdict.faults.append("the circuit did not open")
        return verdict
    verdict.at_most("opened_after_min_calls_s", opened - tried[_MIN_CALLS - 1].arrived, 2.0)
    refused = [seen.done - seen.sent for seen in calls if seen.reason == "NO_HEALTHY_BACKEND"]
    verdict.figures["refused"] = len(refused)
    verdict.figures["refusal_p50_ms"] = round(judge.percentile(refused, 0.5) * 1e3, 2)
    cost = subprocess.run([sys.executable, "-m", "tests.chaos.refusal_cost"], cwd=ROOT, check=True, capture_output=True)
    verdict.at_most("refusal_us", float(cost.stdout), 100.0)
    return verdict


def breaker_recovers(seed: int, form: Form) -> Verdict:
    """R8: 1,000 callers a second wait for a provider that is well again: few probes, a quick close, no flapping."""
    rate = form.rate
    verdict = Verdict("breaker_recovers", seed, int(rate * 9))
    plan = Plan(providers=("a",), route="retry: {attempts: 1}", pace=Pace(first=0.1))
    with House("breaker_recovers", seed, form.folder, plan) as house:
        house.warm(0.3)
        job = house.job("r", UNARY, count=verdict.n, rate=rate, health=("backend/a",), every=0.01)
        well_at = job.start + 1.5
        house.order("a", Fault("status"), at=job.start)
        house.order("a", at=well_at)
        calls, checks = house.calls(job)
        tried = [attempt for attempt in house.truth() if attempt.arrived >= well_at]
    good = sorted(attempt.ended for attempt in tried if attempt.end == "done" and attempt.ended is not None)
    closed = judge.turned(checks, "backend/a", serving=True, after=good[0]) if good else None
    if closed is None or len(good) < _SUCCESSES:
        verdict.faults.append("the circuit did not close")
        return verdict
    third = good[_SUCCESSES - 1]
    probes = [attempt for attempt in tried if attempt.arrived < third]
    verdict.at_most("probes_at_once", judge.most_at_once(probes), _PROBES)
    verdict.at_most("closed_after_s", closed - third, 1.0)
    verdict.at_most("flaps", judge.flaps(checks, "backend/a", closed), 0)
    late = [seen for seen in calls if seen.due > closed + 0.2 and not seen.ok]
    verdict.at_most("failures_after_close", len(late), 0)
    return verdict


def losers(seed: int, form: Form) -> Verdict:
    """R9: losers of races that are younger than their backend's p99 leave no mark on its circuit."""
    verdict = Verdict("losers", seed, form.calls)
    route = "hedge: {delay: 10ms}, budget: {hedges: 100%, burst: 1000}"
    plan = Plan(providers=("a", "b"), route=route, pace=Pace(first=0.02, spread=0.6))
    with House("losers", seed, form.folder, plan) as house:
        house.warm()
        rate = form.rate / 2
        job = house.job("l", UNARY, STREAM, count=form.calls, rate=rate, health=("backend/a", "backend/b"))
        calls, checks = house.calls(job)
        truth = house.truth()
    names = {seen.call for seen in calls}
    verdict.figures["losers"] = sum(each.end == "peer" and each.call in names for each in truth)
    verdict.at_least("attempts", judge.amplification(calls, truth), 1.5)
    verdict.at_most("circuits_opened", sum(not check.serving for check in checks), 0)
    verdict.failures = len(judge.unexpected(calls, truth))
    verdict.at_most("failures", verdict.failures, 0)
    return verdict


def rescued(seed: int, form: Form) -> Verdict:
    """R9: a primary that never answers, and that hedging always rescues, is found out within twice `min_calls`."""
    verdict = Verdict("rescued", seed, 300)
    route = "hedge: {delay: 100ms}, budget: {hedges: 100%, burst: 1000}"
    plan = Plan(providers=("a", "b"), route=route, backend="timeouts: {first_token: 5s}", pace=Pace(spread=0.1))
    with House("rescued", seed, form.folder, plan) as house:
        house.warm()
        time.sleep(11)  # a window's time: what was good until now is forgotten
        job = house.job("r", UNARY, STREAM, count=300, rate=20.0, health=("backend/a",), every=0.02)
        house.order("a", Fault("black_hole"), at=job.start - 0.02)
        calls, checks = house.calls(job)
        truth = [attempt for attempt in house.truth() if attempt.arrived >= job.start]
    opened = judge.turned(checks, "backend/a", serving=False, after=job.start)
    asked = [each for each in truth if each.provider == "a" and (opened is None or each.arrived < opened)]
    verdict.at_most("asked_until_open", len(asked), 2 * _MIN_CALLS)
    verdict.failures = len(judge.unexpected(calls, truth))
    verdict.at_most("failures", verdict.failures, 0)
    return verdict


def pool(seed: int, form: Form) -> Verdict:
    """R21: four of five fail: the fifth answers everything, as it can."""
    rate = min(form.rate, 500.0)
    verdict = Verdict("pool", seed, int(rate * 8))
    plan = Plan(providers=("a", "b", "c", "d", "e"), route="strategy: weighted, retry: {attempts: 5}")
    with House("pool", seed, form.folder, plan) as house:
        house.warm()
        job = house.job("p", count=verdict.n, rate=rate, health=("pool/chat",))
        for name in "abcd":
            house.order(name, Fault("status", statuses=(500, 503)), at=job.start - 0.02)
        calls, checks = house.calls(job)
        truth = house.truth()
    later = [seen for seen in calls if seen.due >= job.start + 1.0]
    verdict.figures["goodput_from_start"] = round(sum(seen.ok for seen in calls) / len(calls), 4)
    verdict.at_least("goodput", sum(seen.ok for seen in later) / len(later), 0.999)
    verdict.figures["attempts"] = round(judge.amplification(calls, truth), 3)
    verdict.must(
        judge.turned(checks, "pool/chat", serving=False, after=job.start) is not None, "the pool did not say panic"
    )
    return verdict


def killed(seed: int, form: Form) -> Verdict:
    """R14: a provider's process is killed in the midst of streams: they break as told, nobody else notices."""
    rate = min(form.rate, 300.0)
    verdict = Verdict("killed", seed, int(rate * 6))
    plan = Plan(apart=("a",), pace=Pace(reads=12, gap=0.02))
    with House("killed", seed, form.folder, plan) as house:
        house.warm()
        job = house.job("k", count=verdict.n, rate=rate)
        house.begin(job)
        time.sleep(job.start + 2.0 - time.monotonic())
        house.kill("a")
        calls, _ = house.finish(job)
    broken = [seen for seen in calls if seen.kind == "stream" and judge.broken_as_told(seen) and seen.size]
    verdict.at_least("broken", len(broken), 1)
    verdict.failures = sum(not seen.ok for seen in calls) - len(broken)
    verdict.at_most("failures", verdict.failures, 0)
    return verdict
