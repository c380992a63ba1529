"""Recorded traffic of Bedrock's Converse: answers read however they are cut, and requests written as recorded."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.content import (
    CacheHint,
    Kind,
    Media,
    MediaKind,
    Message,
    OpaqueState,
    Part,
    ProviderBlock,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from quickthorn_server.core.prompt import FunctionTool, JsonSchemaFormat, Prompt, ReasoningOptions, Sampling, Tool
from quickthorn_server.providers.bedrock import BedrockFormat
from tests.support.recorded import Case, answered, check, parameters

CONVERSE = (("bedrock", "converse"), ("bedrock", "converse-stream"))
OWN = {"guardrailConfig", "additionalModelRequestFields"}
"""What the test hands on as provider options: it is not worded alike in the recordings."""


def wire(model: str = "m") -> BedrockFormat:
    return BedrockFormat(Backend("b", "bedrock", model, "m", options={"aws_region": "us-east-1"}))


@parameters(*CONVERSE)
def test_a_recorded_answer_comes_out_as_it_was_meant(case: Case) -> None:
    """Words, thinking, calls, finish reason, usage and failures, however the network cuts the frames."""
    for pieces in case.splits():
        check(case, answered(wire(), case, pieces))


@parameters(*CONVERSE)
def test_recorded_thinking_goes_back_with_its_signature(case: Case) -> None:
    """What the model signed, in one piece or in many, is what it gets back."""
    for part in answered(wire(), case, [case.body]).parts:
        if part.opaque is None:
            continue
        assert part.opaque == OpaqueState("bedrock", "", "signature", part.opaque.data)
        assert part.opaque.data in case.body
        prompt = Prompt((Message(Role.ASSISTANT, (part,)),))
        [block] = json.loads(wire().request(prompt, whole=True).body)["messages"][0]["content"]
        assert isinstance(part.kind, Reasoning)
        assert block["reasoningContent"]["reasoningText"] == {
            "text": part.kind.text,
            "signature": part.opaque.data.decode(),
        }


@parameters(*CONVERSE)
def test_a_recorded_request_is_what_its_prompt_becomes(case: Case) -> None:
    """Read as a prompt and written again, the request is the same but for what says nothing."""
    asked = case.request["json"]
    model = case.request["path"].split("/")[2].replace("%3A", ":")
    sent = wire(model).request(prompt_of(asked), whole=not case.request["path"].endswith("-stream"))
    assert sent.url.replace("%3A", ":").endswith(case.request["path"].replace("%3A", ":"))
    assert json.loads(sent.body) == plain(asked)


def plain(asked: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a recorded request what is empty, and the status of results that succeeded."""
    settings = {name: value for name, value in asked.get("inferenceConfig", {}).items() if value != []}
    for message in asked["messages"]:
        for block in message["content"]:
            if "toolResult" in block and block["toolResult"].get("status") == "success":
                del block["toolResult"]["status"]
    return {name: value for name, value in {**asked, "inferenceConfig": settings}.items() if value not in ({}, [])}


def prompt_of(asked: dict[str, Any]) -> Prompt:
    """Read a recorded request as the prompt it means."""
    settings = asked.get("inferenceConfig", {})
    more = dict(asked.get("additionalModelRequestFields", {}))
    budget = more.pop("thinking", {}).get("budget_tokens")
    own = {name: asked[name] for name in OWN & asked.keys() if name != "additionalModelRequestFields" or more}
    return Prompt(
        tuple(Message(Role(message["role"]), parts_of(message["content"])) for message in asked["messages"]),
        system=parts_of(asked.get("system", ())),
        tools=tuple(tool_of(tool["toolSpec"]) for tool in asked.get("toolConfig", {}).get("tools", ())),
        response_format=format_of(asked),
        sampling=Sampling(settings.get("maxTokens"), settings.get("temperature"), settings.get("topP")),
        reasoning=ReasoningOptions(budget_tokens=budget),
        provider_options_json={"bedrock": json.dumps(own)},
    )


def format_of(asked: dict[str, Any]) -> JsonSchemaFormat | None:
    if "outputConfig" not in asked:
        return None
    wanted = asked["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    return JsonSchemaFormat(wanted["name"], wanted["schema"], wanted["description"])


def tool_of(spec: dict[str, Any]) -> Tool:
    return Tool(FunctionTool(spec["name"], spec["description"], json.dumps(spec["inputSchema"]["json"])))


def parts_of(blocks: list[dict[str, Any]]) -> tuple[Part, ...]:
    """Read blocks as parts; a cache point is a hint at the part before it."""
    parts: list[Part] = []
    for block in blocks:
        if "cachePoint" in block:
            parts[-1] = Part(parts[-1].kind, cache=CacheHint())
        else:
            parts.append(Part(kind_of(block)))
    return tuple(parts)


def kind_of(block: dict[str, Any]) -> Kind:
    match block:
        case {"text": str(text)}:
            return Text(text)
        case {"image": {"format": form, "source": {"bytes": data}}}:
            assert b64encode(b64decode(data)).decode() == data
            return Media(MediaKind.IMAGE, b64decode(data), media_type=f"image/{form}")
        case {"toolUse": {"toolUseId": call_id, "name": name, "input": given}}:
            return ToolCall(call_id, name, json.dumps(given))
        case {"toolResult": {"toolUseId": call_id, "content": content}}:
            return ToolResult(call_id, parts_of(content))
        case _:
            return ProviderBlock("bedrock", next(iter(block)), json.dumps(block))
