"""Answers of OpenAI-shaped servers with something odd in any place: a clean failure, or an answer."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Opened
from quickthorn_server.core.failures import BackendError
from quickthorn_server.providers.openai import OpenAiFormat

BODIES = 1_500
ODD: tuple[Any, ...] = (None, 0, -1, 2**70, 1.5, "", "x", True, [], {}, [None], [{}], {"type": "x"}, [[]], ["x"])

CALLS = [
    {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    {"index": 1, "id": "d", "type": "custom", "custom": {"name": "g", "input": "x"}},
]
NOTE = {"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 1, "url": "https://a", "title": "A"}}
SAID = {
    "role": "assistant",
    "content": [{"type": "thinking", "thinking": [{"text": "hm"}]}, {"type": "text", "text": "hi"}],
    "reasoning_content": "hm",
    "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0}],
    "refusal": "no",
    "tool_calls": CALLS,
    "function_call": {"name": "f", "arguments": "{}"},
    "annotations": [NOTE],
    "images": [{"image_url": {"url": "data:image/png;base64,iVBORw=="}}],
    "audio": {"id": "a", "data": "UklGRg==", "transcript": "hi"},
}
USAGE = {
    "prompt_tokens": 1,
    "completion_tokens": 2,
    "total_tokens": 3,
    "prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 1},
    "server_tool_use": {"web_search_requests": 1},
}


def chat(field: str) -> dict[str, Any]:
    choice = {"index": 0, field: SAID, "finish_reason": "content_filter", "logprobs": {"content": [{"token": "a"}]}}
    found = {"citations": ["https://a"], "search_results": [{"url": "https://a", "title": "A", "snippet": "s"}]}
    return {"model": "m", "choices": [{**choice, "content_filter_results": {"hate": {}}}], "usage": USAGE, **found}


ITEMS: list[dict[str, Any]] = [
    {"type": "reasoning", "id": "r", "summary": [{"text": "hm"}], "content": [{"text": "x"}], "encrypted_content": "g"},
    {
        "type": "message",
        "id": "m",
        "phase": "commentary",
        "content": [
            {"type": "output_text", "text": "hi", "annotations": [{**NOTE["url_citation"], "type": "url_citation"}]},  # type: ignore[dict-item]
            {"type": "refusal", "refusal": "no"},
        ],
    },
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": "x"},
    {"type": "image_generation_call", "id": "i", "output_format": "png", "result": "iVBORw=="},
    {"type": "web_search_call", "id": "w"},
]
RESPONSE = {
    "model": "m",
    "status": "completed",
    "output": ITEMS,
    "usage": {"input_tokens": 1, "output_tokens": 1, "input_tokens_details": {"cached_tokens": 1}},
    "tool_usage": {"web_search": {"num_requests": 1}},
}
EVENTS: list[dict[str, Any]] = [
    {"type": "response.created", "response": {"model": "m"}},
    *({"type": "response.output_item.added", "output_index": n, "item": item} for n, item in enumerate(ITEMS)),
    {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "h"},
    {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "h"},
    {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "{"},
    *({"type": "response.output_item.done", "output_index": n, "item": item} for n, item in enumerate(ITEMS)),
    {"type": "response.completed", "response": RESPONSE},
]


def odd(value: Any, draw: random.Random) -> Any:
    """Return a copy of *value* with one of its places replaced, or gone."""
    value = copy.deepcopy(value)
    place = value
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return value
        key = draw.choice(keys)
        if isinstance(place[key], dict | list) and draw.random() < 0.85:
            place = place[key]
        elif draw.random() < 0.2:
            del place[key]
            return value
        else:
            place[key] = draw.choice(ODD)
            return value


@pytest.mark.parametrize(
    ("api", "stream", "body"),
    [
        ("chat", False, chat("message")),
        ("chat", True, [chat("delta")]),
        ("responses", False, RESPONSE),
        ("responses", True, EVENTS),
    ],
)
def test_an_odd_answer_fails_cleanly_or_not_at_all(api: str, stream: bool, body: Any) -> None:
    """Nothing but a BackendError ever leaves a parser, wherever the oddity stands."""
    wire = OpenAiFormat(Backend("b", "openai", "m", "m", options={"api": api}))
    answered = 0
    for number in range(BODIES):
        given = odd(odd(body, random.Random(number)), random.Random(-number))
        try:
            if stream:
                reading = wire.reading(Opened(http_status=200))
                for event in [*(f"data: {json.dumps(each)}\n\n".encode() for each in given), b""]:
                    if not reading.done:
                        reading.take(event)
                        reading.check()
            else:
                wire.whole(json.dumps(given).encode(), Opened(http_status=200))
            answered += 1
        except BackendError:
            pass
    assert 0 < answered < BODIES
