"""OpenAI-shaped token counts in our one meaning.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.usage import count

_UNITS = {"num_search_queries": "web_search", "num_sources_used": "web_source"}
"""What is paid for by the piece: Perplexity's and xAI's names for it, and ours."""

_PLAIN = {"prompt_tokens", "completion_tokens", "total_tokens"}
"""What those report that know of no caches and no thinking."""

_NOTHING: dict[str, Any] = {}


def usage(reported: dict[str, Any]) -> Usage:
    """Return the usage of a chat completion in our meaning: input with cache reads, output with reasoning.

    A server whose total only adds up with the reasoning tokens on top (xAI) has left them out of the output.  What a
    gateway says it cost is not kept: costs are those of the price table, in whole nano-dollars.
    """
    said, output = count(reported, "prompt_tokens"), count(reported, "completion_tokens")
    if reported.keys() <= _PLAIN:
        return Usage(input_tokens=said, output_tokens=output)
    given = reported.get("prompt_tokens_details") or _NOTHING
    read = count(given, "cached_tokens")
    if read is None:
        read = count(reported, "prompt_cache_hit_tokens")  # DeepSeek
    written = count(given, "cache_write_tokens")
    if written is None:
        written = count(reported, "cache_creation_input_tokens")  # Vercel
    reasoning = count(reported.get("completion_tokens_details") or _NOTHING, "reasoning_tokens")
    if (
        said is not None
        and output is not None
        and reasoning
        and reported.get("total_tokens") == said + output + reasoning
    ):
        output += reasoning
    return Usage(
        input_tokens=said,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        units=_units(reported),
    )


def responses_usage(reported: dict[str, Any], tools: Mapping[str, Any]) -> Usage:
    """Return the usage of a response, and of the *tools* that the provider ran for it."""
    given = reported.get("input_tokens_details") or _NOTHING
    units = _units(reported)
    searched = count(tools.get("web_search") or _NOTHING, "num_requests")
    if searched:
        units["web_search"] = searched
    return Usage(
        input_tokens=count(reported, "input_tokens"),
        output_tokens=count(reported, "output_tokens"),
        cache_read_tokens=count(given, "cached_tokens"),
        cache_write_tokens=count(given, "cache_write_tokens"),
        reasoning_tokens=count(reported.get("output_tokens_details") or _NOTHING, "reasoning_tokens"),
        units=units,
    )


def _units(reported: dict[str, Any]) -> dict[str, int]:
    """Return what was used of what is paid for by the piece."""
    units = {unit: number for name, unit in _UNITS.items() if (number := count(reported, name))}
    searched = count(reported.get("server_tool_use") or _NOTHING, "web_search_requests")  # OpenRouter
    return {**units, "web_search": searched} if searched else units
