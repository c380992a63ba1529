"""Bedrock's token counts in our one meaning.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.usage import added, count

_LONG = "1h"


def usage(reported: Mapping[str, Any]) -> Usage:
    """Return Converse's usage in our meaning: input with what was read from the cache and written to it.

    Claude's `inputTokens` leave both out.  Whether a model's do is not told by its name but by its sum: only where
    `totalTokens` are input and output alone are the cache's tokens among the input already.
    """
    said, output = count(reported, "inputTokens"), count(reported, "outputTokens")
    read, written = count(reported, "cacheReadInputTokens"), count(reported, "cacheWriteInputTokens")
    apart = said is None or output is None or count(reported, "totalTokens") != said + output
    return Usage(
        input_tokens=added(said, read, written) if apart and said is not None else said,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_long_tokens=_written_for_long(reported.get("cacheDetails")),
    )


def _written_for_long(details: object) -> int | None:
    """Return the tokens written to the cache for an hour, None where the answer does not tell times apart."""
    if not isinstance(details, list):
        return None
    kept = [detail for detail in details if isinstance(detail, dict) and detail.get("ttl") == _LONG]
    return added(0, *(count(detail, "inputTokens") for detail in kept)) if details else None
