"""Keyword fields become exactly the request that they name."""

from __future__ import annotations

from typing import Any

import pytest

from quickthorn import completion_request, messages, tool_result
from quickthorn._fields import CallOptions, CompletionFields, EmbedFields
from quickthorn._request import embed_request

Part = messages.Part
USER, ASSISTANT, SYSTEM = messages.Role.ROLE_USER, messages.Role.ROLE_ASSISTANT, messages.Role.ROLE_SYSTEM


def request(prompt: Any = "Hello", **fields: Any) -> messages.CompletionRequest:
    """Return the request, with types out of the way: some of these are wrong on purpose."""
    return completion_request(prompt, fields)  # type: ignore[arg-type]


def test_a_prompt_is_what_the_user_says() -> None:
    """A string is one text part of one USER message."""
    assert list(request("Hello").messages) == [messages.Message(role=USER, parts=[Part(text="Hello")])]


def test_messages_may_be_pairs_mappings_or_messages() -> None:
    """The three spellings mean the same and may be mixed, in any iterable."""
    said = messages.Message(role=ASSISTANT, parts=[Part(reasoning="Hm."), Part(text="Hi.")])
    image = Part(image=messages.Media(uri="https://example.com/cat.png"))
    given = iter([("system", "Be brief."), said, {"role": "user", "content": ["What is this?", image]}])
    assert list(request(given).messages) == [
        messages.Message(role=SYSTEM, parts=[Part(text="Be brief.")]),
        said,
        messages.Message(role=USER, parts=[Part(text="What is this?"), image]),
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("user", "Hello"), "a message is"),
        ([("user",)], "a message is"),
        ([{"role": "user"}], "a message is"),
        ([{"role": "user", "content": "Hello", "name": "me"}], "a message is"),
        ([3], "a message is"),
        ([("human", "Hello")], 'no role "human"'),
    ],
)
def test_what_is_no_message_is_refused(given: Any, said: str) -> None:
    """A message in another form is a TypeError, another role a ValueError that names the roles."""
    with pytest.raises((TypeError, ValueError), match=said):
        request(given)


def test_a_misspelt_field_is_refused_with_the_nearest() -> None:
    """A field that does not exist never vanishes silently."""
    with pytest.raises(TypeError, match="no field temprature; did you mean temperature"):
        request(temprature=1.0)


def test_every_field_of_the_request_can_be_given() -> None:
    """No field of the contract is out of reach, and no keyword lacks one, but for the call's own and the shorthands."""
    sampling = {field.name for field in messages.Sampling.DESCRIPTOR.fields}
    for fields, request_type, shorthands in (
        (CompletionFields, messages.CompletionRequest, sampling | {"json_schema"}),
        (EmbedFields, messages.EmbedRequest, set()),
    ):
        positional = {"messages", "inputs"}
        contract = {field.name for field in request_type.DESCRIPTOR.fields} - positional
        assert fields.__optional_keys__ - CallOptions.__optional_keys__ == contract | shorthands


def test_sampling_may_be_flat() -> None:
    """Flat keywords are put over `sampling`, which is left as it was; 0 is not absent, None is."""
    given = messages.Sampling(temperature=0.5, top_k=3, stop=["a"])
    found = request(sampling=given, temperature=0, top_p=None, stop="END").sampling
    assert found == messages.Sampling(temperature=0, top_k=3, stop=["END"])
    assert given == messages.Sampling(temperature=0.5, top_k=3, stop=["a"])
    assert request(sampling={"seed": 1}, max_output_tokens=5).sampling == messages.Sampling(seed=1, max_output_tokens=5)


def test_nothing_given_is_nothing_sent() -> None:
    """A field that is left out or None is absent from the request."""
    bare = request(temperature=None, system=None, tools=None, timeout=3.0)
    assert [field.name for field, _ in bare.ListFields()] == ["messages"]


def test_json_keeps_its_order_and_its_numbers() -> None:
    """A mapping is written in the order of its keys; text is sent byte for byte."""
    schema = {"type": "object", "properties": {"z": {"const": 40.0}, "a": {"title": "é"}}}
    written = '{"type":"object","properties":{"z":{"const":40.0},"a":{"title":"é"}}}'
    assert request(json_schema=schema).response_format.json_schema.schema == written
    assert request(json_schema=' {"a" : 1}').response_format.json_schema.schema == ' {"a" : 1}'
    options = {"openai": {"user": "me"}, "anthropic": '{"n":1.50}'}
    assert request(provider_options_json=options).provider_options_json == {
        "openai": '{"user":"me"}',
        "anthropic": '{"n":1.50}',
    }


