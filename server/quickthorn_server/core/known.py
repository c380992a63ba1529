"""What is known of a provider without asking it: where it listens, and what its wire format carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quickthorn_server.core.features import Feature

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
_TOOLS = frozenset({Feature.TOOL_CHOICE, Feature.PARALLEL_TOOL_CALLS, Feature.STRICT_TOOLS, Feature.STRICT_SCHEMA})
_CHAT = (
    _SAMPLING
    | _TOOLS
    | {
        Feature.EFFORT,
        Feature.IMAGE_URI,
        Feature.IMAGE_FILE,
        Feature.IMAGE_DETAIL,
        Feature.DOCUMENT_FILE,
        Feature.DIMENSIONS,
    }
)


@dataclass(frozen=True, slots=True)
class Known:
    """*base_url* "" = the configuration must say it.  *keyless*: it may be asked without a key."""

    carries: frozenset[Feature]
    base_url: str = ""
    keyless: bool = False


KNOWN: Mapping[str, Known] = {
    "openai": Known(_CHAT | {Feature.TOKEN_INPUTS}, "https://api.openai.com/v1"),
    "azure": Known(_CHAT | {Feature.TOKEN_INPUTS}),
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
            }
        ),
        "https://api.anthropic.com",
    ),
    "gemini": Known(
        _SAMPLING
        | {
            Feature.TOP_K,
            Feature.TOOL_CHOICE,
            Feature.EFFORT,
            Feature.THINKING_BUDGET,
            Feature.IMAGE_URI,
            Feature.IMAGE_FILE,
            Feature.DOCUMENT_URI,
            Feature.DOCUMENT_FILE,
            Feature.AUDIO_URI,
            Feature.AUDIO_FILE,
            Feature.VIDEO_URI,
            Feature.VIDEO_FILE,
            Feature.INPUT_TYPE,
            Feature.DIMENSIONS,
        },
        "https://generativelanguage.googleapis.com",
    ),
    "bedrock": Known(
        frozenset(
            {
                Feature.TEMPERATURE,
                Feature.TOP_P,
                Feature.STOP,
                Feature.TOOL_CHOICE,
                Feature.CACHE_HINTS,
                Feature.DOCUMENT_URI,
                Feature.IMAGE_URI,
                Feature.VIDEO_URI,
                Feature.TOOL_RESULT_MEDIA,
                Feature.INPUT_TYPE,
                Feature.DIMENSIONS,
            }
        )
    ),
    "cohere": Known(
        _SAMPLING
        | {
            Feature.TOP_K,
            Feature.TOOL_CHOICE,
            Feature.STRICT_TOOLS,
            Feature.THINKING_BUDGET,
            Feature.IMAGE_URI,
            Feature.IMAGE_DETAIL,
            Feature.INPUT_TYPE,
            Feature.DIMENSIONS,
            Feature.IMAGE_INPUTS,
        },
        "https://api.cohere.com",
    ),
    "local": Known(
        _SAMPLING | {Feature.TOP_K, Feature.TOOL_CHOICE, Feature.PARALLEL_TOOL_CALLS, Feature.STRICT_SCHEMA},
        keyless=True,
    ),
    "scripted": Known(frozenset(Feature), keyless=True),
}
"""By the provider's word in the configuration."""
