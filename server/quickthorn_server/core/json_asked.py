"""Whether an answer is to be JSON, in whichever of the providers' words that is asked for.  Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from quickthorn_server.core.prompt import JsonObjectFormat, JsonSchemaFormat, Prompt

_FORMS = frozenset(
    {"responseformat", "responsemimetype", "responseschema", "responsejsonschema", "outputformat", "format"}
)
"""Names in small letters and without underscores under which providers are asked for another form than prose."""

_GUIDES = frozenset(
    {
        "guidedjson",
        "guidedregex",
        "guidedchoice",
        "guidedgrammar",
        "structuredoutputs",
        "structuraltag",
        "jsonschema",
        "regex",
        "ebnf",
        "grammar",
    }
)
"""Names under which vLLM, SGLang and llama.cpp are told a form to keep to; whatever it is, our words would break it."""


def wants_json(prompt: Prompt) -> bool:
    """Whether *prompt* asks for JSON, by its own setting or among the options for any provider."""
    if isinstance(prompt.response_format, JsonObjectFormat | JsonSchemaFormat):
        return True
    return any(map(_may_ask, prompt.provider_options_json.values()))


def asks_for_json(options: Mapping[str, Any]) -> bool:
    """Whether *options*, in whichever provider's words and at whatever depth, ask for JSON instead of prose."""
    left = [options]
    while left:
        for name, value in left.pop().items():
            word = name.replace("_", "").lower()
            if (word in _GUIDES and value) or (word in _FORMS and _is_json(value)):
                return True
            if isinstance(value, Mapping):
                left.append(value)
    return False


def _may_ask(options_json: str) -> bool:
    """Whether they ask for JSON; callers choose how deep they are, and what is too deep to be read may ask for it."""
    try:
        return asks_for_json(json.loads(options_json))
    except RecursionError:
        return True


def _is_json(value: object) -> bool:
    if isinstance(value, Mapping):
        return "json" in str(value.get("type", "json")) or value.get("type") == "object"
    return isinstance(value, str) and "json" in value
