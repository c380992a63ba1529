"""Decisions written as records: proto3 JSON lines of `quickthorn.v1.DecisionRecord`.

A line is written for every call, and protobuf's own JSON writer is pure Python: it takes five times as long.  So the
JSON form is made here by hand, and the message is read from it, which holds that the two agree.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from google.protobuf import json_format
from google.protobuf.message import Message

from quickthorn.v1 import content_pb2, record_pb2
from quickthorn_server.core.attempt import Attempt, Cause, Outcome, Trace
from quickthorn_server.core.call import Rpc
from quickthorn_server.core.catalogue import BudgetRule
from quickthorn_server.core.chunk import FinishReason
from quickthorn_server.core.decision import Decision
from quickthorn_server.core.plan import Circuit, Knowledge, Plan, PurseLevels, Verdict
from quickthorn_server.core.seam import Seam
from quickthorn_server.core.usage import Usage, UsageSource
from quickthorn_server.edge.wire_content import part_fields
from quickthorn_server.edge.wire_needs import needs_json

Json = dict[str, Any]

_RPCS = {
    Rpc.COMPLETE: "RECORDED_RPC_COMPLETE",
    Rpc.STREAM: "RECORDED_RPC_STREAM_COMPLETE",
    Rpc.EMBED: "RECORDED_RPC_EMBED",
}
_CAUSES = {cause: f"LANE_CAUSE_{cause.name}" for cause in Cause}
_OUTCOMES = {outcome: f"LANE_OUTCOME_{outcome.name}" for outcome in Outcome}
_CIRCUITS = {circuit: f"CIRCUIT_STATE_{circuit.name}" for circuit in Circuit}
_FINISH = {reason: f"FINISH_REASON_{reason.name}" for reason in FinishReason}
_SOURCES = {source: f"USAGE_SOURCE_{source.name}" for source in UsageSource}
_COUNTS = (
    ("inputTokens", "input_tokens"),
    ("outputTokens", "output_tokens"),
    ("cacheReadTokens", "cache_read_tokens"),
    ("cacheWriteTokens", "cache_write_tokens"),
    ("cacheWriteLongTokens", "cache_write_long_tokens"),
    ("reasoningTokens", "reasoning_tokens"),
)
_NANOS, _MILLI, _MICRO = 1_000_000_000, 1_000_000, 1_000


def line(decision: Decision) -> bytes:
    """Return the record of *decision* as one line of JSON, its line feed included."""
    return orjson.dumps(_record(decision, _known_candidates), option=orjson.OPT_APPEND_NEWLINE)


def record(decision: Decision) -> record_pb2.DecisionRecord:
    """Return the record of *decision* as a message."""
    return json_format.ParseDict(_record(decision, _candidates), record_pb2.DecisionRecord())


def weight(decision: Decision) -> int:
    """Return about how many bytes *decision* holds of content: what the caller asked and was answered."""
    asked = decision.call.asked
    return (asked.ByteSize() if isinstance(asked, Message) else 0) + decision.delivered


def _record(decision: Decision, candidates: Callable[[Plan], Any]) -> Json:
    call, plan, trace = decision.call, decision.plan, decision.trace
    written: Json = {
        "at": f"{datetime.fromtimestamp(call.at, UTC).isoformat(timespec='microseconds')[:-6]}Z",
        "id": call.id,
        "requestId": call.request_id,
        "caller": call.caller,
        "route": plan.route.name,
        "strategy": plan.route.strategy.word,
        "labels": dict(call.labels),
        "rpc": _RPCS[call.rpc],
        "plan": _plan(plan, candidates(plan), whole=plan.whole and call.rpc is not Rpc.STREAM),
        "attempts": [_attempt(attempt) for attempt in trace.attempts],
        "outcome": decision.ended,
        "configVersion": plan.config_version,
        "duration": _span(decision.duration),
        "delivered": str(decision.delivered),
    }
    if trace.served_by is not None:
        written["servedBy"] = trace.served_by
    if decision.finish_reason is not None:
        written["finishReason"] = _FINISH[decision.finish_reason]
        written["usage"] = {"source": _SOURCES[UsageSource.UNKNOWN]}  # what an answer says that knows nothing better
    _put_consumed(written, decision.usage, decision.cost_nano_usd)
    if decision.purses is not None:
        written["purses"] = _purses(decision.purses, plan.route.budget)
    if decision.seams:
        written["seams"] = list(map(_seam, decision.seams))
    if trace.degraded:
        written["degraded"] = trace.degraded
    if trace.rung:
        written["rung"] = trace.rung
    if trace.escalation:
        written["escalation"] = trace.escalation
    if plan.outline is not None:
        written["needs"] = needs_json(plan.outline)
    if (first := decision.first_content) is not None:
        written["firstContent"] = _span(first)
    _put_hedging(written, trace)
    if decision.answer or decision.call.asked is not None:
        _put_content(written, decision)
    return written


def _put_hedging(written: Json, trace: Trace) -> None:
    """Add why there was no hedge, what the delay rested on, and what the lanes that did not serve have cost."""
    if trace.no_hedge:
        written["noHedge"] = trace.no_hedge
    if trace.hedge_basis:
        written["hedgeBasis"] = trace.hedge_basis
    if trace.hedge_probability is not None:
        written["hedgeProbability"] = trace.hedge_probability
    if len(trace.attempts) > 1:
        extra: Json = {}
        _put_consumed(extra, trace.extra_usage, trace.extra_cost_nano_usd)
        written |= {f"extra{key[0].upper()}{key[1:]}": each for key, each in extra.items()}


def _put_content(written: Json, decision: Decision) -> None:
    """Add what was asked and answered, where it is kept."""
    if isinstance(decision.call.asked, Message):
        written["requestJson"] = _json(decision.call.asked)
    if decision.answer:
        parts = [part_fields(part) for part in decision.answer]
        written["answerJson"] = _json(content_pb2.Message(role=content_pb2.ROLE_ASSISTANT, parts=parts))


def _json(message: Message) -> str:
    return json_format.MessageToJson(message, indent=None, ensure_ascii=False)


def plan_json(plan: Plan, *, whole: bool) -> Json:
    """Return *plan* as the proto3 JSON of a RecordedPlan; *whole*: providers are asked for replies in one piece."""
    return _plan(plan, _candidates(plan), whole=whole)


def _plan(plan: Plan, candidates: Any, *, whole: bool) -> Json:
    written: Json = {
        "candidates": candidates,
        "order": [backend.name for backend in plan.order],
        "maxAttempts": plan.retry.attempts,
        "failover": plan.failover,
        "upstream": "UPSTREAM_MODE_WHOLE" if whole else "UPSTREAM_MODE_STREAM",
        "estimatedInputTokens": str(plan.input_tokens),
        "turn": str(plan.turn),
    }
    if plan.panic:
        written["panic"] = [backend.name for backend in plan.panic]
    if plan.route.hedge is not None:
        written["hedge"] = _hedge(plan)
    return written


def _candidates(plan: Plan) -> list[Json]:
    places = {backend.name: place for place, backend in enumerate(plan.order)}
    return [_candidate(verdict, places, plan.knowledge) for verdict in plan.verdicts]


_known: dict[str, tuple[tuple[object, ...], orjson.Fragment]] = {}


def _known_candidates(plan: Plan) -> orjson.Fragment:
    """Write the candidates of *plan* as text, of requests that are alike once: plans of those share what is in them."""
    state = plan.knowledge
    known = _known.get(plan.route.name)
    if known is not None:
        verdicts, order, circuits, ejected, ramps = known[0]
        alike = plan.verdicts is verdicts and plan.order is order and state.circuits is circuits
        if alike and state.ejected is ejected and state.ramps is ramps:
            return known[1]
    said = (plan.verdicts, plan.order, state.circuits, state.ejected, state.ramps)
    known = _known[plan.route.name] = said, orjson.Fragment(orjson.dumps(_candidates(plan)))
    return known[1]


def _candidate(verdict: Verdict, places: dict[str, int], known: Knowledge) -> Json:
    name = verdict.backend.name
    written: Json = {"backend": name, "circuit": _CIRCUITS[known.circuits.get(name, Circuit.CLOSED)]}
    if verdict.drop is None:
        written["kept"] = True
        written["position"] = places[name]
    else:
        written["reason"] = verdict.drop.word
        written["detail"] = verdict.detail
    if name in known.ejected:
        written["hope"] = known.ejected[name]
    if name in known.ramps:
        written["slowStart"] = known.ramps[name]
    return written


def _hedge(plan: Plan) -> Json:
    hedging, advice = plan.hedging, plan.advice
    rule = plan.route.hedge
    written: Json = {"target": "" if rule is None or rule.delay is not None else rule.aim}
    if hedging is None:
        written["noHedge"] = plan.no_hedge
    else:
        written["delay"] = _span(hedging.delay)
        written["maxParallel"] = hedging.max_parallel
        written["to"] = [backend.name for backend in hedging.targets or ()]
    if advice is not None:
        if (share := plan.hedge_probability) is not None:
            written["probability"] = share
        written["basis"] = advice.basis
        written["learnedFrom"] = str(advice.learned_from)
        if advice.expected is not None:
            written["expected"] = _span(advice.expected)
        if advice.expected_without is not None:
            written["expectedWithout"] = _span(advice.expected_without)
    return written


def _purses(levels: PurseLevels, budget: BudgetRule) -> list[Json]:
    """Write how full the purses are; one that is switched off holds nothing."""
    return [
        {"purse": "hedges", "level": levels.hedges, "burst": budget.burst if budget.hedges else 0},
        {"purse": "retries", "level": levels.retries, "burst": budget.retries_burst if budget.retries else 0},
    ]


def _attempt(attempt: Attempt) -> Json:
    written: Json = {
        "backend": attempt.backend,
        "provider": attempt.provider,
        "model": attempt.model,
        "cause": _CAUSES[attempt.cause],
        "outcome": _OUTCOMES[attempt.outcome],
        "started": _span(attempt.started),
    }
    if attempt.first_content is not None:
        written["firstContent"] = _span(attempt.first_content)
    if attempt.ended is not None:
        written["ended"] = _span(attempt.ended)
    if attempt.failure is not None:
        written["failure"] = attempt.failure.value
    if attempt.http_status is not None:
        written["httpStatus"] = attempt.http_status
    if attempt.provider_request_id:
        written["providerRequestId"] = attempt.provider_request_id
    _put_consumed(written, attempt.usage, attempt.cost_nano_usd)
    return written


def _seam(seam: Seam) -> Json:
    return {
        "part": seam.part,
        "offset": str(seam.offset),
        "fromBackend": seam.from_backend,
        "toBackend": seam.to_backend,
        "method": seam.method.word,
        "exact": seam.exact,
    }


def _put_consumed(written: Json, usage: Usage | None, cost_nano_usd: int | None) -> None:
    """Add usage and cost, as far as they are known; 64-bit numbers are strings in proto3 JSON."""
    if usage is not None:
        counts: Json = {key: str(n) for key, name in _COUNTS if (n := getattr(usage, name)) is not None}
        counts["source"] = _SOURCES[usage.source]
        if usage.units:
            counts["units"] = {unit: str(n) for unit, n in usage.units.items()}
        written["usage"] = counts
    if cost_nano_usd is not None:
        written["costNanoUsd"] = str(cost_nano_usd)


def _span(seconds: float) -> str:
    """Return *seconds* as proto3 JSON writes a Duration: to the nanosecond, with 0, 3, 6 or 9 decimals."""
    whole, rest = divmod(round(seconds * _NANOS), _NANOS)
    if not rest:
        return f"{whole}s"
    if rest % _MILLI == 0:
        return f"{whole}.{rest // _MILLI:03}s"
    return f"{whole}.{rest // _MICRO:06}s" if rest % _MICRO == 0 else f"{whole}.{rest:09}s"
