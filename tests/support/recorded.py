"""Recorded provider traffic: each case, what it must come to in our one meaning, and what an adapter makes of it.

The recordings lie beside the project (`../shared/data/providers`) and are not part of it.
"""

from __future__ import annotations

import json
import random
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from quickthorn_server.core.chunk import Burst, Chunk, End, FinishReason, UsageReport
from quickthorn_server.core.completion import Fold
from quickthorn_server.core.content import Part, Reasoning, Refusal, Text, ToolCall
from quickthorn_server.core.failures import BackendError
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.http_provider import WireFormat

FOLDER = Path(__file__).resolve().parents[3] / "shared/data/providers"

_OK = 200
_REASONS = {
    "stop": {FinishReason.STOP},
    "length": {FinishReason.LENGTH},
    "tool_calls": {FinishReason.TOOL_CALLS},
    "content_filter": {FinishReason.CONTENT_FILTER, FinishReason.REFUSAL},
    "other": {FinishReason.OTHER},
}
_CACHE_APART = {("anthropic", "messages"), ("bedrock", "converse"), ("bedrock", "converse-stream")}
_REASONING_APART = {
    ("xai", "chat_completions"),
    ("gemini", "generateContent"),
    ("gemini", "streamGenerateContent"),
    ("vertex", "generateContent"),
    ("vertex", "streamGenerateContent"),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One recorded exchange; *expected* as the index says it, in the provider's own counting."""

    id: str
    provider: str
    api: str
    tags: frozenset[str]
    status: int
    streaming: bool
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    request: Mapping[str, Any] = field(repr=False)
    expected: Mapping[str, Any] = field(repr=False)

    def header(self, name: str) -> str:
        """Return a header of the answer, "" = it has none."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")

    @property
    def fails(self) -> bool:
        """Whether the exchange has an error at its end, by its status or inside its body."""
        return self.status != _OK or self.expected["finish_reason_norm"] == "error" or bool(self.truncated)

    @property
    def truncated(self) -> bool:
        """Whether the body ends before the answer does."""
        return bool(self.expected.get("truncated"))

    @property
    def usage(self) -> Usage | None:
        """The usage in our meaning; None = the body tells none."""
        told = self.expected["usage"]
        if told is None:
            return None
        given, output = told["input"], told["output"]
        if (self.provider, self.api) in _CACHE_APART and given is not None:
            given += (told["cached"] or 0) + (told["cache_write"] or 0)
        if (self.provider, self.api) in _REASONING_APART:
            output = None if output is None and told["reasoning"] is None else (output or 0) + (told["reasoning"] or 0)
        return Usage(given, output, told["cached"], told["cache_write"], reasoning_tokens=told["reasoning"])

    def splits(self, seed: int = 20261120, times: int = 3) -> Iterator[list[bytes]]:
        """Yield the body whole, cut at random offsets *times* times, and byte by byte."""
        yield [self.body]
        draw = random.Random(f"{seed}:{self.id}")
        for _ in range(times):
            cuts = sorted(draw.randrange(len(self.body) + 1) for _ in range(draw.randint(1, 40)))
            yield [self.body[start:end] for start, end in zip([0, *cuts], [*cuts, len(self.body)], strict=True)]
        yield [self.body[at : at + 1] for at in range(len(self.body))]


@dataclass(slots=True)
class Answered:
    """What came out: the folded parts, how it ended, the usage reported last, and the failure if there was one."""

    parts: tuple[Part, ...]
    end: End | None
    usage: Usage | None
    error: BackendError | None

    def text(self, kind: type[Text | Reasoning | Refusal]) -> str:
        """Return the joined words of all parts of a *kind*."""
        return "".join(part.kind.text for part in self.parts if isinstance(part.kind, kind))

    @property
    def calls(self) -> list[ToolCall]:
        """The tool calls in their order."""
        return [part.kind for part in self.parts if isinstance(part.kind, ToolCall)]


def cases(*apis: tuple[str, str]) -> list[Case]:
    """Return the recorded cases of *apis* (provider, api), all of them without any; none where they are absent."""
    return [case for case in _all() if not apis or (case.provider, case.api) in apis]


def parameters(*apis: tuple[str, str]) -> pytest.MarkDecorator:
    """Parametrise a test by the cases of *apis*; skips it where the recordings are absent."""
    found = cases(*apis)
    if not found:
        return pytest.mark.parametrize(
            "case",
            [pytest.param(None, marks=pytest.mark.skip(reason="the recorded traffic is not beside the project"))],
        )
    return pytest.mark.parametrize("case", found, ids=lambda case: case.id)


def answered(wire: WireFormat, case: Case, pieces: list[bytes]) -> Answered:
    """Let *wire* read the case, its body in *pieces*, as `HttpProvider` would."""
    if case.status != _OK:
        return Answered((), None, None, wire.failure(case.status, case.header, case.body))
    chunks: list[Chunk] = []
    error: BackendError | None = None
    try:
        for burst in _bursts(wire, case, pieces):
            chunks += burst
    except BackendError as failed:
        error = failed
    fold = Fold()
    fold.add(chunks)
    reports = [chunk.usage for chunk in chunks if isinstance(chunk, UsageReport)]
    return Answered(fold.parts(), fold.end, reports[-1] if reports else None, error)


def check(case: Case, got: Answered) -> None:
    """Assert that *got* is what the case says: words, calls, finish reason, usage, or a failure."""
    expected = case.expected
    if case.fails:
        assert got.error is not None, "it must fail"
        assert got.error.http_status in {case.status, None}
    else:
        assert got.error is None, f"{got.error and got.error.failure}: {got.error}"
        assert got.end is not None
        if expected["finish_reason_norm"] is not None and not expected["refusal"]:
            assert got.end.reason in _REASONS[expected["finish_reason_norm"]]
    if case.status == _OK:
        assert got.text(Text) == (expected["text"] or "")
        assert got.text(Reasoning) == (expected["reasoning_text"] or "")
        assert got.text(Refusal) == (expected["refusal"] or "")
        check_calls(expected["tool_calls"] or [], got.calls)
        check_usage(case.usage, got.usage)


def check_calls(expected: list[dict[str, Any]], got: list[ToolCall]) -> None:
    """Assert that the calls are those expected: identifiers where the wire has some, names, arguments."""
    assert [call["name"] for call in expected] == [call.name for call in got]
    for wanted, call in zip(expected, got, strict=True):
        assert wanted["id"] is None or wanted["id"] == call.id
        if wanted["arguments"] is not None:
            assert json.loads(call.arguments_json) == wanted["arguments"]
        raw = wanted["arguments_raw"]
        if isinstance(raw, str) and raw and raw != json.dumps(wanted["arguments"]):  # not written anew by the index
            assert call.arguments_json == raw


def check_usage(expected: Usage | None, got: Usage | None) -> None:
    """Assert that what the provider told is told on; what it did not tell may be unknown or nothing."""
    if expected is None:
        return
    assert got is not None, "the usage is lost"
    for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"):
        wanted = getattr(expected, name)
        found = getattr(got, name)
        assert found == wanted or (not wanted and not found), f"{name}: {found} instead of {wanted}"


def _bursts(wire: WireFormat, case: Case, pieces: list[bytes]) -> Iterator[Burst]:
    opened = wire.opened(case.header)
    kind = case.header("content-type").partition(";")[0].strip().lower()
    if kind not in wire.stream_types:
        yield wire.whole(case.body, opened)
        return
    reading = wire.reading(opened)
    for piece in [*(piece for piece in pieces if piece), b""]:
        if not reading.done:
            yield reading.take(piece)
            reading.check()


@cache
def _all() -> list[Case]:
    if not (FOLDER / "index.json").exists():
        return []
    return [_read(entry) for entry in json.loads((FOLDER / "index.json").read_text())["cases"]]


def _read(entry: dict[str, Any]) -> Case:
    recorded = json.loads((FOLDER / entry["file"]).read_text())
    answer = recorded["response"]
    body = b64decode(answer["body_b64"]) if "body_b64" in answer else answer["body"].encode()
    return Case(
        id=entry["id"],
        provider=entry["provider"],
        api=entry["api"],
        tags=frozenset(entry["tags"]),
        status=answer["status"],
        streaming=entry["streaming"],
        headers=answer["headers"],
        body=body,
        request=recorded["request"],
        expected=_called(entry["expected"]),
    )


def _called(expected: dict[str, Any]) -> dict[str, Any]:
    """Count the kind of call that tool calls replaced in 2023 among them, as we do."""
    legacy = (expected["extra"] or {}).get("legacy_function_call") if "extra" in expected else None
    return {**expected, "tool_calls": [legacy]} if legacy else expected
