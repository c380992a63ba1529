"""One filled example of every message of the contract, and the golden files made from them.

Run `python -m tests.support.contract` to write tests/golden anew after a change of the contract.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from collections.abc import Iterator, MutableMapping, MutableSequence
from pathlib import Path
from typing import Any, TypeAlias

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor, FileDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

import quickthorn.v1

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
INSTANT = 1_700_000_000  # 2023-11-14T22:13:20Z

# Descriptors are of two unrelated classes, one in Python and one in C, and the type stubs name both by turns.
Kind: TypeAlias = Any
Oneof: TypeAlias = Any
Field: TypeAlias = Any


def files() -> dict[str, FileDescriptor]:
    """Return every file of the contract by its module's name, for example "usage_pb2"."""
    names = [module.name for module in pkgutil.iter_modules(quickthorn.v1.__path__) if module.name.endswith("_pb2")]
    return {name: importlib.import_module(f"quickthorn.v1.{name}").DESCRIPTOR for name in sorted(names)}


def messages() -> dict[str, type[Message]]:
    """Return every message class of the contract by its name."""
    found: dict[str, type[Message]] = {}
    for name, file in files().items():
        module = importlib.import_module(f"quickthorn.v1.{name}")
        found |= {message: getattr(module, message) for message in file.message_types_by_name}
    return found


def samples() -> dict[str, Message]:
    """Return a filled message per golden name: `Part` holds the first kind, `Part.image` and so on the others."""
    found: dict[str, Message] = {}
    for name, kind in messages().items():
        found[name] = _filled(kind(), ())
        for case in _further_cases(kind.DESCRIPTOR):
            found[f"{name}.{case.name}"] = _filled(kind(), (), case)
    return found


def binary(message: Message) -> bytes:
    """Return the golden encoding: fields by number, map entries by key."""
    return message.SerializeToString(deterministic=True)


def json_text(message: Message) -> str:
    """Return the golden proto3 JSON: lowerCamelCase names, sorted, indented, UTF-8 as it is."""
    return json.dumps(json_format.MessageToDict(message), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def choices(kind: Kind) -> list[Oneof]:
    """Return the oneofs that the .proto file spells; `optional` makes others, named with a leading underscore."""
    return [oneof for oneof in kind.oneofs if not oneof.name.startswith("_")]


def declared(kind: type[Message]) -> Iterator[str]:
    """Yield every field as the .proto file declares it, for example "optional uint32 start = 4"."""
    empty = kind()
    for field in kind.DESCRIPTOR.fields:
        yield f"{_label(empty, field)} {field.name} = {field.number}"


def _label(empty: Message, field: Field) -> str:
    if isinstance(getattr(empty, field.name), MutableMapping):
        key, value = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
        return f"map<{_type(key)}, {_type(value)}>"
    if isinstance(getattr(empty, field.name), MutableSequence):
        return f"repeated {_type(field)}"
    optional = field.containing_oneof is not None and field.containing_oneof.name.startswith("_")
    return f"optional {_type(field)}" if optional else _type(field)


def _type(field: Field) -> str:
    named = field.message_type or field.enum_type
    if named is not None:
        return str(named.full_name).removeprefix("quickthorn.v1.")
    return _SCALARS[field.type][0]


def _further_cases(kind: Kind) -> list[Field]:
    return [field for oneof in choices(kind) for field in oneof.fields[1:]]


def _filled(message: Message, around: tuple[str, ...], case: Field | None = None, turn: int = 0) -> Message:
    """Set every field of *message*, of each oneof the first one or *case*.

    A message inside one of its own kind (a part of a tool result) gets its scalars only, or there would be no end.
    """
    name = message.DESCRIPTOR.full_name
    if isinstance(message, (Duration, Timestamp)):
        message.seconds = turn + (INSTANT if isinstance(message, Timestamp) else 2)
        message.nanos = 250_000_000
        return message
    for field in message.DESCRIPTOR.fields:
        inside_itself = field.message_type is not None and name in around
        if not inside_itself and _is_chosen(field, case):
            _put(message, field, (*around, name), turn)
    return message


def _is_chosen(field: Field, case: Field | None) -> bool:
    oneof = field.containing_oneof
    if oneof is None:
        return True
    if case is not None and case.containing_oneof is not None and case.containing_oneof.name == oneof.name:
        return bool(field.number == case.number)
    return bool(field.number == oneof.fields[0].number)


def _put(message: Message, field: Field, around: tuple[str, ...], turn: int) -> None:
    slot = getattr(message, field.name)
    if isinstance(slot, MutableMapping):
        value = field.message_type.fields_by_name["value"]
        slot.update({key: _scalar(value, number) for number, key in enumerate(("first", "second"))})
    elif isinstance(slot, MutableSequence) and field.message_type is not None:
        for number in range(2):
            _filled(slot.add(), around, turn=number)  # type: ignore[attr-defined]  # repeated messages are made in place
    elif isinstance(slot, MutableSequence):
        slot.extend([_scalar(field, 0), _scalar(field, 1)])
    elif field.message_type is not None:
        slot.SetInParent()  # an empty message is present, too
        _filled(slot, around, turn=turn)
    else:
        setattr(message, field.name, _scalar(field, turn))


def _scalar(field: Field, turn: int) -> Any:
    """Return a value that a careless encoder gets wrong: beyond 2^53, beyond ASCII, negative, not UTF-8."""
    if field.enum_type is not None:
        values = field.enum_type.values[1:]
        return values[(field.number + turn) % len(values)].number
    return _SCALARS[field.type][1](field, turn)


_SCALARS: dict[int, tuple[str, Any]] = {
    FieldDescriptor.TYPE_BOOL: ("bool", lambda _field, _turn: True),
    FieldDescriptor.TYPE_BYTES: ("bytes", lambda field, turn: bytes((0, 255, field.number, turn))),
    FieldDescriptor.TYPE_DOUBLE: ("double", lambda field, turn: (10 * field.number + turn + 1) / 10),
    FieldDescriptor.TYPE_FLOAT: ("float", lambda field, turn: (10 * field.number + turn + 1) / 10),
    FieldDescriptor.TYPE_INT32: ("int32", lambda field, turn: -field.number - turn),
    FieldDescriptor.TYPE_INT64: ("int64", lambda field, turn: -(2**53) - field.number - turn),
    FieldDescriptor.TYPE_STRING: ("string", lambda field, turn: f"{field.name} {turn} é線🌿"),
    FieldDescriptor.TYPE_UINT32: ("uint32", lambda field, turn: 2**32 - field.number - turn),
    FieldDescriptor.TYPE_UINT64: ("uint64", lambda field, turn: 2**64 - field.number - turn),
}


def main() -> None:
    """Write the golden files, and remove those of messages that are no more."""
    GOLDEN.mkdir(exist_ok=True)
    for old in (*GOLDEN.glob("*.binpb"), *GOLDEN.glob("*.json")):
        old.unlink()
    made = samples()
    for name, message in made.items():
        (GOLDEN / f"{name}.binpb").write_bytes(binary(message))
        (GOLDEN / f"{name}.json").write_text(json_text(message), encoding="utf-8")
    sys.stdout.write(f"{len(made)} messages written to {GOLDEN}\n")


if __name__ == "__main__":
    main()
