"""Requests read from protobuf: nothing is lost, and every fault is named at once."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from quickthorn import messages as pb
from quickthorn_server.core.content import Media, MediaKind
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Reason
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.request import Request
from quickthorn_server.edge import wire_request
from tests.support.every_field import changes, declared
from tests.support.full_request import CHOICES, FULL, full_request, full_requests

NAN, INFINITE = float("nan"), float("inf")
HI = {"role": pb.Role.ROLE_USER, "parts": [{"text": "hi"}]}
USER, ASSISTANT = pb.Role.ROLE_USER, pb.Role.ROLE_ASSISTANT


def read(metadata_id: str = "", **given: Any) -> Request:
    """Read a request that says "hi", changed by what is *given*."""
    return wire_request.request(pb.CompletionRequest(**{"messages": [HI], **given}), metadata_id)


def prompt_of(**given: Any) -> Prompt:
    prompt = read(**given).prompt
    assert isinstance(prompt, Prompt)
    return prompt


def faults(**given: Any) -> list[tuple[str, str]]:
    """Return field and description of everything wrong with a request that says "hi", changed by what is *given*."""
    with pytest.raises(CallError) as error:
        read(**given)
    assert error.value.reason is Reason.INVALID_REQUEST
    return [(violation.field, violation.description) for violation in error.value.violations]


def says(part: dict[str, Any], role: int = USER) -> dict[str, Any]:
    return {"messages": [{"role": role, "parts": [{"text": "hi"}, part]}]}


def tool(**function: Any) -> dict[str, Any]:
    return {"tools": [{"function": {"name": "f", **function}}]}


def schema(text: str) -> dict[str, Any]:
    return tool(parameters_json_schema=text)


SCHEMA_FIELD = "tools[0].function.parameters_json_schema"
PART = "messages[0].parts[1]"


@pytest.mark.parametrize(
    ("given", "field", "description"),
    [
        ({"messages": []}, "messages", "must not be empty"),
        ({"messages": [{"parts": [{"text": "hi"}]}]}, "messages[0].role", "must be USER, ASSISTANT or SYSTEM"),
        ({"messages": [HI, {**HI, "role": 99}]}, "messages[1].role", "must be USER, ASSISTANT or SYSTEM"),
        ({"messages": [{"role": USER}]}, "messages[0].parts", "must not be empty"),
        ({"messages": [{"role": USER, "parts": [{"text": ""}]}]}, "messages[0].parts", "must not be empty"),
        ({"messages": [{"role": pb.Role.ROLE_SYSTEM}]}, "messages[0].parts", "must not be empty"),
        (says({}), PART, "must have a kind"),
        (says({"cache": {}}), PART, "must have a kind"),
        ({"system": [{}]}, "system[0]", "must have a kind"),
        ({"system": [{"text": "x"}, {"image": {"uri": "u"}}]}, "system[1]", "must be text"),
        (says({"tool_call": {"id": "1", "name": "f"}}), PART, "only ASSISTANT may say"),
        (says({"reasoning": "hm"}), PART, "only ASSISTANT may say"),
        (says({"refusal": "no"}, pb.Role.ROLE_SYSTEM), PART, "only ASSISTANT may say"),
        (says({"tool_result": {"tool_call_id": "1"}}, ASSISTANT), PART, "only USER may say"),
        (
            says({"tool_result": {"tool_call_id": "1", "parts": [{"reasoning": "hm"}]}}),
            f"{PART}.tool_result.parts[0]",
            "not what a tool may say",
        ),
        (says({"image": {}}), f"{PART}.image", "must have data, uri or provider_file_id"),
        (says({"image": {"data": b"x"}}), f"{PART}.image.media_type", "is required with data"),
        (says({"audio": {"uri": ""}}), f"{PART}.audio.uri", "must not be empty"),
        (says({"image": {"uri": "data:image/png;base64,%%"}}), f"{PART}.image.uri", "base64 that is none"),
        (says({"image": {"uri": "data:image/png;base64,"}}), f"{PART}.image.uri", "must not be empty"),
        (says({"image": {"uri": "data:;base64,eA=="}}), f"{PART}.image.media_type", "is required with data"),
        (says({"video": {"provider_file_id": ""}}), f"{PART}.video.provider_file_id", "must not be empty"),
        (says({"document": {"data": b"", "media_type": "a/b"}}), f"{PART}.document.data", "must not be empty"),
        (says({"tool_call": {"name": "f"}}, ASSISTANT), f"{PART}.tool_call.id", "must not be empty"),
        (says({"tool_call": {"id": "1"}}, ASSISTANT), f"{PART}.tool_call.name", "must not be empty"),
        (says({"tool_result": {}}), f"{PART}.tool_result.tool_call_id", "must name the call"),
        (says({"tool_result": {"tool_call_id": "1", "parts": [{}]}}), f"{PART}.tool_result.parts[0]", "have a kind"),
        (says({"provider_block": {"type": "t", "json": "{}"}}), f"{PART}.provider_block.provider", "must name"),
        (says({"provider_block": {"provider": "p", "json": "{}"}}), f"{PART}.provider_block.type", "type word"),
        (says({"provider_block": {"provider": "p", "type": "t"}}), f"{PART}.provider_block.json", "JSON object"),
        (says({"text": "x", "opaque": {"data": b"x"}}), f"{PART}.opaque.provider", "must name the provider"),
        (says({"text": "x", "cache": {"ttl": {}}}), f"{PART}.cache.ttl", "must be more than 0"),
        (says({"text": "x", "cache": {"ttl": {"seconds": -1}}}), f"{PART}.cache.ttl", "must be more than 0"),
        ({"tools": [{}]}, "tools[0]", "must be a function or a provider_tool"),
        ({"tools": [{"function": {}}]}, "tools[0].function.name", "1 to 64 letters"),
        (tool(name="f" * 65), "tools[0].function.name", "1 to 64 letters"),
        (tool(name="a b"), "tools[0].function.name", "1 to 64 letters"),
        (tool(name="f\n"), "tools[0].function.name", "1 to 64 letters"),
        ({"tools": [{"function": {"name": "f"}}] * 2}, "tools", "names must be distinct"),
        ({"tools": [{"provider_tool": {"type": "t", "json": "{}"}}]}, "tools[0].provider_tool.provider", "must name"),
        ({"tools": [{"function": {"name": "f"}, "cache": {"ttl": {}}}]}, "tools[0].cache.ttl", "more than 0"),
        (schema("{"), SCHEMA_FIELD, "is not JSON: line 1, column 2"),
        (schema('{"a": 1} x'), SCHEMA_FIELD, "is not JSON"),
        (schema("[]"), SCHEMA_FIELD, "must be a JSON object"),
        (schema("true"), SCHEMA_FIELD, "must be a JSON object"),
        (schema('{"type": "strnig"}'), SCHEMA_FIELD, "a type that JSON Schema does not know"),
        (schema('{"type": ["string", 1]}'), SCHEMA_FIELD, "a type that JSON Schema does not know"),
        (schema('{"type": {}}'), SCHEMA_FIELD, "a type that JSON Schema does not know"),
        (schema('{"properties": []}'), SCHEMA_FIELD, "properties that are not an object"),
        (schema('{"required": "a"}'), SCHEMA_FIELD, "a required that is not a list of names"),
        (schema('{"required": [1]}'), SCHEMA_FIELD, "a required that is not a list of names"),
        (schema('{"properties": {"a": 1}}'), SCHEMA_FIELD, "property 'a' must be a JSON object"),
        (
            schema('{"properties": {"a": {"properties": {"b": {"type": "x"}}}}}'),
            SCHEMA_FIELD,
            "'b' has a type",
        ),
        (schema('{"items": {"type": "x"}}'), SCHEMA_FIELD, "the schema of its items has a type"),
        (schema('{"items": [true, {"items": 1}]}'), SCHEMA_FIELD, "the schema of its items must be a JSON object"),
        ({"tool_choice": {"name": "g"}, **tool()}, "tool_choice.name", "names none of the tools"),
        ({"tool_choice": {"name": ""}, **tool()}, "tool_choice.name", "names none of the tools"),
        ({"tool_choice": {"mode": pb.ToolMode.TOOL_MODE_REQUIRED}}, "tool_choice.mode", "but there are no tools"),
        ({"tool_choice": {"mode": 99}, **tool()}, "tool_choice.mode", "must be AUTO, NONE or REQUIRED"),
        ({"response_format": {"json_schema": {}}}, "response_format.json_schema.schema", "is required"),
        ({"response_format": {"json_schema": {"schema": "x"}}}, "response_format.json_schema.schema", "is not JSON"),
        ({"sampling": {"max_output_tokens": 0}}, "sampling.max_output_tokens", "must be 1 or more"),
        ({"sampling": {"max_output_tokens": -1}}, "sampling.max_output_tokens", "must be 1 or more"),
        ({"sampling": {"temperature": -0.1}}, "sampling.temperature", "must be between 0 and 2"),
        ({"sampling": {"temperature": 2.1}}, "sampling.temperature", "must be between 0 and 2"),
        ({"sampling": {"temperature": NAN}}, "sampling.temperature", "must be between 0 and 2"),
        ({"sampling": {"temperature": INFINITE}}, "sampling.temperature", "must be between 0 and 2"),
        ({"sampling": {"top_p": 0.0}}, "sampling.top_p", "must be above 0 and at most 1"),
        ({"sampling": {"top_p": 1.1}}, "sampling.top_p", "must be above 0 and at most 1"),
        ({"sampling": {"top_k": 0}}, "sampling.top_k", "must be 1 or more"),
        ({"sampling": {"frequency_penalty": -2.1}}, "sampling.frequency_penalty", "must be between -2 and 2"),
        ({"sampling": {"presence_penalty": NAN}}, "sampling.presence_penalty", "must be between -2 and 2"),
        ({"sampling": {"stop": ["a", ""]}}, "sampling.stop[1]", "must not be empty"),
        ({"reasoning": {"effort": 99}}, "reasoning.effort", "is not a known effort"),
        ({"reasoning": {"budget_tokens": -1}}, "reasoning.budget_tokens", "must be 0 or more"),
        ({"requirements": {"capabilities": ["text", "telepathy"]}}, "requirements.capabilities[1]", "known are audio,"),
        ({"requirements": {"regions": ["EU"]}}, "requirements.regions[0]", "unknown word; known are af, ap,"),
        ({"requirements": {"data_policies": [""]}}, "requirements.data_policies[0]", "known are gdpr, hipaa,"),
        ({"requirements": {"max_cost_nano_usd": -1}}, "requirements.max_cost_nano_usd", "must be 0 or more"),
        ({"requirements": {"max_first_token": {}}}, "requirements.max_first_token", "must be more than 0"),
        ({"requirements": {"max_first_token": {"nanos": -1}}}, "requirements.max_first_token", "must be more than 0"),
        ({"preferences": {"objective": 99}}, "preferences.objective", "is not a known objective"),
        ({"preferences": {"regions": ["mars"]}}, "preferences.regions[0]", "unknown word"),
        ({"preferences": {"target_cost_nano_usd": -1}}, "preferences.target_cost_nano_usd", "must be 0 or more"),
        ({"preferences": {"target_first_token": {}}}, "preferences.target_first_token", "must be more than 0"),
        ({"directives": {"priority": 99}}, "directives.priority", "is not a known priority"),
        ({"directives": {"consistency": 99}}, "directives.consistency", "is not a known consistency"),
        ({"directives": {"on_break": 99}}, "directives.on_break", "is not a known way to break"),
        ({"provider_options_json": {"openai": "[]"}}, "provider_options_json['openai']", "must be a JSON object"),
        ({"provider_options_json": {"openai": ""}}, "provider_options_json['openai']", "must be a JSON object"),
        ({"labels": {str(number): "" for number in range(65)}}, "labels", "must be at most 64"),
        ({"labels": {"k": "v" * 257}}, "labels", "must be at most 256 characters each"),
        ({"labels": {"k" * 257: "v"}}, "labels", "must be at most 256 characters each"),
        ({"request_id": "x" * 129}, "request_id", "1 to 128 printable ASCII"),
        ({"request_id": "a\nb"}, "request_id", "1 to 128 printable ASCII"),
        ({"request_id": "é"}, "request_id", "1 to 128 printable ASCII"),
    ],
)
def test_a_fault_is_named(given: dict[str, Any], field: str, description: str) -> None:
    """The field as the proto spells it, and what it must be; nothing else is complained about."""
    ((where, what),) = faults(**given)
    assert where == field
    assert description in what


def test_all_faults_are_reported_together() -> None:
    """One round trip shows everything that is wrong, in the order of the request."""
    found = faults(
        messages=[{"parts": [{}]}, {"role": USER}],
        tools=[{"function": {}}],
        sampling={"temperature": 9.0, "top_k": -1},
        requirements={"capabilities": ["x", "text", "y"]},
        directives={"on_break": 99},
        request_id="\x00",
    )
    assert sorted(field for field, _ in found) == [
        "directives.on_break",
        "messages[0].parts[0]",
        "messages[0].role",
        "messages[1].parts",
        "request_id",
        "requirements.capabilities[0]",
        "requirements.capabilities[2]",
        "sampling.temperature",
        "sampling.top_k",
        "tools[0].function.name",
    ]


def test_the_message_names_the_first_fault_and_counts_the_rest() -> None:
    """Whoever reads only the status message still learns what to do."""
    with pytest.raises(CallError) as error:
        read(messages=[], sampling={"top_k": 0}, reasoning={"budget_tokens": -1})
    assert error.value.message == "messages: must not be empty (and 2 more)"
    with pytest.raises(CallError) as error:
        read(messages=[])
    assert error.value.message == "messages: must not be empty"


def test_no_fault_repeats_what_was_said() -> None:
    """A description never carries prompt text, options or identifiers back."""
    secret = "sk-secret-1234"
    given = {
        "messages": [{"role": 99, "parts": [{"text": secret}, {"image": {"uri": secret, "data": b""}}]}],
        "provider_options_json": {"openai": secret},
        "requirements": {"regions": [secret]},
        "request_id": secret + "\n",
        **schema(secret),
    }
    assert secret not in str(faults(**given))


def test_deep_nesting_is_no_bug_of_ours() -> None:
    """A schema nested beyond any stack is read, or refused as bad input, and never a fault of the server."""
    nested = ['{"properties":{"a":' * depth + "{}" + "}}" * depth for depth in (100, 500, 5_000)]
    for text in nested[:2]:
        assert prompt_of(**schema(text)).tools
    assert "is not JSON" in faults(**schema(nested[2]))[0][1]


def test_a_full_request_is_read_field_by_field() -> None:
    """Every field arrives where it belongs; JSON texts byte for byte; absent and 0 told apart."""
    assert wire_request.request(full_request(), "theirs") == FULL


@pytest.mark.parametrize(("given", "expected"), CHOICES)
def test_other_cases_of_a_choice_are_read(given: dict[str, Any], expected: object) -> None:
    """Each case of a oneof that occurs once."""
    tools = [{"function": {"name": "f"}}, {"provider_tool": {"provider": "p", "type": "web_search", "json": "{}"}}]
    prompt = prompt_of(tools=tools, **given)
    (name,) = given
    assert getattr(prompt, name) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"uri": "data:image/png;base64,eA=="}, Media(MediaKind.IMAGE, b"x", media_type="image/png")),
        (
            {"uri": "data:a/b;base64,eA==", "media_type": "image/gif"},
            Media(MediaKind.IMAGE, b"x", media_type="image/gif"),
        ),
        ({"uri": "data:,x"}, Media(MediaKind.IMAGE, uri="data:,x")),
        ({"uri": "https://h/a,b;base64,eA=="}, Media(MediaKind.IMAGE, uri="https://h/a,b;base64,eA==")),
    ],
)
def test_bytes_in_an_address_are_data(given: dict[str, str], expected: Media) -> None:
    """Nobody has to fetch them, so every provider that takes bytes takes them, and in its own way."""
    assert prompt_of(**says({"image": given})).messages[0].parts[1].kind == expected


def test_an_empty_request_leaves_everything_open() -> None:
    """Defaults are the absence of a wish, not a wish of ours."""
    asked = read()
    assert asked == Request(asked.prompt)
    assert prompt_of().tool_choice is None
    assert prompt_of().sampling.temperature is None


def test_an_answer_can_be_sent_back_as_it_came() -> None:
    """An assistant may have said nothing, or an empty word; a call without arguments is read as "{}"."""
    for parts in ([], [{"text": ""}], [{"reasoning": ""}]):
        assert prompt_of(messages=[HI, {"role": ASSISTANT, "parts": parts}]).messages[1].role.value == "assistant"
    call = prompt_of(**says({"tool_call": {"id": "1", "name": "f"}}, ASSISTANT)).messages[0].parts[1].kind
    assert getattr(call, "arguments_json", "") == "{}"


def test_the_request_id_is_the_clients_or_the_metadatas() -> None:
    """The field wins; without one the metadata's counts."""
    assert read("from-metadata").request_id == "from-metadata"
    assert read("from-metadata", request_id="mine").request_id == "mine"


# Read by features that come later; until then they change nothing, and the contract calls them wishes.
INERT = {
    "Directives.session_id",
    "Directives.experiment_key",
    "Directives.task",
    "Directives.complexity",
}


def test_every_field_is_read_or_known_to_be_inert() -> None:
    """Change any one field of a full request and what is read changes too: a new field cannot be forgotten."""
    moved, still = set[str](), set[str]()
    for base in full_requests():
        before = wire_request.request(base, "")
        for name, changed in changes(base):
            with suppress(CallError):  # a choice that now names nothing; another request shows that it is read
                (still if wire_request.request(changed, "") == before else moved).add(name)
    assert still - moved == INERT
    assert moved | still == declared(pb.CompletionRequest.DESCRIPTOR)
