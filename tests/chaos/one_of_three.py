"""One of three providers fails, in every way there is: nobody notices, except whoever had part of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.chaos import judge
from tests.chaos.faults import LIMIT, Fault
from tests.chaos.form import Form
from tests.chaos.house import House, Plan
from tests.chaos.judge import Verdict
from tests.chaos.logs import Check, Seen

WITHIN = 2.0  # times the healthy run's p99


@dataclass(frozen=True, slots=True)
class Mode:
    """*faults* of provider a; *flap*: on and off again so many seconds each.

    *deadline* in seconds.  *secure*: it speaks TLS.  *backend*: more of its configuration.

    *prefill*: provider b, who is next, writes on from an answer that was begun for it; else it has to be asked to
    repeat the end.
    """

    faults: tuple[Fault, ...]
    flap: float = 0.0
    deadline: float = 10.0
    secure: bool = False
    backend: str = ""
    prefill: bool = False


_PREFILL = "capabilities: [text, prefill]"
STATUSES = (500, 502, 503, 504, 529)
_ALONE = ("black_hole", "garbage", "slow_headers", "wrong_type", "keep_alive_only", "error_in_200", "stall")
_MIDST = ("reset_mid", "cut_mid", "truncated_chunk", "garbage_mid", "error_mid", LIMIT)
MODES: Mapping[str, Mode] = {
    **{name: Mode((Fault(name),), prefill=name in {"stall", "cut_mid"}) for name in (*_ALONE, *_MIDST)},
    "refused": Mode((Fault("refused"),)),
    "untrusted": Mode((Fault("untrusted"),), secure=True),
    "reset": Mode((Fault("reset", 0.4), Fault("closed", 0.5), Fault("reset_after_head"))),
    "5xx": Mode((Fault("status", statuses=STATUSES),)),
    "4xx": Mode((Fault("status", statuses=(403, 404, 408, 429)),)),
    "429": Mode((Fault("status", statuses=(429,), retry_after=1.0),)),
    "brown_out": Mode((Fault("slow"),), backend="breaker: {slow_first_token: 150ms}"),
    "slow_tokens": Mode((Fault("slow_tokens"),)),
    "slicer": Mode((Fault("slicer", 0.5), Fault("slow_close"))),
    "endless": Mode((Fault("endless"),), deadline=5.0),
    "flapping": Mode((Fault("status"),), flap=0.7),
    "partial": Mode((Fault("status", 0.15, STATUSES), Fault("reset", 0.2), Fault("black_hole", 0.02))),
    "partial_midst": Mode(tuple(Fault(name, 0.04) for name in (*_MIDST, "stall")), prefill=True),
}


def run(name: str, seed: int, form: Form) -> Verdict:
    """Run one mode: first all are well, then provider a fails as it says."""
    mode = MODES[name]
    verdict = Verdict(f"one_of_three/{name}", seed, form.calls)
    plan = Plan(secure=("a",) if mode.secure else (), each={"a": mode.backend, "b": _PREFILL if mode.prefill else ""})
    with House(f"one_of_three-{name}", seed, form.folder, plan) as house:
        house.warm()
        well, _ = house.calls(house.job("w", count=form.calls // 5, rate=form.rate, deadline=mode.deadline))
        job = house.job("f", count=form.calls, rate=form.rate, deadline=mode.deadline, health=("backend/a",))
        _fail(house, mode, job.start, form.calls / form.rate)
        house.begin(job)
        calls, checks = house.finish(job)
        truth = house.truth()
    endless = mode.deadline if any(fault.name == "endless" for fault in mode.faults) else None
    wrong = judge.unexpected(well, truth) + judge.unexpected(calls, truth, endless=endless)
    verdict.failures = len(wrong)
    verdict.at_most("failures", len(wrong), 0)
    verdict.faults += wrong[:3]
    verdict.figures["broken"] = sum(seen.reason == "STREAM_BROKEN" for seen in calls)
    verdict.figures["continued"] = sum(bool(seen.seams) for seen in calls)
    verdict.figures["attempts"] = round(judge.amplification(calls, truth), 3)
    _quick(verdict, well, calls, checks)
    return verdict


def _fail(house: House, mode: Mode, start: float, seconds: float) -> None:
    house.order("a", *mode.faults, at=start - 0.02)
    if not mode.flap:
        return
    for turn in range(1, int(seconds / mode.flap) + 1):
        house.order("a", *(() if turn % 2 else mode.faults), at=start + turn * mode.flap)


def _quick(verdict: Verdict, well: list[Seen], calls: list[Seen], checks: list[Check]) -> None:
    """Hold that calls are as quick as ever once the circuit is open; where it does not open, say how quick they are."""
    healthy = judge.percentile((seen.took for seen in well), 0.99) * 1e3
    verdict.figures["healthy_p99_ms"] = round(healthy, 1)
    opened = judge.turned(checks, "backend/a", serving=False, after=calls[0].due)
    if opened is not None and opened > max(seen.due for seen in calls):
        opened = None  # nobody came any more
    verdict.figures["opened_s"] = None if opened is None else round(opened - calls[0].due, 2)
    p99 = judge.percentile((seen.took for seen in calls if seen.due >= (opened or 0.0)), 0.99) * 1e3
    if opened is None:
        verdict.figures["p99_ms"] = round(p99, 1)
    else:
        verdict.at_most("p99_ms", p99, WITHIN * healthy)
