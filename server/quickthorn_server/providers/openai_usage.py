"""OpenAI-shaped token counts in our one meaning.  Pure."""

from __future__ import annotations

from typing import Any

from quickthorn_server.core.usage import Usage

_MOST_TOKENS = 2**53  # what a number in JSON can hold exactly


def usage(reported: dict[str, Any]) -> Usage:
    """Return OpenAI-shaped usage in our meaning: input with cache reads, output with reasoning.

    A server whose total only adds up with the reasoning tokens on top (xAI) has left them out of the output.
    """
    said, output = _count(reported, "prompt_tokens"), _count(reported, "completion_tokens")
    read = _count(reported.get("prompt_tokens_details") or {}, "cached_tokens")
    if read is None:
        read = _count(reported, "prompt_cache_hit_tokens")  # DeepSeek
    reasoning = _count(reported.get("completion_tokens_details") or {}, "reasoning_tokens")
    if (
        said is not None
        and output is not None
        and reasoning
        and reported.get("total_tokens") == said + output + reasoning
    ):
        output += reasoning
    return Usage(input_tokens=said, output_tokens=output, cache_read_tokens=read, reasoning_tokens=reasoning)


def _count(reported: dict[str, Any], name: str) -> int | None:
    """Return a number of tokens; None for anything that is none."""
    value = reported.get(name)
    return value if isinstance(value, int) and 0 <= value < _MOST_TOKENS else None
