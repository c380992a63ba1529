"""An answer that was begun for the model: how each wire format says so, and what comes back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickthorn_server.config import parse
from quickthorn_server.core.beginning import Beginning
from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Chunk, End, FinishReason, ReasoningDelta, TextDelta, ToolCallDelta, UsageReport
from quickthorn_server.core.content import Message, Part, Role, Text
from quickthorn_server.core.known import KNOWN
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.provider import Ask
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.anthropic import AnthropicFormat
from quickthorn_server.providers.bedrock import BedrockFormat
from quickthorn_server.providers.echo import Echoless
from quickthorn_server.providers.http import HttpClient
from quickthorn_server.providers.openai_request import RequestForm
from quickthorn_server.providers.registry import Providers
from tests.support.laws import law
from tests.support.virtual import run_virtual

BEGUN = "The sea is"
PROMPT = Prompt(
    (Message(Role.USER, (Part(Text("hi")),)), Message(Role.ASSISTANT, (Part(Text(BEGUN)),))),
    prefill=True,
)
LAST = {"role": "assistant", "content": BEGUN}


def openai_body(provider: str, prompt: Prompt = PROMPT) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(RequestForm(Backend("b", provider, "m", "m")).body(prompt, whole=False))
    return body


@pytest.mark.parametrize(
    ("provider", "mark", "besides"),
    [
        ("mistral", {"prefix": True}, {}),
        ("deepseek", {"prefix": True}, {}),
        ("openrouter", {}, {}),
        ("vllm", {}, {"add_generation_prompt": False, "continue_final_message": True}),
    ],
)
def test_a_beginning_is_marked_as_the_server_wants_it(
    provider: str, mark: dict[str, Any], besides: dict[str, Any]
) -> None:
    """In its message or beside it; and an assistant's turn that merely stands last is not marked at all."""
    body = openai_body(provider)
    assert body["messages"][-1] == LAST | mark
    assert {key: body[key] for key in besides} == besides
    plain = openai_body(provider, Prompt(PROMPT.messages))
    assert plain["messages"][-1] == LAST
    assert not besides.keys() & plain.keys()


@pytest.mark.parametrize("thinking", [{"type": "enabled", "budget_tokens": 2048}, {"type": "adaptive"}])
def test_a_model_that_thinks_by_default_does_not_when_its_answer_has_begun(thinking: dict[str, Any]) -> None:
    """Thinking stands before an answer: asked for both, Anthropic's models refuse."""
    backend = Backend("b", "anthropic", "claude-sonnet-4-5", "m", params={"thinking": thinking})
    asked = json.loads(AnthropicFormat(backend).request(PROMPT, whole=False).body)
    assert asked["messages"][-1] == {"role": "assistant", "content": [{"type": "text", "text": BEGUN}]}
    assert "thinking" not in asked
    params = {"additionalModelRequestFields": {"thinking": thinking}}
    backend = Backend("b", "bedrock", "anthropic.claude-sonnet-4-5", "m", params=params)
    asked = json.loads(BedrockFormat(backend).request(PROMPT, whole=False).body)
    assert asked["messages"][-1] == {"role": "assistant", "content": [{"text": BEGUN}]}
    assert "thinking" not in asked.get("additionalModelRequestFields", {})


@pytest.mark.parametrize(
    ("provider", "model", "able"),
    [
        ("anthropic", "claude-sonnet-4-5", True),
        ("anthropic", "claude-opus-4-6", False),
        ("anthropic", "claude-sonnet-5-5", False),
        ("mistral", "mistral-large-2512", True),
        ("mistral", "magistral-medium-latest", False),
        ("deepseek", "deepseek-v4-pro", False),
        ("openai", "gpt-4.1", False),
    ],
)
def test_only_those_known_for_it_are_said_to_write_on(provider: str, model: str, able: bool) -> None:
    """Claude refuses since 4.6; DeepSeek takes it at its beta address alone, so the configuration has to say so."""
    text = f"backends: [{{name: a, provider: {provider}, model: {model}, api_key_env: KEY}}]\n"
    catalogue = parse(text + "routes: [{name: r, backends: [a]}]", "q.yaml", {"KEY": "k"})
    assert ("prefill" in catalogue.backends["a"].capabilities) is able


