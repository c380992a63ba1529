"""What an upstream of the chaos suite answers, and how it looks on OpenAI's wire.

An answer is told by the number of its call alone, so that a client can say whether each byte came once and in order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

MARK = re.compile(rb"#([A-Za-z0-9_.-]+)#")
"""How a prompt says which call it belongs to."""

ANCHOR = 64
"""Characters that a continuation which is asked for an anchor repeats."""

_COMMON = {"id": "chatcmpl-1", "created": 1759436804, "model": "m"}
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
HTML = b"<html><body><h1>Welcome to the captive portal</h1></body></html>"


def tokens_of(call: str, count: int) -> list[str]:
    """Return the *count* tokens of the answer to *call*."""
    return [f" {call}.{place}" for place in range(count)]


def padded(token: str, pad: int) -> str:
    """Return *token* made *pad* characters long, where it is shorter."""
    return token.ljust(pad, "=")


def starts_right(text: str, call: str, count: int, pad: int) -> bool:
    """Whether the answer to *call* starts with *text*."""
    enough = min(count, len(text) // pad + 1) if pad else count
    return "".join(padded(token, pad) for token in tokens_of(call, enough)).startswith(text)


def chunk(data: bytes) -> bytes:
    """Return *data* as one chunk of HTTP's chunked coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(payload: object) -> bytes:
    """Return one server-sent event."""
    return b"data: " + json.dumps(payload, separators=(",", ":")).encode() + b"\n\n"


def _delta(said: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": said, "finish_reason": reason}
    return event({**_COMMON, "object": "chat.completion.chunk", "choices": [choice]})


_BEFORE, _, _AFTER = _delta({"content": "@"}).partition(b"@")
FIRST = _delta({"role": "assistant", "content": ""})
ERROR = event({"error": {"message": "The server had an error", "type": "server_error", "code": None}})
GARBAGE_EVENT = b'data: {"choices":[{"delta":{"con\xff\xfe\n\n'
COMMENT = b": still here\n\n"


def text_events(tokens: Sequence[str], pad: int = 0) -> bytes:
    """Return the events that carry *tokens*, one each."""
    return b"".join(_BEFORE + padded(token, pad).encode() + _AFTER for token in tokens)


def usage_of(count: int) -> dict[str, int]:
    """Return the usage of an answer of *count* tokens."""
    return {"prompt_tokens": 20, "completion_tokens": count, "total_tokens": 20 + count}


def last_events(count: int) -> bytes:
    """Return the events that end an answer of *count* tokens."""
    usage = event({**_COMMON, "object": "chat.completion.chunk", "choices": [], "usage": usage_of(count)})
    return _delta({}, "stop") + usage + b"data: [DONE]\n\n"


def whole_body(text: str, count: int) -> bytes:
    """Return the body of an answer that comes in one piece."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    answer = {**_COMMON, "object": "chat.completion", "choices": [choice], "usage": usage_of(count)}
    return json.dumps(answer).encode()


def reply(status: int, body: bytes, content_type: str = "application/json", more: str = "") -> bytes:
    """Return a whole HTTP reply; *more* are further header lines, each with its end."""
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def left_of(body: bytes, tokens: Sequence[str]) -> tuple[list[str], bool]:
    """Return what is still to be said of *tokens*, and whether the request asks to continue an answer that broke.

    A prefill (its last message is the assistant's) is written on from; else the last characters of the answer so far
    are repeated, as an instruction to continue asks.
    """
    if b'"assistant"' not in body:
        return list(tokens), False
    messages: list[dict[str, Any]] = json.loads(body)["messages"]
    said = next(_words(each["content"]) for each in reversed(messages) if each["role"] == "assistant")
    full = "".join(tokens)
    rest = full.removeprefix(said)
    if messages[-1]["role"] != "assistant":
        rest = said[-ANCHOR:] + rest
    return re.findall(r"\s*\S+|\s+", rest), True


def _words(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)
