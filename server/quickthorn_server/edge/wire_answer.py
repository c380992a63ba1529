"""Answers, events, traces and failures written as protobuf."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from quickthorn.v1 import completion_pb2, content_pb2, events_pb2, failure_pb2, trace_pb2, usage_pb2
from quickthorn_server.core.attempt import Attempt, Cause, Outcome, Trace
from quickthorn_server.core.call import Call
from quickthorn_server.core.chunk import (
    Chunk,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
    WholePart,
)
from quickthorn_server.core.completion import Completion
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.seam import Seam
from quickthorn_server.core.usage import Usage, UsageSource
from quickthorn_server.edge.wire_content import Fields, part_fields, span
from quickthorn_server.execution.events import Begun, Escalated, Finished

_FINISH = {
    FinishReason.STOP: completion_pb2.FINISH_REASON_STOP,
    FinishReason.LENGTH: completion_pb2.FINISH_REASON_LENGTH,
    FinishReason.TOOL_CALLS: completion_pb2.FINISH_REASON_TOOL_CALLS,
    FinishReason.CONTENT_FILTER: completion_pb2.FINISH_REASON_CONTENT_FILTER,
    FinishReason.REFUSAL: completion_pb2.FINISH_REASON_REFUSAL,
    FinishReason.OTHER: completion_pb2.FINISH_REASON_OTHER,
}
_SOURCES = {
    UsageSource.REPORTED: usage_pb2.USAGE_SOURCE_REPORTED,
    UsageSource.ESTIMATED: usage_pb2.USAGE_SOURCE_ESTIMATED,
    UsageSource.UNKNOWN: usage_pb2.USAGE_SOURCE_UNKNOWN,
}
_CAUSES = {
    Cause.FIRST: trace_pb2.LANE_CAUSE_FIRST,
    Cause.SILENCE: trace_pb2.LANE_CAUSE_SILENCE,
    Cause.FAILOVER: trace_pb2.LANE_CAUSE_FAILOVER,
    Cause.RETRY: trace_pb2.LANE_CAUSE_RETRY,
    Cause.CONTINUATION: trace_pb2.LANE_CAUSE_CONTINUATION,
}
_OUTCOMES = {
    Outcome.WON: trace_pb2.LANE_OUTCOME_WON,
    Outcome.LOST: trace_pb2.LANE_OUTCOME_LOST,
    Outcome.FAILED: trace_pb2.LANE_OUTCOME_FAILED,
    Outcome.BROKE: trace_pb2.LANE_OUTCOME_BROKE,
    Outcome.ABANDONED: trace_pb2.LANE_OUTCOME_ABANDONED,
}


def completion(answer: Completion, call: Call) -> completion_pb2.Completion:
    """Write a whole answer."""
    return completion_pb2.Completion(
        id=call.id,
        request_id=call.request_id,
        message={"role": content_pb2.ROLE_ASSISTANT, "parts": list(map(part_fields, answer.parts))},
        finish_reason=_FINISH[answer.finish_reason],
        stop_sequence=answer.stop_sequence,
        usage=usage_fields(answer.usage),
        cost_nano_usd=answer.cost_nano_usd,
        trace=trace_fields(answer.trace),
    )


def started(begun: Begun, call: Call) -> events_pb2.CompletionEvent:
    """Write a stream's first event."""
    said: Fields = {"id": call.id, "request_id": call.request_id, "model": begun.model}
    if begun.backend is not None and begun.cause is not None:
        said["backend"] = begun.backend.name
        said["provider"] = begun.backend.provider
        said["cause"] = _CAUSES[begun.cause]
    return events_pb2.CompletionEvent(started=said)


def events(chunks: Sequence[Chunk]) -> Iterator[events_pb2.CompletionEvent]:
    """Write what a lane said; text that came together leaves together."""
    place, last = 0, len(chunks)
    while place < last:
        chunk = chunks[place]
        place += 1
        if type(chunk) is TextDelta:
            text = chunk.text
            while place < last and type(more := chunks[place]) is TextDelta and more.part == chunk.part:
                text += more.text
                place += 1
            # Even an empty one: it may be the first mention of its part, and Complete would return that part.
            yield events_pb2.CompletionEvent(text={"part": chunk.part, "text": text})
        else:
            yield _event(chunk)


def seam(given: Seam) -> events_pb2.CompletionEvent:
    """Write that another backend continues."""
    said = {
        "part": given.part,
        "offset": given.offset,
        "from_backend": given.from_backend,
        "to_backend": given.to_backend,
        "method": given.method.word,
        "exact": given.exact,
    }
    return events_pb2.CompletionEvent(seam=said)


