"""Recorded traffic of Cohere: answers read however they are cut, and requests written as they were recorded."""

from __future__ import annotations

import json
from typing import Any

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.content import (
    Kind,
    Media,
    MediaKind,
    Message,
    Part,
    ProviderBlock,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from quickthorn_server.core.embedding import EmbedPrompt, InputType
from quickthorn_server.core.prompt import FunctionTool, JsonSchemaFormat, Prompt, Sampling, Tool
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.cohere import CohereFormat
from tests.support.recorded import Case, answered, check, parameters

CHAT, EMBED = ("cohere", "v2_chat"), ("cohere", "v2_embed")
WIRE = CohereFormat(Backend("b", "cohere", "m", "m"))


@parameters(CHAT)
def test_a_recorded_answer_comes_out_as_it_was_meant(case: Case) -> None:
    """Words, thinking, calls, finish reason, usage and failures, however the network cuts the body."""
    for pieces in case.splits():
        got = answered(WIRE, case, pieces)
        check(case, got)
        plans = [json.loads(part.kind.json) for part in got.parts if isinstance(part.kind, ProviderBlock)]
        plan = (case.expected["extra"] or {}).get("tool_plan")
        assert plans == ([{"tool_plan": plan}] if plan else [])
        assert sum(len(part.citations) for part in got.parts) == citations(case)


@parameters(CHAT)
def test_a_recorded_citation_quotes_what_it_cites(case: Case) -> None:
    """The bytes from start to end are the words that the provider says were cited."""
    for part in answered(WIRE, case, [case.body]).parts:
        for cited in part.citations:
            assert isinstance(part.kind, Text)
            assert part.kind.text.encode()[cited.start : cited.end].decode() == json.loads(cited.provider_json)["text"]


@parameters(CHAT)
def test_a_recorded_request_is_what_its_prompt_becomes(case: Case) -> None:
    """Read as a prompt and written again, the request is the same but for equal ways to write a text."""
    asked = case.request["json"]
    wire = CohereFormat(Backend("b", "cohere", asked["model"], "m"))
    sent = json.loads(wire.request(prompt_of(asked), whole=not asked.get("stream")).body)
    assert plain(sent) == plain({"stream": False, **asked})


@parameters(EMBED)
def test_recorded_vectors(case: Case) -> None:
    """The request is the recorded one, and every vector comes out, with its usage."""
    asked = case.request["json"]
    wire = CohereFormat(Backend("b", "cohere", asked["model"], "m"))
    [batch] = wire.batches(EmbedPrompt(tuple(asked["texts"]), InputType.DOCUMENT))
    assert json.loads(batch.outgoing.body) == {"embedding_types": ["float"], **asked}
    got = wire.embedded(case.body, batch)
    wanted = case.expected["embeddings"]
    assert (len(got.vectors), len(got.vectors[0].values)) == (wanted["count"], wanted["dims"])
    assert [list(vector.values[:3]) for vector in got.vectors[:3]] == wanted["first3"]
    assert got.usage == Usage(input_tokens=case.expected["usage"]["input"], output_tokens=0)


def citations(case: Case) -> int:
    if case.streaming:
        return case.body.count(b"event: citation-start")
    return len(json.loads(case.body).get("message", {}).get("citations", ())) if case.status == 200 else 0


def prompt_of(asked: dict[str, Any]) -> Prompt:
    """Read a recorded request as the prompt it means."""
    schema = asked.get("response_format", {}).get("json_schema")
    messages = [message_of(message) for message in asked["messages"]]
    for document in asked.get("documents", ()):
        data = document["data"]
        media = Media(MediaKind.DOCUMENT, data["text"].encode(), media_type="text/plain", filename=data["title"])
        messages[0] = Message(messages[0].role, (*messages[0].parts, Part(media)))
    own = {"thinking": asked["thinking"]} if "thinking" in asked else {}  # "enabled" without a budget is the default
    return Prompt(
        tuple(messages),
        provider_options_json={"cohere": json.dumps(own)},
        tools=tuple(tool_of(tool["function"]) for tool in asked.get("tools", ())),
        response_format=JsonSchemaFormat("answer", json.dumps(schema)) if schema else None,
        sampling=Sampling(temperature=asked.get("temperature")),
    )


def tool_of(function: dict[str, Any]) -> Tool:
    return Tool(FunctionTool(function["name"], function["description"], json.dumps(function["parameters"])))


def message_of(message: dict[str, Any]) -> Message:
    content = message.get("content", ())
    kinds: list[Kind] = [Text(content)] if isinstance(content, str) else [kind_of(item) for item in content]
    if message["role"] == "tool":
        return Message(Role.USER, (Part(ToolResult(message["tool_call_id"], tuple(map(Part, kinds)))),))
    kinds += [
        ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in message.get("tool_calls", ())
    ]
    return Message(Role(message["role"]), tuple(map(Part, kinds)))


def kind_of(item: dict[str, Any]) -> Kind:
    match item["type"]:
        case "text":
            return Text(item["text"])
        case "image_url":
            return Media(MediaKind.IMAGE, uri=item["image_url"]["url"])
        case kind:
            return ProviderBlock("cohere", kind, json.dumps(item))


def plain(request: dict[str, Any]) -> dict[str, Any]:
    """Write every text as a list of one."""
    for message in request["messages"]:
        if isinstance(message.get("content"), str):
            message["content"] = [{"type": "text", "text": message["content"]}]
    return request
