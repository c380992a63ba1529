"""Providers by name, and their settings checked before anything starts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.failures import BackendError
from quickthorn_server.core.known import KNOWN
from quickthorn_server.core.provider import Provider
from quickthorn_server.providers import bedrock
from quickthorn_server.providers.http import HttpClient
from quickthorn_server.providers.http_provider import HttpProvider
from quickthorn_server.providers.local import Local
from quickthorn_server.providers.registry import WIRE_FORMATS, Providers, check_options
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


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (backend("openai"), "https://api.openai.com/v1/models"),
        (backend("openai", "http://h:1/v1", api="responses"), "http://h:1/v1/models"),
        (replace(backend("openai", "http://h/v1"), path="/responses"), "http://h/v1/models"),
        (backend("ollama"), "http://127.0.0.1:11434/v1/models"),
        (
            backend("azure", "https://a.openai.azure.com"),
            "https://a.openai.azure.com/openai/models?api-version=2024-10-21",
        ),
        (
            backend("azure", "https://a.openai.azure.com/openai/deployments/m", api_version="x"),
            "https://a.openai.azure.com/openai/models?api-version=x",
        ),
        (backend("azure", "https://a.openai.azure.com/openai/v1/"), "https://a.openai.azure.com/openai/v1/models"),
        (backend("anthropic"), "https://api.anthropic.com/v1/models?limit=1"),
        (backend("gemini"), "https://generativelanguage.googleapis.com/v1beta/models?pageSize=1"),
        (backend("cohere"), "https://api.cohere.com/v1/models?page_size=1"),
        (backend("cohere", "https://api.cohere.com/v2"), "https://api.cohere.com/v1/models?page_size=1"),
    ],
)
def test_where_models_are_listed(given: Backend, address: str) -> None:
    """Beside the address that prompts go to, whatever that is configured to be; a GET without a body."""
    sent = WIRE_FORMATS[given.provider](given).listing()
    assert (sent.url, sent.body) == (address, b"")


@pytest.mark.parametrize("provider", sorted(WIRE_FORMATS))
def test_every_format_says_where_it_connects_to_and_what_it_lists(provider: str) -> None:
    """What the configuration lets be asked for its models has a list of them, and only that."""
    form = WIRE_FORMATS[provider](backend(provider, "http://h/v1", project="p", aws_region="eu-central-1"))
    assert urlsplit(form.connects_to()).hostname == "h"
    if KNOWN[provider].lists:
        assert urlsplit(form.listing().url).hostname == "h"
    elif provider in {"vertex", "bedrock"}:
        with pytest.raises(BackendError):
            form.listing()
