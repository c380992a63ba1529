"""Chunks and parts as protobuf, written a second time and independently of the server, to check both against."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration

from quickthorn import messages
from quickthorn_server.core.chunk import Chunk, End, ReasoningDelta, TextDelta, ToolCallDelta, UsageReport, WholePart
from quickthorn_server.core.content import (
    CacheHint,
    Citation,
    Kind,
    Media,
    OpaqueState,
    Part,
    ProviderBlock,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)

Event = messages.CompletionEvent

COMMON = {
    "usage": messages.Usage(input_tokens=7, output_tokens=0, units={"web_search": 2}),
    "cost_nano_usd": 0,
    "trace": messages.RouteTrace(attempts=[messages.Attempt(backend="fast")], served_by=0),
}
"""What a Completion and a Finished have in common."""


def events(chunks: Iterable[Chunk]) -> list[Event]:
    """Return the events of one answer."""
    return [Event(started=messages.Started(id="c", request_id="r")), *map(_event, chunks)]


def completion(parts: Iterable[Part], end: End) -> messages.Completion:
    """Return the whole answer."""
    return messages.Completion(
        id="c",
        request_id="r",
        message=messages.Message(role=messages.Role.ROLE_ASSISTANT, parts=map(_part, parts)),
        finish_reason=_reason(end),
        stop_sequence=end.stop_sequence,
        **COMMON,  # type: ignore[arg-type]
    )


def _event(chunk: Chunk) -> Event:
    match chunk:
        case TextDelta(part, text):
            return Event(text=messages.TextDelta(part=part, text=text))
        case ReasoningDelta(part, text):
            return Event(reasoning=messages.ReasoningDelta(part=part, text=text))
        case ToolCallDelta(part, call_id, name, text):
            return Event(tool_call=messages.ToolCallDelta(part=part, id=call_id, name=name, arguments_json=text))
        case WholePart(part, value):
            return Event(part=messages.PartEvent(part=part, value=_part(value)))
        case UsageReport(usage):
            return Event(usage=messages.Usage(input_tokens=usage.input_tokens))
        case End(_, stop_sequence):
            reason = _reason(chunk)
            end = messages.Finished(finish_reason=reason, stop_sequence=stop_sequence, **COMMON)  # type: ignore[arg-type]
            return Event(finished=end)
        case _:
            raise AssertionError(chunk)


def _reason(end: End) -> str:
    return f"FINISH_REASON_{end.reason.name}"


def _part(part: Part) -> messages.Part:
    return messages.Part(
        cache=None if part.cache is None else _cache(part.cache),
        citations=map(_citation, part.citations),
        opaque=None if part.opaque is None else _opaque(part.opaque),
        **_kind(part.kind),  # type: ignore[arg-type]
    )


def _kind(kind: Kind | None) -> dict[str, object]:
    match kind:
        case Text(text):
            return {"text": text}
        case Reasoning(text):
            return {"reasoning": text}
        case Refusal(text):
            return {"refusal": text}
        case ToolCall(call_id, name, arguments):
            return {"tool_call": messages.ToolCall(id=call_id, name=name, arguments_json=arguments)}
        case ProviderBlock(provider, word, json):
            return {"provider_block": messages.ProviderBlock(provider=provider, type=word, json=json)}
        case Media():
            source = {"uri": kind.uri} if kind.data is None else {"data": kind.data}
            return {kind.kind.value: messages.Media(media_type=kind.media_type, **source)}
        case None:
            return {}
        case _:
            raise AssertionError(kind)


def _cache(hint: CacheHint) -> messages.CacheHint:
    return messages.CacheHint(ttl=None if hint.ttl is None else Duration(seconds=int(hint.ttl)))


def _citation(citation: Citation) -> messages.Citation:
    return messages.Citation(uri=citation.uri, start=citation.start)


def _opaque(state: OpaqueState) -> messages.OpaqueState:
    return messages.OpaqueState(provider=state.provider, model=state.model, item_id=state.item_id, data=state.data)
