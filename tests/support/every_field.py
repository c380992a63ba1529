"""Every field of a request, changed one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.message import Message

from quickthorn import messages as pb

# Where adding something to a value would make it a bad one.
_CHANGED: dict[str, Any] = {
    "CompletionRequest.provider_options_json": lambda slot: slot.update(openai='{"b": 1, "a": 40}'),
    "CompletionRequest.labels": lambda slot: slot.update(team="blue"),
    "FunctionTool.name": "g",
    "FunctionTool.parameters_json_schema": '{"type": "object"}',
    "JsonSchemaFormat.schema": "{}",
    "ProviderBlock.json": '{"a": 40}',
    "Requirements.capabilities": lambda slot: slot.append("vision"),
    "Requirements.regions": lambda slot: slot.append("us"),
    "Requirements.data_policies": lambda slot: slot.append("gdpr"),
    "Preferences.regions": lambda slot: slot.append("uk"),
    "Sampling.temperature": 0.5,
    "Sampling.top_p": 0.5,
    "Sampling.presence_penalty": 0.5,
    "ToolChoice.name": "web_search",
    "ToolChoice.mode": 2,
    "Directives.may_drop": lambda slot: slot.append("stop"),
    "Directives.on_break": 0,
    "Directives.priority": 1,
    "Directives.consistency": 1,
    "Message.role": 2,
}

# Descriptors are of two unrelated classes, one in Python and one in C, and the type stubs name both by turns.
Descriptor = Any
Change = Callable[[Any], None]


def changes(base: pb.CompletionRequest) -> Iterator[tuple[str, pb.CompletionRequest]]:
    """Yield the name of every field that is set in *base*, and *base* with that field changed."""
    for name, change in _changes(base, lambda root: root):
        changed = pb.CompletionRequest()
        changed.CopyFrom(base)
        change(changed)
        yield name, changed


def declared(kind: Descriptor, seen: frozenset[str] = frozenset()) -> set[str]:
    """Return the name of every field that the contract declares below *kind*, but those that only hold others."""
    found = set[str]()
    for field in kind.fields:
        if _is_leaf(field):
            found.add(f"{kind.name}.{field.name}")
        elif field.message_type.name not in seen:
            found |= declared(field.message_type, seen | {kind.name, field.message_type.name})
    return found


def _is_leaf(field: Descriptor) -> bool:
    inner = field.message_type
    return inner is None or inner.GetOptions().map_entry or inner.name == "Duration" or not inner.fields


def _changes(message: Message, find: Callable[[Any], Any]) -> Iterator[tuple[str, Change]]:
    for field, value in message.ListFields():
        name = f"{message.DESCRIPTOR.name}.{field.name}"
        if _is_leaf(field):
            yield name, _changing(find, field, name)
        elif isinstance(value, Message):
            yield from _changes(value, _inside(find, field.name))
        else:
            for place, each in enumerate(value):
                yield from _changes(each, _inside(find, field.name, place))


def _inside(find: Callable[[Any], Any], slot: str, place: int | None = None) -> Callable[[Any], Any]:
    if place is None:
        return lambda root: getattr(find(root), slot)
    return lambda root: getattr(find(root), slot)[place]


def _changing(find: Callable[[Any], Any], field: Descriptor, name: str) -> Change:
    return lambda root: _change(find(root), field, name)


def _change(message: Any, field: Descriptor, name: str) -> None:
    slot, change = getattr(message, field.name), _CHANGED.get(name)
    if callable(change):
        change(slot)
    elif change is not None:
        setattr(message, field.name, change)
    elif field.message_type is not None and field.message_type.fields:
        slot.seconds += 1
    elif field.message_type is not None:
        message.ClearField(field.name)
    elif isinstance(slot, bool):
        setattr(message, field.name, not slot)
    elif isinstance(slot, int | float):
        setattr(message, field.name, slot + 1)
    elif isinstance(slot, str | bytes):
        setattr(message, field.name, slot * 2)
    else:
        slot.append("x")
