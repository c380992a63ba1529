"""The contract keeps its promises: names, numbers, presence, and encodings that never change."""

from __future__ import annotations

import keyword

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, MethodOptions
from google.protobuf.message import Message

from tests.support.agreed import agreed
from tests.support.contract import GOLDEN, binary, choices, declared, files, json_text, messages, samples

SAMPLES = samples()
MESSAGES = messages()
ENUMS = {name: enum for file in files().values() for name, enum in file.enum_types_by_name.items()}
SERVICES = {service.full_name: service for file in files().values() for service in file.services_by_name.values()}
NUMBERS_AND_FLAGS = {
    FieldDescriptor.TYPE_BOOL,
    FieldDescriptor.TYPE_DOUBLE,
    FieldDescriptor.TYPE_FLOAT,
    FieldDescriptor.TYPE_INT32,
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_UINT32,
    FieldDescriptor.TYPE_UINT64,
}

UNKNOWN = MethodOptions.IDEMPOTENCY_UNKNOWN
NO_SIDE_EFFECTS, IDEMPOTENT = MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT
ROUTING = {
    "Complete": ("CompletionRequest", "Completion", False, UNKNOWN),
    "StreamComplete": ("CompletionRequest", "CompletionEvent", True, UNKNOWN),
    "Embed": ("EmbedRequest", "EmbedResponse", False, UNKNOWN),
    "Explain": ("CompletionRequest", "Explanation", False, NO_SIDE_EFFECTS),
    "RecordFeedback": ("RecordFeedbackRequest", "RecordFeedbackResponse", False, IDEMPOTENT),
    "ListRoutes": ("ListRoutesRequest", "ListRoutesResponse", False, NO_SIDE_EFFECTS),
}
ADMIN = {
    "ListBackends": ("ListBackendsRequest", "ListBackendsResponse", False, NO_SIDE_EFFECTS),
    "SetBackendState": ("SetBackendStateRequest", "SetBackendStateResponse", False, IDEMPOTENT),
    "ResetBackend": ("ResetBackendRequest", "ResetBackendResponse", False, IDEMPOTENT),
    "SetWeights": ("SetWeightsRequest", "SetWeightsResponse", False, IDEMPOTENT),
    "Reload": ("ReloadRequest", "ReloadResponse", False, IDEMPOTENT),
    "SetLogLevel": ("SetLogLevelRequest", "SetLogLevelResponse", False, IDEMPOTENT),
    "Watch": ("WatchRequest", "AdminEvent", True, NO_SIDE_EFFECTS),
}


def test_every_message_and_every_kind_of_it_has_its_golden_files() -> None:
    """No message lacks a golden file, and no golden file lacks its message."""
    assert {path.name for path in GOLDEN.iterdir()} == {
        f"{name}{end}" for name in SAMPLES for end in (".binpb", ".json")
    }
    assert set(MESSAGES) <= set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_encoding_is_the_golden_one(name: str) -> None:
    """A message encodes to the golden bytes and JSON, and reads back equal from both."""
    message, kind = SAMPLES[name], type(SAMPLES[name])
    golden, golden_json = (GOLDEN / f"{name}.binpb").read_bytes(), (GOLDEN / f"{name}.json").read_text("utf-8")
    assert binary(message) == golden
    assert json_text(message) == golden_json
    assert kind.FromString(golden) == message
    assert json_format.Parse(golden_json, kind()) == message


@pytest.mark.parametrize("name", MESSAGES)
def test_a_golden_message_leaves_no_field_out(name: str) -> None:
    """Every field is set in the golden message, or in the one of its oneof's case."""
    cases = [sample for golden, sample in SAMPLES.items() if golden.split(".")[0] == name]
    told = {field.name for sample in cases for field, _ in sample.ListFields()}
    assert told == {field.name for field in MESSAGES[name].DESCRIPTOR.fields}


def test_a_reader_skips_what_a_newer_writer_adds() -> None:
    """An event of an unknown kind reads as one with no kind, and is passed on unharmed."""
    kind = MESSAGES["CompletionEvent"]
    newer = b"\xfa\x01\x02hi"  # field 31, which is none
    event = kind.FromString(newer)
    assert event.WhichOneof("event") is None
    assert event.SerializeToString() == newer


@pytest.mark.parametrize("name", agreed())
def test_what_was_agreed_has_not_changed(name: str) -> None:
    """Names, types, presence and numbers that were agreed before the contract was written are as they were."""
    if name in ENUMS:
        present = {f"{value.name} = {value.number}" for value in ENUMS[name].values}
    else:
        present = set(declared(MESSAGES[name]))
    assert agreed()[name] <= present


