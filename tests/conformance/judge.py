"""Whether what a program reports is what the case expects: the programs' own opinions do not count."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from google.protobuf.message import Message

from quickthorn import QuickthornError, fold, messages, tool_calls
from tests.conformance.cases import Case

Result = Mapping[str, Any]
Fault = str
Answer = Any  # Completion, EmbedResponse, Explanation or ListRoutesResponse, by the case's call

_ANSWERS: Mapping[str, type[Message]] = {
    "complete": messages.Completion,
    "embed": messages.EmbedResponse,
    "explain": messages.Explanation,
    "list_routes": messages.ListRoutesResponse,
}
_FAILS = frozenset({"code", "reason", "reason_in"})


def faults(case: Case, result: Result, ended: Callable[[str], str]) -> list[Fault]:
    """Return what is wrong with *result*; *ended* tells from the server's records how a request ended."""
    if result.get("id") != case.name:
        return [f"the result names {result.get('id')!r}"]
    try:
        return list(_faults(case, result, ended))
    except QuickthornError as error:
        return [f"the events are in no order: {error}"]
    except (KeyError, TypeError, ValueError) as error:  # a result that is none is a fault of the program
        return [f"the result cannot be read: {type(error).__name__}: {error}"]


def _faults(case: Case, result: Result, ended: Callable[[str], str]) -> Iterator[Fault]:
    expect, error = case.expect, result.get("error")
    if "any_of" in expect:
        code = error["code"] if error else "OK"
        if code not in expect["any_of"]:
            yield f"{code}, and one of {expect['any_of']} is expected"
        return
    if "elapsed_ms" in expect and not _between(result["elapsed_ms"], expect["elapsed_ms"]):
        yield f"it took {result['elapsed_ms']} ms, and {expect['elapsed_ms']} are expected"
    events = [messages.CompletionEvent.FromString(b64decode(data)) for data in result.get("events", ())]
    yield from _event_faults(expect, events)
    if expect.get("cancelled"):
        yield from _cancel_faults(case, result, ended)
    elif _FAILS & expect.keys():
        yield from _error_faults(expect, error) if error else iter(["it must fail, and did not"])
    elif error:
        yield f"it must succeed, and failed: {error}"
    else:
        answer = _answer(case, result, events)
        if case.call == "stream":
            yield from _fold_faults(result, events)
        yield from _answer_faults(case, answer)


def _answer(case: Case, result: Result, events: list[messages.CompletionEvent]) -> Answer:
    if case.call == "decode":
        assert case.message is not None
        return type(case.message).FromString(b64decode(result["response"]))
    if case.call == "stream":
        return fold(events)
    return _ANSWERS[case.call].FromString(b64decode(result["response"]))


def _fold_faults(result: Result, events: list[messages.CompletionEvent]) -> Iterator[Fault]:
    if messages.Completion.FromString(b64decode(result["folded"])) != fold(events):
        yield "the helper folds the events to something else"
    order = [event.WhichOneof("event") for event in events]
    if order[-1] != "finished" or order.count("finished") != 1 or order.count("started") != 1:
        yield f"the events are in no order: {order}"


def _event_faults(expect: Mapping[str, Any], events: list[messages.CompletionEvent]) -> Iterator[Fault]:
    kinds = [kind for event in events if (kind := event.WhichOneof("event")) not in {None, "heartbeat", "usage"}]
    if "kinds" in expect and kinds != expect["kinds"]:
        yield f"events {kinds}, and {expect['kinds']} are expected"
    if missing := set(expect.get("has", ())) - set(kinds):
        yield f"no event of {missing}"
    if "first" in expect and (kinds[:1], kinds[-1:]) != ([expect["first"]], [expect["last"]]):
        yield f"events from {kinds[:1]} to {kinds[-1:]}"
    if "event_count" in expect and len(events) != expect["event_count"]:
        yield f"{len(events)} events were read, and {expect['event_count']} are expected"
    seams = [_joint(event.seam) for event in events if event.WhichOneof("event") == "seam"]
    if "seams" in expect and seams != expect["seams"]:
        yield f"seams {seams}, and {expect['seams']} are expected"
    said = "".join(event.text.text for event in events)
    if "partial" in expect and said != expect["partial"]:
        yield f"{said!r} was read before the end, and {expect['partial']!r} is expected"
    if "partial_bytes" in expect and len(said) != expect["partial_bytes"]:
        yield f"{len(said)} bytes were read before the end, and {expect['partial_bytes']} are expected"


