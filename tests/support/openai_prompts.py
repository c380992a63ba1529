"""Recorded OpenAI-shaped requests as the prompts they would have been, and what makes two requests the same."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from quickthorn_server.core.content import (
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
from quickthorn_server.core.prompt import (
    FunctionTool,
    JsonSchemaFormat,
    Prompt,
    ReasoningEffort,
    ReasoningOptions,
    Sampling,
    Tool,
    ToolChoice,
    ToolMode,
)

Json = Mapping[str, Any]

_SAMPLING = {
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "max_output_tokens": "max_output_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
    "random_seed": "seed",
}
_READ = {"model", "messages", "input", "instructions", "tools", "tool_choice", "stream", "stream_options", "store"}
_ROLES = {"system": Role.SYSTEM, "developer": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT}


def prompt_of(recorded: Json, word: str) -> Prompt:
    """Return the prompt that a recorded request asks; what has no field of its own goes as options of *word*."""
    given = {key: value for key, value in recorded.items() if value is not None}
    form, given = _form(given)
    rest = {key: value for key, value in given.items() if key not in _READ | _SAMPLING.keys() | {"reasoning_effort"}}
    if "reasoning" in rest and rest["reasoning"].keys() == {"effort"}:
        given["reasoning_effort"] = rest.pop("reasoning")["effort"]
    if rest.get("include") == ["reasoning.encrypted_content"]:
        del rest["include"]
    messages = _chat(given["messages"]) if "messages" in given else _items(given["input"])
    system: tuple[Part, ...] = (Part(Text(given["instructions"])),) if given.get("instructions") else ()
    if messages and messages[0].role is Role.SYSTEM and not system and "messages" in given:
        system, messages = messages[0].parts, messages[1:]
    return Prompt(
        tuple(messages),
        system=system,
        tools=tuple(Tool(_tool(tool)) for tool in given.get("tools") or ()),
        tool_choice=_choice(given.get("tool_choice")),
        response_format=form,
        sampling=Sampling(**{name: given[key] for key, name in _SAMPLING.items() if key in given}),
        reasoning=ReasoningOptions(ReasoningEffort(given["reasoning_effort"]) if "reasoning_effort" in given else None),
        provider_options_json={word: json.dumps(rest)} if rest else {},
    )


def normal(request: Json) -> dict[str, Any]:
    """Return a request without what may be written in two ways: absent or null, one text or a list of it."""
    found = {key: value for key, value in request.items() if value is not None and value is not False}
    for name in ("max_completion_tokens", "max_output_tokens"):
        if name in found:
            found["max_tokens"] = found.pop(name)
    if "messages" in found:
        found["messages"] = [_normal_message(message) for message in found["messages"]]
    if "input" in found:
        items = found["input"]
        found["input"] = (
            [{"role": "user", "content": items}] if isinstance(items, str) else [*map(_normal_message, items)]
        )
    if "tools" in found:
        found["tools"] = [_normal_tool(tool) for tool in found["tools"]]
    return found


def _normal_message(message: Json) -> dict[str, Any]:
    found = {key: value for key, value in message.items() if value not in (None, "", [])}
    if found.get("role") == "developer":
        found["role"] = "system"
    content = found.get("content")
    if isinstance(content, list) and len(content) == 1 and content[0].keys() == {"type", "text"}:
        found["content"] = content[0]["text"]
    elif isinstance(content, list):
        found["content"] = [_normal_item(item) for item in content]
    if isinstance(found.get("tool_calls"), list):
        found["tool_calls"] = [{k: v for k, v in call.items() if k != "index"} for call in found["tool_calls"]]
    thought = found.pop("reasoning_content", None) or found.pop("reasoning", None)
    if thought and "tool_calls" in found:  # in other turns nobody reads it
        found = {key: value for key, value in found.items() if key != "reasoning"} | {"reasoning": thought}
    return found


def _normal_item(item: Json) -> Json:
    if item["type"] == "image_url" and isinstance(item["image_url"], str):
        return {**item, "image_url": {"url": item["image_url"]}}
    if item["type"] == "input_audio":  # trimmed in the recordings
        return {**item, "input_audio": {**item["input_audio"], "data": item["input_audio"]["data"][:64]}}
    return item


def _normal_tool(tool: Json) -> dict[str, Any]:
    found = {key: value for key, value in tool.items() if value not in (None, "")}
    if isinstance(found.get("function"), dict):
        found["function"] = {key: value for key, value in found["function"].items() if value not in (None, "")}
    return found


def _form(given: dict[str, Any]) -> tuple[JsonSchemaFormat | None, dict[str, Any]]:
    rest = dict(given)
    form = (rest.get("response_format") or {}).get("json_schema") or (rest.get("text") or {}).get("format")
    if not form or "name" not in form:
        return None, rest
    rest.pop("response_format", None)
    rest.pop("text", None)
    return JsonSchemaFormat(
        form["name"], json.dumps(form["schema"]), form.get("description", ""), form.get("strict")
    ), rest


def _tool(tool: Json) -> FunctionTool | ProviderBlock:
    function = tool.get("function", tool)
    if tool["type"] != "function" or not function.keys() <= {"type", "name", "description", "parameters", "strict"}:
        return ProviderBlock("openai", tool["type"], json.dumps(tool))
    schema = json.dumps(function["parameters"]) if function.get("parameters") else ""
    return FunctionTool(function["name"], function.get("description") or "", schema, function.get("strict"))


def _choice(given: Any) -> ToolChoice | None:
    if isinstance(given, str):
        return ToolChoice(ToolMode(given))
    return ToolChoice(name=given.get("function", given)["name"]) if given else None


def _chat(messages: Iterable[Json]) -> list[Message]:
    read: list[Message] = []
    for message in messages:
        if message["role"] == "tool":
            result = Part(ToolResult(message["tool_call_id"], tuple(_content(message["content"]))))
            if read[-1].role is Role.USER and isinstance(read[-1].parts[0].kind, ToolResult):
                read[-1] = Message(Role.USER, (*read[-1].parts, result))
            else:
                read.append(Message(Role.USER, (result,)))
            continue
        parts = list(_content(message.get("content") or ""))
        thought = message.get("reasoning_content") or message.get("reasoning")
        if thought:
            parts.insert(0, Part(Reasoning(thought)))
        calls = ((call["id"], call["function"]) for call in message.get("tool_calls") or ())
        parts.extend(Part(ToolCall(id_, function["name"], function["arguments"])) for id_, function in calls)
        read.append(Message(_ROLES[message["role"]], tuple(parts)))
    return read


def _items(items: Any) -> list[Message]:
    if isinstance(items, str):
        return [Message(Role.USER, (Part(Text(items)),))]
    return [_item(item) for item in items]


def _item(item: Json) -> Message:
    match item.get("type", "message"):
        case "message":
            return Message(_ROLES[item["role"]], tuple(_content(item["content"])))
        case "reasoning":
            state = OpaqueState("openai", "", item.get("id", ""), json.dumps(item).encode())
            return Message(Role.ASSISTANT, (Part(Reasoning(""), opaque=state),))
        case "function_call":
            call = ToolCall(item["call_id"], item["name"], item["arguments"])
            return Message(Role.ASSISTANT, (Part(call),))
        case "function_call_output":
            return Message(Role.USER, (Part(ToolResult(item["call_id"], tuple(_content(item["output"])))),))
        case kind:
            return Message(Role.ASSISTANT, (Part(ProviderBlock("openai", kind, json.dumps(item))),))


def _content(content: Any) -> list[Part]:
    if isinstance(content, str):
        return [Part(Text(content))] if content else []
    return [Part(_kind(item)) for item in content]


def _kind(item: Json) -> Kind:
    match item["type"]:
        case "text" | "input_text" | "output_text":
            return Text(item["text"])
        case "image_url":
            image = item["image_url"] if isinstance(item["image_url"], dict) else {"url": item["image_url"]}
            return _image(image["url"], image.get("detail", ""))
        case "input_image":
            return _image(item["image_url"], item.get("detail", ""))
        case "input_audio":
            sound = item["input_audio"]
            return Media(MediaKind.AUDIO, data=_bytes(sound["data"]), media_type=f"audio/{sound['format']}")
        case "file" if "file_id" in item["file"]:
            return Media(MediaKind.DOCUMENT, provider_file_id=item["file"]["file_id"])
        case kind:
            return ProviderBlock("openai", kind, json.dumps(item))


def _image(url: str, detail: str) -> Media:
    """Bytes that the recordings trimmed are an address here: it is written as it stands."""
    return Media(MediaKind.IMAGE, uri=url, detail=detail)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.partition("...<trimmed")[0] + "==")