def test_the_request_fills_its_reserved_places() -> None:
    """What the agreement held free in CompletionRequest is there, with the agreed numbers, and nothing is left over."""
    assert set(declared(MESSAGES["CompletionRequest"])) - agreed()["CompletionRequest"] == {
        "ToolChoice tool_choice = 5",
        "ResponseFormat response_format = 6",
        "Sampling sampling = 7",
        "ReasoningOptions reasoning = 8",
        "Preferences preferences = 10",
    }
    assert _reserved(MESSAGES["CompletionRequest"]) == set()


def test_a_trace_has_no_place_for_candidates() -> None:
    """RouteTrace reserves the number of the candidates, and neither it nor RouteFailure tells of backends not asked."""
    assert _reserved(MESSAGES["RouteTrace"]) == {11}
    for name in ("RouteTrace", "RouteFailure"):
        assert not [field for field in declared(MESSAGES[name]) if "Candidate" in field or "candidate" in field]


@pytest.mark.parametrize(("service", "promised"), [("Routing", ROUTING), ("Admin", ADMIN)])
def test_the_rpcs_are_the_promised_ones(service: str, promised: dict[str, tuple[str, str, bool, int]]) -> None:
    """Names, messages, streaming and idempotency of every RPC are as promised; no more, no fewer."""
    methods = SERVICES[f"quickthorn.v1.{service}"].methods
    assert set(SERVICES) == {"quickthorn.v1.Routing", "quickthorn.v1.Admin"}
    assert promised == {
        method.name: (
            method.input_type.name,
            method.output_type.name,
            method.server_streaming,
            method.GetOptions().idempotency_level,
        )
        for method in methods
    }
    assert not [method.name for method in methods if method.client_streaming]


@pytest.mark.parametrize("name", ENUMS)
def test_enums_start_at_unspecified(name: str) -> None:
    """Value 0 is `..._UNSPECIFIED`, so that absent is told from chosen; every value carries its enum's name."""
    prefix = "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in name).lstrip("_")
    assert ENUMS[name].values_by_number[0].name == f"{prefix}_UNSPECIFIED"
    assert all(value.name.startswith(f"{prefix}_") for value in ENUMS[name].values)


@pytest.mark.parametrize(
    "name", ["Sampling", "ReasoningOptions", "Requirements", "Preferences", "ToolChoice", "JsonSchemaFormat", "Usage"]
)
def test_absent_is_not_zero(name: str) -> None:
    """Every number and flag that tunes a call, and every count of usage, knows whether it is there."""
    empty = MESSAGES[name]()
    single = [field for field in empty.DESCRIPTOR.fields if isinstance(getattr(empty, field.name), (bool, int, float))]
    tunable = [field for field in single if field.type in NUMBERS_AND_FLAGS]
    assert tunable
    assert [field.name for field in tunable if not field.has_presence] == []


def test_money_is_a_whole_number_of_nano_dollars() -> None:
    """Every field of money is an int64 that may be absent and says its unit in its name."""
    money = [field for kind in MESSAGES.values() for field in declared(kind) if "cost" in field]
    assert len(money) >= 7
    assert [field for field in money if not (field.startswith("optional int64 ") and "_nano_usd = " in field)] == []


def test_only_well_known_types_are_imported() -> None:
    """The contract imports durations and timestamps and nothing else: no Struct, no Any, no other project's files."""
    imported = {needed.name for file in files().values() for needed in file.dependencies}
    foreign = {name for name in imported if not name.startswith("quickthorn/v1/")}
    assert foreign == {"google/protobuf/duration.proto", "google/protobuf/timestamp.proto"}


def test_every_file_is_of_the_one_package() -> None:
    """All files declare quickthorn.v1 and hold no message within a message, which generators render unalike."""
    assert {file.package for file in files().values()} == {"quickthorn.v1"}
    inner = [nested for kind in MESSAGES.values() for nested in kind.DESCRIPTOR.nested_types]
    assert [nested.full_name for nested in inner if not nested.GetOptions().map_entry] == []


def test_every_field_can_be_named_in_python() -> None:
    """No field is called like a keyword, which would have to be read by `getattr`."""
    names = {field.name for kind in MESSAGES.values() for field in kind.DESCRIPTOR.fields}
    assert {name for name in names if keyword.iskeyword(name)} == set()


def test_no_message_has_two_choices() -> None:
    """At most one oneof a message, so that one golden file per case shows everything."""
    assert [name for name, kind in MESSAGES.items() if len(choices(kind.DESCRIPTOR)) > 1] == []


def _reserved(kind: type[Message]) -> set[int]:
    proto = DescriptorProto()
    kind.DESCRIPTOR.CopyToProto(proto)
    return {number for part in proto.reserved_range for number in range(part.start, part.end)}
