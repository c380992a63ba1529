"""Token counts of the Messages API in our one meaning.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.usage import added, count

_READ, _WRITTEN = "cache_read_input_tokens", "cache_creation_input_tokens"


def merged(so_far: Mapping[str, Any], reported: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts of a stream: they are cumulative, and what a later report leaves out still stands."""
    return {**so_far, **{name: value for name, value in reported.items() if value is not None}}


def usage(reported: Mapping[str, Any]) -> Usage:
    """Return usage in our meaning: the API's `input_tokens` leave out what was read from and written to the cache.

    Writing a summary of a long conversation (`compaction`) is charged beside the counts at the top.
    """
    counts = [reported, *_compactions(reported)]
    read, written = _sum(counts, _READ), _sum(counts, _WRITTEN)
    given = _sum(counts, "input_tokens")
    return Usage(
        input_tokens=None if given is None else added(given, read, written),
        output_tokens=_sum(counts, "output_tokens"),
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_long_tokens=_long(reported.get("cache_creation"), written),
        reasoning_tokens=count(_mapping(reported.get("output_tokens_details")), "thinking_tokens"),
        units=_units(_mapping(reported.get("server_tool_use"))),
    )


def _long(split: Any, written: int | None) -> int | None:
    """Return what was written for an hour.

    A stream says it at its beginning only: it holds as long as the two lifetimes still add up to all that was written.
    """
    short, long = (count(_mapping(split), f"ephemeral_{ttl}_input_tokens") for ttl in ("5m", "1h"))
    return long if added(short, long) == written else None


def _units(used: Mapping[str, Any]) -> dict[str, int]:
    """Return what is charged by the piece; fetching pages is free."""
    searches = count(used, "web_search_requests")
    return {"web_search": searches} if searches else {}


def _compactions(reported: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    steps = reported.get("iterations")
    entries = steps if isinstance(steps, list) else []
    return [entry for entry in entries if isinstance(entry, dict) and entry.get("type") == "compaction"]


def _sum(counts: Iterable[Mapping[str, Any]], name: str) -> int | None:
    return added(*(count(each, name) for each in counts))


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, dict) else {}
