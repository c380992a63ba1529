"""Recorded messages of Anthropic's, read however they are cut, and asked for as they were."""

from __future__ import annotations

import json

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.providers.anthropic import AnthropicFormat
from tests.support.anthropic_prompt import plain, prompt
from tests.support.recorded import Case, answered, check, parameters

MESSAGES = ("anthropic", "messages")
VERTEX = ("vertex_anthropic", "streamRawPredict")  # another address and another key, the same stream


def wire(model: str = "m") -> AnthropicFormat:
    return AnthropicFormat(Backend("b", "anthropic", model, model))


@parameters(MESSAGES, VERTEX)
def test_a_recorded_message_comes_out_as_it_was_meant(case: Case) -> None:
    """Words, thinking, calls, finish reason, usage and failures, however the network cuts the body."""
    for pieces in case.splits():
        check(case, answered(wire(), case, pieces))


@parameters(MESSAGES)
def test_a_recorded_request_is_what_we_would_send(case: Case) -> None:
    """Read as a prompt and written again, in the long form in which we write everything."""
    request = case.request["json"]
    if any(not isinstance(turn, dict) for turn in request["messages"]):
        pytest.skip("the recorded request is wrong on purpose")
    expected = plain(request)
    sent = wire(request["model"]).request(prompt(expected), whole="stream" not in expected)
    assert json.loads(sent.body) == expected
    assert sent.url == "https://api.anthropic.com/v1/messages"