def heartbeat() -> events_pb2.CompletionEvent:
    """Write that the call goes on."""
    return events_pb2.CompletionEvent(heartbeat={})


def escalated(told: Escalated) -> events_pb2.CompletionEvent:
    """Write that a human was told."""
    return events_pb2.CompletionEvent(escalated={"id": told.id, "reason": told.reason.value})


def finished(end: Finished) -> events_pb2.CompletionEvent:
    """Write a stream's last event."""
    said = {
        "finish_reason": _FINISH[end.end.reason],
        "stop_sequence": end.end.stop_sequence,
        "usage": usage_fields(end.usage),
        "cost_nano_usd": end.cost_nano_usd,
        "trace": trace_fields(end.trace),
    }
    return events_pb2.CompletionEvent(finished=said)


def failure(error: CallError, request_id: str) -> failure_pb2.RouteFailure:
    """Write what a failed call had come to.

    Usage and cost are those of the last lane that reported any, so that a broken stream's tokens are not forgotten,
    nor those of one that ran into the deadline.
    """
    written: Fields = {"request_id": request_id, "delivered": error.delivered}
    if error.trace is not None:
        written["attempts"] = [_attempt_fields(attempt) for attempt in error.trace.attempts]
        if (spent := error.trace.spent) is not None:
            written["usage"] = usage_fields(spent.usage)
            written["cost_nano_usd"] = spent.cost_nano_usd
    return failure_pb2.RouteFailure(**written)


def usage(given: Usage | None) -> usage_pb2.Usage:
    """Write usage; None = unknown, and said so."""
    return usage_pb2.Usage(**usage_fields(given))


def trace(given: Trace) -> trace_pb2.RouteTrace:
    """Write who served and why."""
    return trace_pb2.RouteTrace(**trace_fields(given))


def usage_fields(given: Usage | None) -> Fields:
    """Write usage as fields."""
    if given is None:
        return {"source": usage_pb2.USAGE_SOURCE_UNKNOWN}
    written: Fields = {
        "input_tokens": given.input_tokens,
        "output_tokens": given.output_tokens,
        "cache_read_tokens": given.cache_read_tokens,
        "cache_write_tokens": given.cache_write_tokens,
        "cache_write_long_tokens": given.cache_write_long_tokens,
        "reasoning_tokens": given.reasoning_tokens,
        "source": _SOURCES[given.source],
    }
    if given.units:
        written["units"] = given.units
    return written


def trace_fields(given: Trace) -> Fields:
    """Write a trace as fields."""
    written = {
        "attempts": list(map(_attempt_fields, given.attempts)),
        "served_by": given.served_by,
        "no_hedge": given.no_hedge,
        "degraded": given.degraded,
        "hedge_delay": None if given.hedge_delay is None else span(given.hedge_delay),
        "config_version": given.config_version,
        "hedge_probability": given.hedge_probability,
        "hedge_basis": given.hedge_basis,
        "rung": given.rung,
        "escalation": given.escalation,
    }
    if len(given.attempts) > 1:
        written["extra_cost_nano_usd"] = given.extra_cost_nano_usd
        written["extra_usage"] = None if (extra := given.extra_usage) is None else usage_fields(extra)
    return written


def _event(chunk: Chunk) -> events_pb2.CompletionEvent:
    match chunk:
        case ReasoningDelta(part, text):
            return events_pb2.CompletionEvent(reasoning={"part": part, "text": text})
        case ToolCallDelta(part, call_id, name, arguments):
            said = {"part": part, "id": call_id, "name": name, "arguments_json": arguments}
            return events_pb2.CompletionEvent(tool_call=said)
        case WholePart(part, value):
            return events_pb2.CompletionEvent(part={"part": part, "value": part_fields(value)})
        case UsageReport(given):
            return events_pb2.CompletionEvent(usage=usage_fields(given))
        case _:
            raise TypeError(f"no event for {type(chunk).__name__}")


def _attempt_fields(given: Attempt) -> Fields:
    return {
        "backend": given.backend,
        "provider": given.provider,
        "model": given.model,
        "cause": _CAUSES[given.cause],
        "outcome": _OUTCOMES[given.outcome],
        "started": span(given.started),
        "first_content": None if given.first_content is None else span(given.first_content),
        "ended": None if given.ended is None else span(given.ended),
        "failure": given.failure.value if given.failure else "",
        "http_status": given.http_status,
        "provider_request_id": given.provider_request_id,
        "usage": None if given.usage is None else usage_fields(given.usage),
        "cost_nano_usd": given.cost_nano_usd,
    }
