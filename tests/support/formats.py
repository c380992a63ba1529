"""Which backend of ours speaks the API of a recorded case."""

from __future__ import annotations

from collections.abc import Mapping

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.providers.http_provider import WireFormat
from quickthorn_server.providers.registry import WIRE_FORMATS
from tests.support.recorded import Case

SUPPORT: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("anthropic", "messages"): {"provider": "anthropic"},
    ("openai", "chat_completions"): {"provider": "openai"},
    ("gemini", "generateContent"): {"provider": "gemini"},
    ("gemini", "streamGenerateContent"): {"provider": "gemini"},
    ("gemini", "batchEmbedContents"): {"provider": "gemini"},
    ("vertex", "generateContent"): {"provider": "vertex", "project": "p"},
    ("vertex", "streamGenerateContent"): {"provider": "vertex", "project": "p"},
    ("vertex", "predict"): {"provider": "vertex", "project": "p"},
    ("openai", "responses"): {"provider": "openai", "api": "responses"},
    ("openai", "embeddings"): {"provider": "openai"},
    ("local", "chat_completions"): {"provider": "openai"},
    ("azure_openai", "chat_completions"): {"provider": "azure"},
    ("azure_openai", "responses"): {"provider": "azure", "api": "responses"},
    ("azure_openai", "embeddings"): {"provider": "azure"},
    ("azure_ai", "chat_completions"): {"provider": "azure"},
    ("cerebras", "chat_completions"): {"provider": "cerebras"},
    ("deepseek", "chat_completions"): {"provider": "deepseek"},
    ("groq", "chat_completions"): {"provider": "groq"},
    ("huggingface", "chat_completions"): {"provider": "huggingface"},
    ("mistral", "chat_completions"): {"provider": "mistral"},
    ("mistral", "embeddings"): {"provider": "mistral"},
    ("ollama", "chat_completions"): {"provider": "ollama"},
    ("ollama_cloud", "chat_completions"): {"provider": "ollama"},
    ("openrouter", "chat_completions"): {"provider": "openrouter"},
    ("perplexity", "chat_completions"): {"provider": "perplexity"},
    ("together", "chat_completions"): {"provider": "together"},
    ("vercel_gateway", "chat_completions"): {"provider": "vercel"},
    ("xai", "chat_completions"): {"provider": "xai"},
    ("xai", "responses"): {"provider": "xai", "api": "responses"},
    ("zai", "chat_completions"): {"provider": "zai"},
    ("bedrock", "converse"): {"provider": "bedrock", "aws_region": "us-east-1"},
    ("bedrock", "converse-stream"): {"provider": "bedrock", "aws_region": "us-east-1"},
    ("cohere", "v2_chat"): {"provider": "cohere"},
    ("cohere", "v2_embed"): {"provider": "cohere"},
}
"""(provider, api) of the recordings -> the keys of a backend."""


def supported(case: Case) -> bool:
    """Say whether a backend of ours speaks the case's API."""
    return (case.provider, case.api) in SUPPORT


def wire_of(case: Case) -> WireFormat:
    """Return the wire format of a supported case, without a network."""
    keys = dict(SUPPORT[case.provider, case.api])
    provider = keys.pop("provider")
    backend = Backend("b", provider, "m", "m", base_url=keys.pop("base_url", "http://127.0.0.1:9"), options=keys)
    return WIRE_FORMATS[provider](backend)
