"""OpenAI-shaped token counts in our one meaning.  Pure."""

from __future__ import annotations

from typing import Any

from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.usage import count


def usage(reported: dict[str, Any]) -> Usage:
    """Return OpenAI-shaped usage in our meaning: input with cache reads, output with reasoning.

    A server whose total only adds up with the reasoning tokens on top (xAI) has left them out of the output.
    """
    said, output = count(reported, "prompt_tokens"), count(reported, "completion_tokens")
    read = count(reported.get("prompt_tokens_details") or {}, "cached_tokens")
    if read is None:
        read = count(reported, "prompt_cache_hit_tokens")  # DeepSeek
    reasoning = count(reported.get("completion_tokens_details") or {}, "reasoning_tokens")
    if (
        said is not None
        and output is not None
        and reasoning
        and reported.get("total_tokens") == said + output + reasoning
    ):
        output += reasoning
    return Usage(input_tokens=said, output_tokens=output, cache_read_tokens=read, reasoning_tokens=reasoning)
