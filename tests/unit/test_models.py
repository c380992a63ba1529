"""What is known of models: sound data, taken where the configuration leaves something open, and only at home."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from quickthorn_server.cli import main
from quickthorn_server.config import default_catalogue, parse
from quickthorn_server.config.models import Model, models
from quickthorn_server.core.catalogue import CAPABILITIES, Backend
from quickthorn_server.core.known import KNOWN
from quickthorn_server.core.usage import Price, Tier

GPT_5_MINI = Price(Decimal("0.25"), Decimal(2), Decimal("0.025"))


def backend(*settings: str) -> Backend:
    """Return the backend that *settings* describe, asked with a key."""
    text = f"backends: [{{name: a, api_key_env: KEY, {', '.join(settings)}}}]\nroutes: [{{name: r, backends: [a]}}]"
    return parse(text, "q.yaml", {"KEY": "k"}).backends["a"]


def named(model: Model) -> str:
    return f"{model.provider}/{model.name}"


@pytest.mark.parametrize("model", list(models()), ids=named)
def test_every_row_is_sound(model: Model) -> None:
    """Words are of our lists, sizes fit each other, tiers rise, and every number has a source that is named."""
    assert model.capabilities <= CAPABILITIES
    assert model.provider in models().providers
    assert model.sources
    assert set(model.sources) <= models().sources.keys()
    assert (model.max_output or 1) <= (model.context_window or 10**9)
    assert ("embeddings" in model.capabilities) or model.dimensions is None
    if model.price is not None:
        amounts = (model.price.input, model.price.output, model.price.cache_read or 0, model.price.cache_write or 0)
        assert all(0 <= amount <= 1000 for amount in amounts)
        lengths = [tier.above for tier in model.price.tiers]
        assert lengths == sorted(set(lengths))
        assert all(tier.input >= model.price.input and tier.output >= model.price.output for tier in model.price.tiers)


def test_a_name_is_known_once() -> None:
    """At one provider no two models share a name or an alias; and there are enough to be of use."""
    names = [(model.provider, name) for model in models() for name in (model.name, *model.aliases)]
    assert len(names) == len(set(names)) == len(models().by_name)
    assert len(models().rows) > 100
    assert models().compiled == date(2026, 11, 20)


GATEWAYS = {"openrouter", "huggingface", "vercel", "vllm", "ollama", "zai"}
"""Who serves anybody's models, at prices of the day or of one's own."""


def test_every_provider_that_has_models_of_its_own_is_there() -> None:
    """With the host it is asked at, where it has one of its own."""
    for word, known in KNOWN.items():
        if known.remote and word not in GATEWAYS:
            assert word in models().providers
            host = known.base_url.removeprefix("https://").partition("/")[0]
            assert not host or host in models().providers[word].hosts


def test_what_is_left_open_is_taken() -> None:
    """Price, sizes and abilities; which of them, the backend says."""
    mini = backend("provider: openai", "model: gpt-5-mini")
    assert (mini.price, mini.context_window, mini.max_output) == (GPT_5_MINI, 400_000, 128_000)
    assert mini.capabilities == {"text", "vision", "documents", "tools", "json_schema", "reasoning"}
    assert mini.assumed == ("price", "context_window", "max_output", "capabilities")
    assert backend("provider: openai", "model: gpt-5-mini-2025-08-07").price == GPT_5_MINI


def test_what_the_configuration_says_counts() -> None:
    """Key by key: a price that is written is whole, its cache prices are not filled in."""
    own = backend(
        "provider: openai", "model: gpt-5-mini", "price: {input: 7, output: 8}", "context_window: 9", "max_output: 5"
    )
    assert (own.price, own.context_window, own.max_output) == (Price(Decimal(7), Decimal(8)), 9, 5)
    assert own.assumed == ("capabilities",)
    poor = backend("provider: openai", "model: gpt-5-mini", "capabilities: [tools]")
    assert poor.capabilities == {"text", "tools"}


@pytest.mark.parametrize(
    ("settings", "known"),
    [
        (["provider: openai", "model: gpt-5-mini", "base_url: https://api.openai.com/v1"], True),
        (["provider: openai", "model: gpt-5-mini", "base_url: https://API.OpenAI.com/v1"], True),
        (["provider: openai", "model: gpt-5-mini", "base_url: https://gateway.example.com/v1"], False),
        (["provider: openai", "model: gpt-5-mini", "base_url: https://api.openai.com.example.com/v1"], False),
        (["provider: openai", "model: gpt-5-mini", "base_url: http://127.0.0.1:8000/v1"], False),
        (["provider: openai", "model: gpt-5-mini", "base_url: https://eu.api.openai.com/v1"], False),
        (["provider: openai", "model: gpt-unheard-of"], False),
        (["provider: openai", "model: openai/gpt-oss-120b", "base_url: https://api.groq.com/openai/v1"], True),
        (["provider: openai", "model: openai/gpt-oss-120b"], False),
        (["provider: openai", "model: gpt-5-mini", "base_url: https://api.groq.com/openai/v1"], False),
        (["provider: openai", "model: claude-opus-5", "base_url: https://api.anthropic.com/v1"], False),
        (["provider: anthropic", "model: claude-opus-5"], True),
        (["provider: azure", "model: gpt-5.2", "base_url: https://x.openai.azure.com"], True),
        (["provider: azure", "model: ours", "model_id: gpt-5.2", "base_url: https://x.openai.azure.com"], True),
        (["provider: azure", "model: ours", "base_url: https://x.openai.azure.com"], False),
        (["provider: azure", "model: gpt-5.2", "base_url: https://azure.example.com"], False),
        (["provider: bedrock", "model: us.anthropic.claude-opus-4-7", "aws_region: us-east-1"], True),
    ],
)
def test_prices_hold_at_home_only(settings: list[str], known: bool) -> None:
    """Another host may charge anything for a model of that name, and know less of what it can do."""
    found = backend(*settings)
    assert (found.price is not None, bool(found.assumed)) == (known, known)
    assert known or found.capabilities == {"text"}


def test_tiers_and_fees_are_taken_with_the_price() -> None:
    """All that a price is: long requests, long cache writes, fees by the piece."""
    sonnet = backend("provider: anthropic", "model: claude-sonnet-4-5").price
    assert sonnet is not None
    assert (sonnet.cache_write_long, sonnet.units) == (Decimal(6), {"web_search": Decimal("0.01")})
    assert sonnet.tiers == (Tier(200_000, Decimal(6), Decimal("22.5"), Decimal("0.6"), Decimal("7.5"), Decimal(12)),)


def test_models_that_embed_are_known_to() -> None:
    """So their space is that of the provider and the model, as if it were written."""
    small = backend("provider: openai", "model: text-embedding-3-small")
    assert small.capabilities == {"embeddings"}
    assert small.embedding_space == "openai/text-embedding-3-small"


def test_nothing_is_read_for_what_runs_here() -> None:
    """The list is read when a configuration asks for it, not by an import, nor for the embedded model."""
    models.cache_clear()
    default_catalogue({})
    assert models.cache_info().currsize == 0
    backend("provider: openai", "model: gpt-5-mini")
    assert models.cache_info().currsize == 1


def test_check_says_what_it_took_from_here(tmp_path: Path) -> None:
    """Backend by backend, with the date of the list; a backend that takes nothing is not named."""
    file = tmp_path / "q.yaml"
    file.write_text(
        "backends:\n"
        "  - {name: a, provider: openai, model: gpt-5-mini, api_key_env: KEY, context_window: 1000}\n"
        "  - {name: b, provider: local}\n"
        "routes: [{name: r, backends: [a, b]}]\n"
    )
    told = CliRunner().invoke(main, ["check", "--no-secrets", "-c", str(file)]).output
    taken = "left open, and taken from `quickthorn models` of 2026-11-20:\n  a: price, max_output, capabilities\n"
    assert taken in told
    described = json.loads(CliRunner().invoke(main, ["check", "--no-secrets", "--json", "-c", str(file)]).output)
    assert described["assumed"] == {"a": ["price", "max_output", "capabilities"]}


def listed(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["models", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_lists_what_is_asked_for() -> None:
    """A row for each model and each tier, what is not known as `-`, and where it all comes from."""
    lines = listed("--provider", "xai", "--search", "4.7").splitlines()
    assert lines[0].split()[:4] == ["provider", "model", "context", "output"]
    assert lines[0].split()[-2:] == ["retires", "can"]
    assert lines[1].split()[:8] == ["xai", "grok-4.7", "500,000", "500,000", "2", "6", "0.5", "-"]
    assert lines[2].split() == ["above", "200,000", "tokens", "4", "12", "1", "-", "-"]
    assert lines[4].startswith("1 of ")
    assert "compiled on 2026-11-20" in lines[4]
    assert [line.strip() for line in lines[6:]] == [models().sources["models.dev"]]
    assert listed("--search", "zzz") == "no model is known by that name\n"
    assert len(listed().splitlines()) > len(models().rows)


def test_the_command_writes_json() -> None:
    """Exact amounts as text, dates as ISO has them, nothing for what is not known."""
    written = json.loads(listed("--search", "GEMINI-2.5-PRO", "--json"))
    assert written["compiled"] == "2026-11-20"
    (model,) = written["models"]
    assert (model["retires"], model["price"]["tiers"][0]["output"]) == ("2026-12-01", "15")
    assert model["price"]["cache_read"] == "0.125"
    assert "dimensions" not in model


def test_an_unknown_provider_is_a_wrong_argument() -> None:
    """With the likeliest word."""
    result = CliRunner().invoke(main, ["models", "--provider", "antropic"])
    assert result.exit_code == 2
    assert 'did you mean "anthropic"?' in result.output
