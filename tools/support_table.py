"""The table of what each provider carries, from the server's own data: README repeats it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from quickthorn_server.core.dialects import RESPONSES
from quickthorn_server.core.features import MAY_DROP, Feature
from quickthorn_server.core.known import KNOWN, Known

_NOTHING = "-"

_TOOLS = {
    Feature.TOOL_CHOICE: "choice",
    Feature.PARALLEL_TOOL_CALLS: "parallel switch",
    Feature.STRICT_TOOLS: "strict",
    Feature.TOOL_RESULT_MEDIA: "media in results",
    Feature.TOOL_ERRORS: "failed results",
}
_THINKING = {Feature.EFFORT: "effort", Feature.THINKING_BUDGET: "budget"}
_CACHE = {Feature.CACHE_HINTS: "yes", Feature.CACHE_TTL: "lifetime"}
_VECTORS = {
    Feature.DIMENSIONS: "dimensions",
    Feature.INPUT_TYPE: "input type",
    Feature.TOKEN_INPUTS: "tokens",
    Feature.IMAGE_INPUTS: "images",
}
_SETTINGS = MAY_DROP - _TOOLS.keys() - _THINKING.keys() - {Feature.STRICT_SCHEMA}


def _named(known: Known, words: Mapping[Feature, str]) -> str:
    return ", ".join(word for feature, word in words.items() if feature in known.carries)


def _if(word: str, told: Callable[[Known], str]) -> Callable[[Known], str]:
    """Return what is told of a provider that knows a capability *word*."""
    return lambda known: (told(known) or "yes") if word in known.can else _NOTHING


def _media(word: str, uri: Feature, file: Feature | None) -> Callable[[Known], str]:
    ways = {uri: "address"} | ({file: "file id"} if file else {})
    return _if(word, lambda known: ", ".join(["bytes", *filter(None, [_named(known, ways)])]))


def _json(known: Known) -> str:
    return ", ".join(word.removeprefix("json_") for word in ("json_object", "json_schema") if word in known.can)


COLUMNS: Mapping[str, Callable[[Known], str]] = {
    "images": _media("vision", Feature.IMAGE_URI, Feature.IMAGE_FILE),
    "documents": _media("documents", Feature.DOCUMENT_URI, Feature.DOCUMENT_FILE),
    "audio": _media("audio", Feature.AUDIO_URI, Feature.AUDIO_FILE),
    "video": _media("video", Feature.VIDEO_URI, Feature.VIDEO_FILE),
    "tools": _if("tools", lambda known: _named(known, _TOOLS)),
    "JSON": lambda known: _json(known) or _NOTHING,
    "thinking": _if("reasoning", lambda known: _named(known, _THINKING)),
    "cache hints": lambda known: _named(known, _CACHE) or _NOTHING,
    "settings it lacks": lambda known: ", ".join(sorted(each.value for each in _SETTINGS - known.carries)) or _NOTHING,
    "embeddings": _if("embeddings", lambda known: _named(known, _VECTORS)),
}


def table() -> str:
    """Return the table in Markdown, a row for each provider."""
    rows = {f"`{word}`": known for word, known in KNOWN.items() if word != "scripted"}
    openai = KNOWN["openai"]
    rows["`api: responses`"] = Known(RESPONSES, openai.can - {"embeddings", "audio"}, openai.base_url)
    lines = [["provider", *COLUMNS], ["---"] * (len(COLUMNS) + 1)]
    lines += [[word, *(told(known) for told in COLUMNS.values())] for word, known in rows.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