def test_not_a_number_is_no_json() -> None:
    """What JSON cannot say is refused here, not written as a word that no parser takes."""
    with pytest.raises(ValueError, match="JSON compliant"):
        request(json_schema={"const": float("nan")})


def test_two_response_formats_are_refused() -> None:
    """`json_schema` is short for `response_format`."""
    with pytest.raises(TypeError, match="give one of them"):
        request(json_schema={}, response_format=messages.ResponseFormat())


def test_tools_may_be_described_plainly() -> None:
    """A mapping of name, description, parameters and strict is a function tool."""
    function = messages.FunctionTool(
        name="add", description="Adds.", parameters_json_schema='{"type":"object"}', strict=True
    )
    plain = {"name": "add", "description": "Adds.", "parameters": {"type": "object"}, "strict": True}
    found = request(tools=[plain, function, messages.Tool(function=function)]).tools
    assert list(found) == [messages.Tool(function=function)] * 3
    [bare] = request(tools=[{"name": "now"}]).tools
    assert bare == messages.Tool(function=messages.FunctionTool(name="now"))


def test_tool_choice_may_be_a_word() -> None:
    """Three words are modes, any other is the name of a tool."""
    assert request(tool_choice="required").tool_choice.mode == messages.ToolMode.TOOL_MODE_REQUIRED
    assert request(tool_choice="add").tool_choice == messages.ToolChoice(name="add")
    both = messages.ToolChoice(name="auto", parallel=False)
    assert request(tool_choice=both).tool_choice == both


def test_reasoning_may_be_a_word() -> None:
    """A word is the effort."""
    assert request(reasoning="low").reasoning.effort == messages.ReasoningEffort.REASONING_EFFORT_LOW
    shown = messages.ReasoningOptions(show=True)
    assert request(reasoning=shown).reasoning == shown


def test_messages_of_the_contract_may_be_mappings() -> None:
    """Requirements, preferences and directives may be given as their fields."""
    found = request(
        system="Be brief.",
        requirements={"capabilities": ["vision"]},
        preferences={"objective": "OBJECTIVE_COST"},
        directives={"backend": "fast", "hedging": False},
        labels={"team": "a"},
        route="default",
        request_id="r-1",
    )
    assert found == messages.CompletionRequest(
        route="default",
        system=[Part(text="Be brief.")],
        messages=request().messages,
        requirements=messages.Requirements(capabilities=["vision"]),
        preferences=messages.Preferences(objective=messages.Objective.OBJECTIVE_COST),
        directives=messages.Directives(backend="fast", hedging=False),
        labels={"team": "a"},
        request_id="r-1",
    )


def test_a_whole_request_stands_alone() -> None:
    """A whole request is sent as it is; fields beside it are refused, the call's own are not."""
    whole = messages.CompletionRequest(route="default")
    assert request(whole, timeout=3.0) is whole
    with pytest.raises(TypeError, match="no fields beside it: route"):
        request(whole, route="other")


def test_tool_results_answer_calls() -> None:
    """A result names its call, by the call itself or by its id."""
    call = messages.ToolCall(id="call-1", name="add")
    expected = messages.ToolResult(tool_call_id="call-1", parts=[Part(text="3")])
    assert tool_result(call, "3").tool_result == tool_result("call-1", "3").tool_result == expected
    assert tool_result(call, "overflow", is_error=True).tool_result.is_error


def test_embeddings_take_strings_and_inputs() -> None:
    """One string, several, or inputs that are not text."""
    assert [each.text for each in embed_request("one", {}).inputs] == ["one"]
    image = messages.EmbeddingInput(image=messages.Media(uri="https://example.com/cat.png"))
    found = embed_request(["one", image], {"dimensions": 64, "input_type": "EMBEDDING_INPUT_TYPE_QUERY"})
    assert list(found.inputs) == [messages.EmbeddingInput(text="one"), image]
    assert (found.dimensions, found.input_type) == (64, messages.EmbeddingInputType.EMBEDDING_INPUT_TYPE_QUERY)
    assert embed_request(found, {}) is found