def _joint(seam: messages.Seam) -> str:
    told = f"{seam.part} {seam.offset} {seam.from_backend} {seam.to_backend} {seam.method}"
    return f"{told} exact" if seam.exact else told


def _cancel_faults(case: Case, result: Result, ended: Callable[[str], str]) -> Iterator[Fault]:
    if not result.get("cancelled"):
        yield f"it was not cancelled: {result.get('error')}"
    if result.get("error"):
        yield "a call that was cancelled on purpose is no error"
    if "record" in case.expect:
        request_id = case.given["request"]["requestId"]
        outcome = ended(request_id)
        if outcome.lower() != case.expect["record"]:
            yield f"the server's record says {outcome!r}: the cancel did not reach it"


def _error_faults(expect: Mapping[str, Any], error: Mapping[str, Any]) -> Iterator[Fault]:
    checks: dict[str, Callable[[Any], bool]] = {
        "code": lambda wanted: error["code"] == wanted,
        "reason": lambda wanted: error["reason"] == wanted,
        "reason_in": lambda wanted: error["reason"] in wanted,
        "lanes": lambda wanted: error["attempts"] == wanted,
        "fields": lambda wanted: list(error["fields"]) == wanted,
        "retry_delay_ms": lambda wanted: _between(error.get("retry_delay_ms"), wanted),
        "error_request_id": lambda wanted: error["request_id"] == wanted,
        "message_has": lambda wanted: wanted in error["message"],
        "not_in_message": lambda wanted: wanted not in error["message"],
    }
    for key, holds in checks.items():
        if key in expect and not holds(expect[key]):
            yield f"{key}: {expect[key]!r} is expected of {dict(error)}"
    if not expect.get("server_either") and error["from_server"] is not expect.get("server_said", True):
        yield f"from_server is {error['from_server']} in {dict(error)}"
    if not error["message"].strip():
        yield "an error without words"


def _answer_faults(case: Case, answer: Answer) -> Iterator[Fault]:
    seen: dict[str, Callable[[], object]] = {
        "same": lambda: answer == case.message,
        "text": lambda: _words(answer, "text"),
        "text_bytes": lambda: len(_words(answer, "text").encode()),
        "reasoning": lambda: _words(answer, "reasoning"),
        "refusal": lambda: _words(answer, "refusal"),
        "parts": lambda: [part.WhichOneof("kind") for part in answer.message.parts],
        "tools": lambda: [f"{call.id} {call.name} {call.arguments_json}" for call in tool_calls(answer)],
        "finish": lambda: messages.FinishReason.Name(answer.finish_reason).removeprefix("FINISH_REASON_"),
        "stop_sequence": lambda: answer.stop_sequence,
        "request_id": lambda: answer.request_id,
        "cost_nano_usd": lambda: answer.cost_nano_usd if answer.HasField("cost_nano_usd") else None,
        "attempts": lambda: [_told(attempt) for attempt in answer.trace.attempts],
        "vectors": lambda: [list(each.values) for each in answer.embeddings],
        "order": lambda: list(answer.order),
        "routes": lambda: [route.name for route in answer.routes][: len(case.expect["routes"])],
    }
    for key, see in seen.items():
        if key in case.expect and (found := see()) != case.expect[key]:
            yield f"{key}: {_short(found)} instead of {_short(case.expect[key])}"
    for name, count in case.expect.get("usage", {}).items():
        if getattr(answer.usage, name) != count or not answer.usage.HasField(name):
            yield f"usage.{name}: {getattr(answer.usage, name)} instead of {count}"


def _words(answer: Any, kind: str) -> str:
    return "".join(getattr(part, kind) for part in answer.message.parts if part.WhichOneof("kind") == kind)


def _told(attempt: messages.Attempt) -> str:
    outcome = messages.LaneOutcome.Name(attempt.outcome).removeprefix("LANE_OUTCOME_")
    return f"{attempt.backend} {outcome} {messages.LaneCause.Name(attempt.cause).removeprefix('LANE_CAUSE_')}"


def _between(value: float | None, bounds: list[float]) -> bool:
    return value is not None and bounds[0] <= value <= bounds[1]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"
