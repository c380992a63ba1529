"""What a request may ask for beside plain words, as far as wire formats differ in it."""

from __future__ import annotations

from collections.abc import Iterable

from quickthorn_server.core.word import Word


class Feature(Word):
    """One thing a wire format carries or does not; the values are the words of reasons and of `directives.may_drop`."""

    TEMPERATURE = "temperature"
    TOP_P = "top_p"
    TOP_K = "top_k"
    FREQUENCY_PENALTY = "frequency_penalty"
    PRESENCE_PENALTY = "presence_penalty"
    SEED = "seed"
    STOP = "stop"
    TOOL_CHOICE = "tool_choice"
    PARALLEL_TOOL_CALLS = "parallel_tool_calls"
    STRICT_TOOLS = "strict_tools"
    STRICT_SCHEMA = "strict_schema"
    EFFORT = "effort"
    THINKING_BUDGET = "thinking_budget"
    CACHE_HINTS = "cache_hints"
    CACHE_TTL = "cache_ttl"
    IMAGE_URI = "image_uri"
    IMAGE_FILE = "image_file"
    IMAGE_DETAIL = "image_detail"
    DOCUMENT_URI = "document_uri"
    DOCUMENT_FILE = "document_file"
    AUDIO_URI = "audio_uri"
    AUDIO_FILE = "audio_file"
    VIDEO_URI = "video_uri"
    VIDEO_FILE = "video_file"
    TOOL_RESULT_MEDIA = "tool_result_media"
    TOOL_ERRORS = "tool_errors"
    INPUT_TYPE = "input_type"
    DIMENSIONS = "dimensions"
    TOKEN_INPUTS = "token_inputs"  # noqa: S105 - a feature, no secret
    IMAGE_INPUTS = "image_inputs"


ALL_FEATURES = frozenset(Feature)

HINTS = frozenset(
    {Feature.CACHE_HINTS, Feature.CACHE_TTL, Feature.IMAGE_DETAIL, Feature.INPUT_TYPE, Feature.TOOL_ERRORS}
)
"""What a request says twice, or only to save: left out where it cannot be carried, whether or not the caller allows it.

That a tool failed stands in what it returned, too.
"""

MAY_DROP = frozenset(
    {
        Feature.TEMPERATURE,
        Feature.TOP_P,
        Feature.TOP_K,
        Feature.FREQUENCY_PENALTY,
        Feature.PRESENCE_PENALTY,
        Feature.SEED,
        Feature.STOP,
        Feature.TOOL_CHOICE,
        Feature.PARALLEL_TOOL_CALLS,
        Feature.STRICT_TOOLS,
        Feature.STRICT_SCHEMA,
        Feature.EFFORT,
        Feature.THINKING_BUDGET,
    }
)
"""What a caller may allow to be left out: a setting, never a piece of what is asked."""


def named(features: Iterable[Feature]) -> str:
    """Return the words of *features* for people."""
    return ", ".join(sorted(feature.value for feature in features))
