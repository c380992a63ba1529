"""The JSON Schema for editors knows every key, every word and the form of every value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from quickthorn_server.config import json_schema, starter
from quickthorn_server.config.yaml import read
from quickthorn_server.core.catalogue import (
    CAPABILITIES,
    DATA_POLICIES,
    REGIONS,
    BreakerRule,
    RecordRule,
    ServerRule,
    Timeouts,
)

EXAMPLE = Path(__file__).parents[2] / "examples" / "quickthorn.yaml"
SCHEMA = json_schema()
_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, Decimal),
}


def target(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference points to."""
    found: dict[str, Any] = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found


def violations(value: Any, schema: dict[str, Any], where: str = "") -> Iterator[str]:
    """Yield where *value* breaks *schema*: as much of JSON Schema as ours uses."""
    schema = target(schema)
    if "anyOf" in schema and all(list(violations(value, choice, where)) for choice in schema["anyOf"]):
        yield f"{where}: none of anyOf"
    if schema.get("not") == {}:
        yield f"{where}: never allowed"
        return
    if "type" in schema and not isinstance(value, _TYPES[schema["type"]]):
        yield f"{where}: no {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: no word of the list"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{where}: breaks the pattern"
    if value is not None and not isinstance(value, str | dict | list) and value < schema.get("minimum", value):
        yield f"{where}: too small"
    yield from _inside(value, schema, where)


def _inside(value: Any, schema: dict[str, Any], where: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from violations(item, schema.get("items", {}), f"{where}[{index}]")
    if not isinstance(value, dict) or "anyOf" in schema:
        return
    for key in set(schema.get("required", ())) - value.keys():
        yield f"{where}: needs {key}"
    for key, item in value.items():
        inner = schema.get("properties", {}).get(key, schema.get("additionalProperties", False))
        if inner is False:
            yield f"{where}: knows no {key}"
        elif inner is not True:
            yield from violations(item, inner, f"{where}.{key}")


def described(schema: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every key that the schema knows, and what it says of it."""
    if isinstance(schema, dict):
        for key, item in schema.get("properties", {}).items():
            yield f"{where}/{key}", item
        for key, item in schema.items():
            yield from described(item, f"{where}/{key}")


@pytest.mark.parametrize("text", [starter(), EXAMPLE.read_text("utf-8")], ids=["starter", "example"])
def test_what_we_ship_fits_the_schema(text: str) -> None:
    """The starter and the example use known keys, words and forms only."""
    assert list(violations(read(text, "q.yaml").root, SCHEMA)) == []


@pytest.mark.parametrize(
    "fault",
    [
        "timout: 3s",
        "timeouts: {idle: 3}",
        "timeouts: {idle: 3 s}",
        "breaker: {open: -3s}",
        "capabilities: [vison]",
        "price: {input: -1, output: 1}",
        "price: {input: 1}",
        "limits: {rpm: 0}",
        "api_key: sk-1",
        "name: My GPT",
        "context_window: 0",
    ],
)
def test_the_schema_sees_what_an_editor_should_underline(fault: str) -> None:
    """Unknown keys, wrong forms, unknown words, missing keys, and keys of coming versions."""
    fields = {"name": "a", "provider": "local", **read(f"{{{fault}}}", "q.yaml").root}
    assert len(list(violations({"backends": [fields], "routes": []}, SCHEMA))) == 1


def test_every_key_is_described() -> None:
    """Whoever hovers over a key reads what it is for."""
    keys = dict(described(SCHEMA))
    assert len(keys) > 60
    assert [key for key, item in keys.items() if "description" not in item and "description" not in target(item)] == []


def test_closed_words_are_those_of_the_vocabulary() -> None:
    """Capabilities, regions and data policies are exactly those of core."""
    properties = SCHEMA["$defs"]["Backend"]["properties"]
    assert properties["capabilities"]["items"]["enum"] == sorted(CAPABILITIES)
    assert properties["regions"]["items"]["enum"] == sorted(REGIONS)
    assert properties["data_policies"]["items"]["enum"] == sorted(DATA_POLICIES)


def test_the_defaults_that_descriptions_name_are_the_real_ones() -> None:
    """`default 2s` in a description is the default in core."""
    timeouts, breaker, server, records = Timeouts(), BreakerRule(), ServerRule(), RecordRule("")
    real = {
        "Timeouts": {key: f"{getattr(timeouts, key):g}s" for key in ("connect", "first_token", "idle", "total")},
        "Breaker": {
            "consecutive": f"{breaker.consecutive}",
            "open": f"{breaker.open_for:g}s",
            "probes": f"{breaker.probes}",
            "successes": f"{breaker.successes}",
            "window": f"{breaker.window:g}s",
            "min_calls": f"{breaker.min_calls}",
            "failure_rate": f"{breaker.failure_rate:.0%}",
            "slow_first_token": f"{breaker.slow_first_token:g}s",
            "slow_rate": f"{breaker.slow_rate:.0%}",
        },
        "Drain": {"quiet": f"{server.drain_quiet:g}s", "grace": f"{server.drain_grace:g}s"},
        "Records": {
            "max_size": f"{records.max_size // 1024**2}MiB",
            "keep": f"{records.keep}",
            "content": f"{records.content}".lower(),
        },
        "Server": {
            "listen": server.listen,
            "max_in_flight": f"{server.max_in_flight}",
            "heartbeat": f"{server.heartbeat:g}s",
            "write_stall": f"{server.write_stall:g}s",
        },
    }
    for name, defaults in real.items():
        properties = SCHEMA["$defs"][name]["properties"]
        for key, default in defaults.items():
            assert properties[key]["description"].endswith(f"default {default}."), key


def test_the_schema_is_plain_json() -> None:
    """It can be written to a file, and holds no trace of Python: no nulls, no class names as titles."""
    text = json.dumps(SCHEMA)
    assert '"null"' not in text
    assert '"title"' not in text
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
