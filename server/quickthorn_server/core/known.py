"""What is known of a provider without asking it: where it listens, and what its wire format carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quickthorn_server.core.catalogue import CAPABILITIES
from quickthorn_server.core.dialects import AZURE, DIALECTS, OPENAI, Dialect
from quickthorn_server.core.features import ALL_FEATURES, Feature

_SAMPLING = frozenset(
    {
        Feature.TEMPERATURE,
        Feature.TOP_P,
        Feature.FREQUENCY_PENALTY,
        Feature.PRESENCE_PENALTY,
        Feature.SEED,
        Feature.STOP,
    }
)
_GOOGLE = _SAMPLING | {
    Feature.TOP_K,
    Feature.TOOL_CHOICE,
    Feature.STRICT_SCHEMA,
    Feature.EFFORT,
    Feature.THINKING_BUDGET,
    Feature.IMAGE_URI,
    Feature.DOCUMENT_URI,
    Feature.AUDIO_URI,
    Feature.VIDEO_URI,
    Feature.TOOL_RESULT_MEDIA,
    Feature.TOOL_ERRORS,
    Feature.INPUT_TYPE,
    Feature.DIMENSIONS,
    Feature.IMAGE_INPUTS,
}
"""No hints of what to cache: Google caches prefixes by itself, or a whole prompt's beginning made beforehand."""

_GEMINI = _GOOGLE | {
    Feature.STRICT_TOOLS,
    Feature.IMAGE_FILE,
    Feature.DOCUMENT_FILE,
    Feature.AUDIO_FILE,
    Feature.VIDEO_FILE,
}


_WORDS = frozenset({"text", "tools", "json_schema", "reasoning"})


@dataclass(frozen=True, slots=True)
class Known:
    """*base_url*: where it listens, "" = nobody knows before its configuration.

    *keyless*: it may be asked without a key.  *settings*: configuration keys that mean something to it alone.
    *remote*: it is asked over HTTP.  *lists*: its list of models may be asked for.
    *can*: capability words that mean something to its wire format.
    """

    carries: frozenset[Feature]
    can: frozenset[str]
    base_url: str = ""
    keyless: bool = False
    settings: frozenset[str] = frozenset()
    remote: bool = True
    lists: bool = False


def _shaped(dialect: Dialect, *settings: str) -> Known:
    return Known(
        dialect.carries,
        dialect.can,
        dialect.base_url,
        dialect.keyless,
        frozenset({"api", *settings}),
        lists=dialect.lists,
    )


KNOWN: Mapping[str, Known] = {
    "openai": _shaped(OPENAI),
    "azure": _shaped(AZURE, "api_version"),
    **{word: _shaped(dialect) for word, dialect in DIALECTS.items()},
    "anthropic": Known(
        frozenset(
            {
                Feature.TEMPERATURE,
                Feature.TOP_P,
                Feature.TOP_K,
                Feature.STOP,
                Feature.TOOL_CHOICE,
                Feature.PARALLEL_TOOL_CALLS,
                Feature.STRICT_TOOLS,
                Feature.STRICT_SCHEMA,
                Feature.EFFORT,
                Feature.THINKING_BUDGET,
                Feature.CACHE_HINTS,
                Feature.CACHE_TTL,
                Feature.IMAGE_URI,
                Feature.IMAGE_FILE,
                Feature.DOCUMENT_URI,
                Feature.DOCUMENT_FILE,
                Feature.TOOL_RESULT_MEDIA,
                Feature.TOOL_ERRORS,
            }
        ),
        _WORDS | {"vision", "documents", "prefill"},
        "https://api.anthropic.com",
        settings=frozenset({"api_version"}),
        lists=True,
    ),
    "gemini": Known(_GEMINI, CAPABILITIES - {"prefill"}, "https://generativelanguage.googleapis.com", lists=True),
    "vertex": Known(_GOOGLE, CAPABILITIES - {"prefill"}, settings=frozenset({"project", "location"})),
    "bedrock": Known(
        frozenset(
            {
                Feature.TEMPERATURE,
                Feature.TOP_P,
                Feature.TOP_K,
                Feature.STOP,
                Feature.TOOL_CHOICE,
                Feature.STRICT_TOOLS,
                Feature.STRICT_SCHEMA,
                Feature.EFFORT,
                Feature.THINKING_BUDGET,
                Feature.CACHE_HINTS,
                Feature.CACHE_TTL,
                Feature.DOCUMENT_URI,
                Feature.IMAGE_URI,
                Feature.AUDIO_URI,
                Feature.VIDEO_URI,
                Feature.TOOL_RESULT_MEDIA,
                Feature.TOOL_ERRORS,
                Feature.INPUT_TYPE,
                Feature.DIMENSIONS,
                Feature.IMAGE_INPUTS,
            }
        ),
        _WORDS | {"vision", "documents", "audio", "video", "embeddings", "prefill"},
        keyless=True,  # credentials of the machine will do
        settings=frozenset({"aws_region"}),
    ),
    "cohere": Known(
        _SAMPLING
        | {
            Feature.TOP_K,
            Feature.TOOL_CHOICE,
            Feature.STRICT_TOOLS,
            Feature.STRICT_SCHEMA,
            Feature.THINKING_BUDGET,
            Feature.IMAGE_URI,
            Feature.IMAGE_DETAIL,
            Feature.INPUT_TYPE,
            Feature.DIMENSIONS,
            Feature.IMAGE_INPUTS,
        },
        _WORDS | {"vision", "documents", "json_object", "embeddings"},
        "https://api.cohere.com",
        lists=True,
    ),
    "local": Known(
        _SAMPLING | {Feature.TOP_K, Feature.TOOL_CHOICE, Feature.PARALLEL_TOOL_CALLS, Feature.STRICT_SCHEMA},
        _WORDS | {"json_object", "prefill"},
        keyless=True,
        settings=frozenset({"model_path", "context", "parallel", "threads"}),
        remote=False,
    ),
    "scripted": Known(ALL_FEATURES, CAPABILITIES, keyless=True, settings=frozenset({"script"}), remote=False),
}
"""By the provider's word in the configuration."""
