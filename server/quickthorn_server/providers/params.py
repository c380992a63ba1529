"""Whether a backend's `params` are of the kinds that its wire format counts on; its provider judges the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.dialects import by_responses

_NUMBERS = frozenset({"maxtokens", "maxoutputtokens", "maxcompletiontokens", "temperature", "topp", "topk"})
_GOOGLES = frozenset({"generationconfig", "toolconfig", "thinkingconfig"})
_OBJECTS: Mapping[str, frozenset[str]] = {
    "anthropic": frozenset({"outputconfig", "thinking", "toolchoice"}),
    "bedrock": frozenset({"inferenceconfig", "outputconfig", "additionalmodelrequestfields", "thinking"}),
    "gemini": _GOOGLES,
    "vertex": _GOOGLES,
}
_OF_RESPONSES = frozenset({"reasoning"})
"""Names in small letters and without underscores: some formats take `top_p`, some `topP`, some both."""


def problems(backend: Backend) -> list[str]:
    """Return what is of the wrong kind, in words for whoever wrote it."""
    responses = by_responses(backend.options.get("api"), backend.path)
    objects = _OBJECTS.get(backend.provider, _OF_RESPONSES if responses else frozenset())
    return list(_wrong("params", backend.params, objects))


def _wrong(path: str, given: Mapping[str, Any], objects: frozenset[str]) -> Iterator[str]:
    for name, value in given.items():
        place, folded = f"{path}.{name}", name.replace("_", "").lower()
        if value is None:
            continue  # leaves the field out
        if folded in objects and not isinstance(value, Mapping):
            yield f"{place}: must be a mapping"
        elif folded in objects:
            yield from _wrong(place, value, objects)
        elif folded in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float)):
            yield f"{place}: must be a number"
