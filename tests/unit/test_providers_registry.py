"""Providers by name, and their settings checked before anything starts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.provider import Provider
from quickthorn_server.providers import bedrock
from quickthorn_server.providers.http import HttpClient
from quickthorn_server.providers.http_provider import HttpProvider
from quickthorn_server.providers.local import Local
from quickthorn_server.providers.registry import Providers, check_options
from quickthorn_server.providers.scripted import Scripted
from tests.support.virtual import run_virtual


def backend(provider: str, base_url: str = "", **options: Any) -> Backend:
    return Backend(provider, provider, "m", "m", base_url=base_url, options=options)


def test_every_word_makes_its_provider() -> None:
    """One provider per backend, by the backend's name."""

    async def main() -> dict[str, type[Provider]]:
        backends = [backend("openai"), backend("scripted", script=[{"text": "a"}]), backend("local")]
        async with HttpClient() as http, Providers(backends, http) as providers:
            assert len(providers) == 3
            return {name: type(provider) for name, provider in providers.items()}

    assert run_virtual(main()) == {"openai": HttpProvider, "scripted": Scripted, "local": Local}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (backend("openai"), ""),
        (backend("openai", "https://api.example/v1"), ""),
        (backend("openai", "http://127.0.0.1:8000"), ""),
        (backend("openai", "api.example/v1"), "base_url"),
        (backend("openai", "ftp://api.example"), "base_url"),
        (backend("openai", "https://"), "base_url"),
        (backend("openai", "http://host:99999"), "base_url"),
        (backend("openai", "http://[::1"), "base_url"),
        (backend("scripted", script=[{"text": "a"}]), ""),
        (backend("scripted", script=[{"txet": "a"}]), "txet"),
        (backend("scripted"), "script"),
        (backend("local"), ""),
        (backend("vertex", project="p"), ""),
        (backend("vertex", location="europe-west4"), ""),
        (backend("vertex", location="evil.example/"), "location"),
        (backend("cohere", "api.cohere.com"), "base_url"),
        (backend("bedrock", aws_region="us-east-1"), ""),
        (backend("bedrock", aws_region="eu west/1"), "aws_region"),
        (backend("bedrock", "https://bedrock-runtime.us-east-1.amazonaws.com"), ""),
    ],
)
def test_settings_are_checked_in_words(given: Backend, problem: str) -> None:
    """What a provider could not work with is said by `check`, not by the first call."""
    found = check_options(given)
    assert len(found) == bool(problem)
    assert all(problem in line for line in found)


@pytest.mark.parametrize(
    ("provider", "given", "problem"),
    [
        ("anthropic", {"output_config": 5}, "params.output_config: must be a mapping"),
        ("anthropic", {"tool_choice": "auto"}, "params.tool_choice: must be a mapping"),
        ("anthropic", {"max_tokens": "abc", "thinking": None}, "params.max_tokens: must be a number"),
        ("gemini", {"generationConfig": [1]}, "params.generationConfig: must be a mapping"),
        ("vertex", {"generation_config": {"thinkingConfig": 5}}, "params.generation_config.thinkingConfig: must be"),
        ("gemini", {"temperature": True}, "params.temperature: must be a number"),
        ("bedrock", {"inferenceConfig": {"maxTokens": "abc"}}, "params.inferenceConfig.maxTokens: must be a number"),
        ("openai", {"tool_choice": "auto", "reasoning": 5}, ""),
        ("openai", {"temperature": "hot"}, "params.temperature: must be a number"),
    ],
)
def test_params_of_the_wrong_kind_are_found_before_the_first_call(
    provider: str, given: dict[str, Any], problem: str
) -> None:
    """They would stop the server, or fail every call as a fault of ours; what else they mean is the provider's."""
    found = check_options(replace(backend(provider, aws_region="us-east-1", project="p"), params=given))
    assert len(found) == bool(problem)
    assert all(line.startswith(problem) for line in found)


def test_the_responses_interface_counts_on_other_params() -> None:
    """What is a word in one interface is a mapping in the other."""
    given = replace(backend("openai", api="responses"), params={"reasoning": "high"})
    assert check_options(given) == ["params.reasoning: must be a mapping"]


def test_a_missing_extra_is_said_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bedrock needs AWS's own library, and says so before it is needed."""
    monkeypatch.setattr(bedrock, "INSTALLED", False)
    assert check_options(backend("bedrock", aws_region="us-east-1")) == [
        "provider: bedrock needs botocore; pip install 'quickthorn[bedrock]'"
    ]
