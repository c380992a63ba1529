"""Parts and messages between protobuf and values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import orjson
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message as ProtoMessage

from quickthorn.v1 import content_pb2 as pb
from quickthorn_server.core.content import (
    CacheHint,
    Citation,
    Kind,
    Media,
    MediaKind,
    Message,
    OpaqueState,
    Part,
    ProviderBlock,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from quickthorn_server.core.data_uri import unpacked
from quickthorn_server.edge.violations import Violations

_ROLES = {pb.ROLE_USER: Role.USER, pb.ROLE_ASSISTANT: Role.ASSISTANT, pb.ROLE_SYSTEM: Role.SYSTEM}
_TEXT = pb.Part.DESCRIPTOR.fields_by_name["text"]
_MEDIA = {kind.value: kind for kind in MediaKind}
_SPEAKERS: dict[type[Any], Role] = {
    ToolCall: Role.ASSISTANT,
    Reasoning: Role.ASSISTANT,
    Refusal: Role.ASSISTANT,
    ToolResult: Role.USER,
}


Fields = dict[str, Any]
"""The fields of a message by name: what its constructor takes.

Nested like this, messages are made in one native call; a constructor for each of them takes three times as long.
"""


def seconds(duration: Duration) -> float:
    """Return *duration* in seconds."""
    return duration.seconds + duration.nanos / 1e9


def span(value: float) -> Fields:
    """Write *value* seconds as the fields of a Duration, to the nanosecond."""
    whole, rest = divmod(round(value * 1_000_000_000), 1_000_000_000)
    return {"seconds": whole, "nanos": rest}


def positive_seconds(given: ProtoMessage, name: str, field: str, violations: Violations) -> float | None:
    """Read the duration *name* of what stands in *field*: more than 0, None where it is left out."""
    if not given.HasField(name):
        return None
    value = seconds(getattr(given, name))
    violations.check(value > 0, f"{field}.{name}", "must be more than 0")
    return value


def natural(given: ProtoMessage, name: str, field: str, violations: Violations) -> int | None:
    """Read the number *name* of what stands in *field*: 0 or more, None where it is left out."""
    if not given.HasField(name):
        return None
    value: int = getattr(given, name)
    violations.check(value >= 0, f"{field}.{name}", "must be 0 or more")
    return value


def is_json_object(text: str) -> bool:
    """Whether *text* is one JSON object."""
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def messages(given: Iterable[pb.Message], violations: Violations) -> tuple[Message, ...]:
    """Read a conversation."""
    read: list[Message] = []
    for message in given:
        read.append(_message(message, len(read), violations))
    if not read:
        violations.add("messages", "must not be empty")
    return tuple(read)


def parts(given: Iterable[pb.Part], field: str, violations: Violations) -> tuple[Part, ...]:
    """Read parts that stand in *field*."""
    read: list[Part] = []
    for part in given:
        fields = part.ListFields()  # one question instead of five
        if len(fields) == 1 and fields[0][0] is _TEXT:  # text and nothing else, which most parts are
            read.append(Part(Text(fields[0][1])))
        else:
            read.append(_part(part, f"{field}[{len(read)}]", violations))
    return tuple(read)


def system(given: Iterable[pb.Part], violations: Violations) -> tuple[Part, ...]:
    """Read the leading instructions: text, and nothing that somebody else has said."""
    read = parts(given, "system", violations)
    for place, part in enumerate(read):
        if not isinstance(part.kind, Text | None):
            violations.add(f"system[{place}]", "must be text")
    return read


def _message(message: pb.Message, turn: int, violations: Violations) -> Message:
    role = _ROLES.get(message.role)
    field = f"messages[{turn}]"
    if role is None:
        violations.add(f"{field}.role", "must be USER, ASSISTANT or SYSTEM")
    read = parts(message.parts, f"{field}.parts", violations)
    says = role is Role.ASSISTANT  # an assistant may have said nothing
    for place, part in enumerate(read):
        if type(part.kind) is Text:
            says = says or bool(part.kind.text)
            continue
        says = True
        speaker = _SPEAKERS.get(type(part.kind))
        if speaker and role and speaker is not role:
            violations.add(f"{field}.parts[{place}]", f"is what only {speaker.name} may say")
    if not says:
        violations.add(f"{field}.parts", "must not be empty")
    return Message(role or Role.USER, read)


def _part(part: pb.Part, field: str, violations: Violations) -> Part:
    which = part.WhichOneof("kind")
    if which == "text":
        kind: Kind | None = Text(part.text)
    elif which is None:
        violations.add(field, "must have a kind, such as text")
        kind = None
    else:
        kind = _KINDS[which](getattr(part, which), f"{field}.{which}", violations)
    return Part(
        kind=kind,
        cache=cache_hint(part.cache, f"{field}.cache", violations) if part.HasField("cache") else None,
        citations=tuple(_citation(citation) for citation in part.citations),
        opaque=_opaque(part.opaque, f"{field}.opaque", violations) if part.HasField("opaque") else None,
    )


def cache_hint(hint: pb.CacheHint, field: str, violations: Violations) -> CacheHint:
    """Read a cache hint."""
    return CacheHint(positive_seconds(hint, "ttl", field, violations))


def provider_block(block: pb.ProviderBlock, field: str, violations: Violations) -> ProviderBlock:
    """Read a block that only its provider understands.

    It goes out verbatim inside a JSON body, so it must be one whole object: half of one would rewrite what follows.
    """
    violations.check(bool(block.provider), f"{field}.provider", "must name the provider that understands the block")
    violations.check(bool(block.type), f"{field}.type", "must be the provider's own type word")
    violations.check(is_json_object(block.json), f"{field}.json", "must be a JSON object")
    return ProviderBlock(block.provider, block.type, block.json)


def media(kind: MediaKind, given: pb.Media, field: str, violations: Violations) -> Media:
    """Read a piece of media."""
    source = given.WhichOneof("source")
    if source is None:
        violations.add(field, "must have data, uri or provider_file_id")
    else:
        violations.check(bool(getattr(given, source)), f"{field}.{source}", "must not be empty")
    media_type, data = given.media_type, given.data if source == "data" else None
    if held := _held(given.uri, f"{field}.uri", violations):
        media_type, data = given.media_type or held[0], held[1]
        violations.check(bool(data), f"{field}.uri", "must not be empty")
    if data is not None:
        violations.check(bool(media_type), f"{field}.media_type", "is required with data")
    return Media(
        kind=kind,
        data=data,
        uri=given.uri if data is None else "",
        provider_file_id=given.provider_file_id,
        media_type=media_type,
        filename=given.filename,
        detail=given.detail,
    )


def _held(address: str, field: str, violations: Violations) -> tuple[str, bytes] | None:
    """Return the type and the bytes of a data address: nobody has to fetch them, so they are data to every provider."""
    try:
        return unpacked(address)
    except ValueError:
        violations.add(field, "holds base64 that is none")
        return None


def _tool_call(call: pb.ToolCall, field: str, violations: Violations) -> ToolCall:
    violations.check(bool(call.id), f"{field}.id", "must not be empty")
    violations.check(bool(call.name), f"{field}.name", "must not be empty")
    return ToolCall(call.id, call.name, call.arguments_json or "{}")


def _tool_result(result: pb.ToolResult, field: str, violations: Violations) -> ToolResult:
    violations.check(bool(result.tool_call_id), f"{field}.tool_call_id", "must name the call it answers")
    read = parts(result.parts, f"{field}.parts", violations)
    for place, part in enumerate(read):
        violations.check(type(part.kind) not in _SPEAKERS, f"{field}.parts[{place}]", "is not what a tool may say")
    return ToolResult(result.tool_call_id, read, result.is_error)


def _opaque(state: pb.OpaqueState, field: str, violations: Violations) -> OpaqueState:
    violations.check(bool(state.provider), f"{field}.provider", "must name the provider that made it")
    return OpaqueState(state.provider, state.model, state.item_id, state.data)


def _citation(given: pb.Citation) -> Citation:
    return Citation(
        uri=given.uri,
        title=given.title,
        cited_text=given.cited_text,
        start=given.start if given.HasField("start") else None,
        end=given.end if given.HasField("end") else None,
        provider_json=given.provider_json,
    )


_KINDS: dict[str, Callable[[Any, str, Violations], Kind]] = {
    **{word: partial(media, kind) for word, kind in _MEDIA.items()},
    "tool_call": _tool_call,
    "tool_result": _tool_result,
    "reasoning": lambda text, _field, _violations: Reasoning(text),
    "refusal": lambda text, _field, _violations: Refusal(text),
    "provider_block": provider_block,
}


def part_fields(part: Part) -> Fields:
    """Write a part of an answer."""
    match part.kind:
        case Text(text):
            written: Fields = {"text": text}
        case Reasoning(text):
            written = {"reasoning": text}
        case Refusal(text):
            written = {"refusal": text}
        case ToolCall(call_id, name, arguments):
            written = {"tool_call": {"id": call_id, "name": name, "arguments_json": arguments}}
        case ProviderBlock(provider, kind, json):
            written = {"provider_block": {"provider": provider, "type": kind, "json": json}}
        case Media():
            written = {part.kind.kind.word: _media_fields(part.kind)}
        case ToolResult(call_id, inner, is_error):
            result = {"tool_call_id": call_id, "parts": [part_fields(each) for each in inner], "is_error": is_error}
            written = {"tool_result": result}
        case None:
            written = {}  # attributes of a part already streamed
    if part.cache is not None:
        written["cache"] = {} if part.cache.ttl is None else {"ttl": span(part.cache.ttl)}
    if part.citations:
        written["citations"] = [_citation_fields(citation) for citation in part.citations]
    if part.opaque is not None:
        state = part.opaque
        written["opaque"] = {
            "provider": state.provider,
            "model": state.model,
            "item_id": state.item_id,
            "data": state.data,
        }
    return written


def _media_fields(media: Media) -> Fields:
    written: Fields = {"media_type": media.media_type, "filename": media.filename, "detail": media.detail}
    if media.data is not None:
        written["data"] = media.data
    elif media.uri:
        written["uri"] = media.uri
    else:
        written["provider_file_id"] = media.provider_file_id
    return written


def _citation_fields(citation: Citation) -> Fields:
    return {
        "uri": citation.uri,
        "title": citation.title,
        "cited_text": citation.cited_text,
        "start": citation.start,
        "end": citation.end,
        "provider_json": citation.provider_json,
    }
