"""Token counts of generateContent in our one meaning.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.usage import added, count


def usage(reported: Mapping[str, Any], searches: int = 0) -> Usage:
    """Return `usageMetadata` in our meaning.

    The prompt has its cached part in it, but not what tools of Google's read for the model; the candidates are without
    the thoughts (`totalTokenCount` is the sum of the four).
    """
    thoughts = count(reported, "thoughtsTokenCount")
    return Usage(
        input_tokens=added(count(reported, "promptTokenCount"), count(reported, "toolUsePromptTokenCount")),
        output_tokens=added(count(reported, "candidatesTokenCount"), thoughts),
        cache_read_tokens=count(reported, "cachedContentTokenCount"),
        reasoning_tokens=thoughts,
        units={"web_search": searches} if searches else {},
    )