def test_who_has_no_word_for_it_is_known() -> None:
    """`quickthorn check` warns of the capability where the wire format cannot say it."""
    able = {word for word, known in KNOWN.items() if "prefill" in known.can}
    assert able == {"anthropic", "bedrock", "deepseek", "local", "mistral", "openrouter", "scripted", "vllm"}


@law(300)
@given(st.text("ab\n é🌿", max_size=12), st.lists(st.text("ab\n é🌿", max_size=5), max_size=12))
def test_a_beginning_is_taken_away_once_however_it_comes(expected: str, pieces: list[str]) -> None:
    """Over any pieces: all of it or nothing, once; never more is held back than could still be it."""
    beginning, passed = Beginning(expected), ""
    for count, piece in enumerate(pieces, start=1):
        passed += beginning.take(piece)
        come = "".join(pieces[:count])
        held = len(come) - len(passed) - (len(expected) if beginning.dropped else 0)
        assert held == (len(come) if beginning.dropped is None else 0)
        assert held < max(1, len(expected))
    passed += beginning.close()
    assert passed == "".join(pieces).removeprefix(expected)


class Says:
    """Says *bursts* to anybody."""

    def __init__(self, *bursts: Sequence[Chunk]) -> None:
        self._bursts = bursts

    async def stream(self, ask: Ask) -> Any:
        """Say them."""
        del ask
        for burst in self._bursts:
            yield burst

    async def whole(self, ask: Ask) -> Sequence[Chunk]:
        """Say them at once."""
        del ask
        return [chunk for burst in self._bursts for chunk in burst]

    async def close(self) -> None:
        """Do nothing."""


END = End(FinishReason.STOP)
REPORT = UsageReport(Usage(1, 1))


@pytest.mark.parametrize(
    ("bursts", "heard"),
    [
        ([[TextDelta(0, BEGUN)], [TextDelta(0, " deep."), END]], " deep."),
        ([[REPORT, TextDelta(0, BEGUN + " deep.")], [END]], " deep."),
        (
            [[TextDelta(0, "The "), TextDelta(0, "sea"), REPORT], [TextDelta(0, " is"), TextDelta(0, " deep."), END]],
            " deep.",
        ),
        ([[TextDelta(0, " deep."), END]], " deep."),
        ([[TextDelta(0, "The sea"), END]], "The sea"),
        ([[TextDelta(0, BEGUN + BEGUN), END]], BEGUN),
        ([[ReasoningDelta(0, BEGUN), TextDelta(1, BEGUN), END]], ""),
        ([[TextDelta(0, "The"), ToolCallDelta(1, "c", "f", "{}"), END]], "The"),
    ],
)
def test_what_a_provider_repeats_is_not_said_twice(bursts: list[list[Chunk]], heard: str) -> None:
    """Mistral says the beginning it was given once more; it is taken away if it is all there, and nothing else is."""

    async def main(prompt: Prompt) -> list[Chunk]:
        stream = Echoless(Says(*bursts)).stream(Ask(prompt, "", 1.0))  # type: ignore[arg-type]  # it has what is needed
        return [chunk async for burst in stream for chunk in burst]

    chunks = run_virtual(main(PROMPT))
    assert "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta)) == heard
    others = [chunk for burst in bursts for chunk in burst if not isinstance(chunk, TextDelta)]
    assert [chunk for chunk in chunks if not isinstance(chunk, TextDelta)] == others
    assert run_virtual(main(Prompt(PROMPT.messages))) == [chunk for burst in bursts for chunk in burst]


def test_mistral_is_who_repeats() -> None:
    """It is asked through what takes the repetition away; nobody else is."""

    async def main() -> list[str]:
        backends = [
            Backend(word, word, "m", "m", options={"script": [{"text": "x"}]}) for word in KNOWN if word != "bedrock"
        ]
        async with HttpClient() as http, Providers(backends, http) as providers:
            return [name for name, provider in providers.items() if isinstance(provider, Echoless)]

    assert run_virtual(main()) == ["mistral"]
