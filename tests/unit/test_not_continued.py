"""Streams that break and are not continued, and what is said of why: in virtual time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quickthorn_server.core.catalogue import OnBreak
from quickthorn_server.core.chunk import (
    Chunk,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    WholePart,
)
from quickthorn_server.core.content import OpaqueState, Part, ProviderBlock, Refusal
from quickthorn_server.core.failures import BackendError, Failure, Reason
from quickthorn_server.core.prompt import JsonObjectFormat, JsonSchemaFormat, Prompt, Tool
from quickthorn_server.providers.scripted import Scripted
from tests.support.cast import PROMPT, Cast, Played
from tests.support.virtual import run_virtual
from tests.unit.test_continue import BROKEN, LOST, REPEATS, Script, streamed, with_needs

TOOL = ProviderBlock("anthropic", "web_search", "{}")
ASKS_FOR_JSON = '{"response_format": {"type": "json_object"}}'


@pytest.mark.parametrize(
    ("chunks", "words"),
    [
        ([ToolCallDelta(1, "c", "f", "{")], "it was calling a tool"),
        ([ReasoningDelta(1, "Hm")], "its thinking had been shown"),
        ([WholePart(1, Part(ProviderBlock("openai", "image", "{}")))], "it held a part that is no text"),
        ([WholePart(1, Part(Refusal("no")))], "it held a part that is no text"),
        (
            [WholePart(0, Part(None, opaque=OpaqueState("gemini", "", "", b"s")))],
            "it held state that only its own backend can read",
        ),
        ([TextDelta(1, "two"), TextDelta(0, "one")], "its texts came mixed"),
    ],
)
def test_what_only_its_own_backend_could_continue_is_not(chunks: list[Chunk], words: str) -> None:
    """Tools in flight, thinking that was seen, other parts, state: the stream breaks as with FAIL, and says why."""
    first: Script = [*BROKEN[:2], *[(0.1, chunk) for chunk in chunks], (0.1, LOST)]
    played, cast = streamed(a=first, b=REPEATS)
    assert played.error is not None
    assert played.error.reason is Reason.STREAM_BROKEN
    assert played.error.metadata == {"not_continued": words}
    assert cast.trace.degraded == f"not continued: {words}"
    assert len(cast.lanes()) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompt": Prompt(PROMPT.messages, response_format=JsonObjectFormat())}, "it was to be JSON"),
        ({"prompt": Prompt(PROMPT.messages, response_format=JsonSchemaFormat("n", "{}"))}, "it was to be JSON"),
        ({"prompt": replace(PROMPT, provider_options_json={"openai": ASKS_FOR_JSON})}, "it was to be JSON"),
        ({"plan": {"failover": False}}, "the call may not fail over"),
        ({"plan": with_needs(Prompt(PROMPT.messages, tools=(Tool(TOOL),)))}, "the provider executes tools"),
    ],
)
def test_some_calls_are_never_continued(change: dict[str, Any], words: str) -> None:
    """Whatever has been said of their answers."""
    played, cast = streamed(a=BROKEN, b=REPEATS, **change)
    assert played.error is not None
    assert played.error.metadata == {"not_continued": words}
    assert len(cast.lanes()) == 1


def test_json_by_the_settings_of_a_backend_is_not_continued() -> None:
    """Half of it is nobody's beginning, whoever asked for it."""

    async def main() -> Played:
        cast = Cast(a=Scripted(BROKEN), b=Scripted(REPEATS))
        a, b = cast.backends.values()
        order = (replace(a, params={"response_format": {"type": "json_object"}}), b)
        return await cast.streamed(cast.plan(on_break=OnBreak.CONTINUE, order=order))

    played = run_virtual(main())
    assert played.error is not None
    assert played.error.metadata == {"not_continued": "it was to be JSON"}


def test_a_failure_that_speaks_for_everybody_is_not_continued() -> None:
    """A request that turns out to be bad in the middle of its answer."""
    played, cast = streamed(a=[*BROKEN[:2], (0.1, BackendError(Failure.INVALID))], b=REPEATS)
    assert played.error is not None
    assert played.error.metadata == {"not_continued": "no other backend would do better"}
    assert len(cast.lanes()) == 1


def test_hidden_thinking_before_the_first_word_is_seen_with_it() -> None:
    """It is delivered once the lane commits, so the caller has it, and nobody else can have thought it."""
    played, _ = streamed(a=[(0.1, ReasoningDelta(0, "Hm")), *BROKEN], b=REPEATS)
    assert played.error is not None
    assert played.error.metadata == {"not_continued": "its thinking had been shown"}
