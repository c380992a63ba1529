"""A CompletionRequest read into values, or every fault in it named.

Only form is judged here: whether anybody can answer is the router's to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from quickthorn.v1 import completion_pb2, directives_pb2, options_pb2
from quickthorn_server.core.catalogue import REGIONS
from quickthorn_server.core.prompt import Prompt, ReasoningEffort, ReasoningOptions, Sampling
from quickthorn_server.core.request import (
    NO_DIRECTIVES,
    NO_PREFERENCES,
    NO_REQUIREMENTS,
    Objective,
    Preferences,
    Request,
)
from quickthorn_server.edge import wire_content, wire_rules, wire_tools
from quickthorn_server.edge.violations import Violations
from quickthorn_server.edge.wire_content import Fields

_EFFORTS = {
    options_pb2.REASONING_EFFORT_UNSPECIFIED: None,
    options_pb2.REASONING_EFFORT_NONE: ReasoningEffort.NONE,
    options_pb2.REASONING_EFFORT_MINIMAL: ReasoningEffort.MINIMAL,
    options_pb2.REASONING_EFFORT_LOW: ReasoningEffort.LOW,
    options_pb2.REASONING_EFFORT_MEDIUM: ReasoningEffort.MEDIUM,
    options_pb2.REASONING_EFFORT_HIGH: ReasoningEffort.HIGH,
    options_pb2.REASONING_EFFORT_MAX: ReasoningEffort.MAX,
}
_OBJECTIVES = {
    directives_pb2.OBJECTIVE_UNSPECIFIED: None,
    directives_pb2.OBJECTIVE_COST: Objective.COST,
    directives_pb2.OBJECTIVE_LATENCY: Objective.LATENCY,
    directives_pb2.OBJECTIVE_QUALITY: Objective.QUALITY,
}
# Values are frozen, so all requests share those of what they leave out.
_NO_SAMPLING, _NO_REASONING = Sampling(), ReasoningOptions()
_NO_WORDS: Mapping[str, str] = MappingProxyType({})

_MOST = 2**31
_BOUNDS = {
    "max_output_tokens": (1, _MOST, "must be 1 or more"),
    "temperature": (0, 2, "must be between 0 and 2"),
    "top_p": (1e-9, 1, "must be above 0 and at most 1"),
    "top_k": (1, _MOST, "must be 1 or more"),
    "frequency_penalty": (-2, 2, "must be between -2 and 2"),
    "presence_penalty": (-2, 2, "must be between -2 and 2"),
}


def request(given: completion_pb2.CompletionRequest, request_id: str) -> Request:
    """Return *given* as a value; *request_id* counts where the request names none.

    Raises CallError INVALID_REQUEST that names every field at fault.
    """
    violations = Violations()
    # What is there, asked once: a question by name for each of fifteen fields takes longer than all the rest.
    said: Fields = {}
    for descriptor, value in given.ListFields():
        said[descriptor.name] = value
    read = Request(
        prompt=_prompt(said, violations),
        route=said.get("route", ""),
        requirements=wire_rules.requirements(said["requirements"], violations)
        if "requirements" in said
        else NO_REQUIREMENTS,
        preferences=preferences(said["preferences"], violations) if "preferences" in said else NO_PREFERENCES,
        directives=wire_rules.directives(said["directives"], violations) if "directives" in said else NO_DIRECTIVES,
        labels=wire_rules.labels(said["labels"], violations) if "labels" in said else _NO_WORDS,
        request_id=wire_rules.identifier(chosen, violations) if (chosen := said.get("request_id")) else request_id,
    )
    violations.settle()
    return read


def _prompt(said: Fields, violations: Violations) -> Prompt:
    tools = wire_tools.tools(said["tools"], violations) if "tools" in said else ()
    options = said.get("provider_options_json")
    return Prompt(
        messages=wire_content.messages(said.get("messages", ()), violations),
        system=wire_content.system(said["system"], violations) if "system" in said else (),
        tools=tools,
        tool_choice=wire_tools.tool_choice(said["tool_choice"], tools, violations) if "tool_choice" in said else None,
        response_format=wire_tools.response_format(said["response_format"], violations)
        if "response_format" in said
        else None,
        sampling=_sampling(said["sampling"], violations) if "sampling" in said else _NO_SAMPLING,
        reasoning=_reasoning(said["reasoning"], violations) if "reasoning" in said else _NO_REASONING,
        provider_options_json=wire_rules.provider_options(options, violations) if options else _NO_WORDS,
    )


def _sampling(given: options_pb2.Sampling, violations: Violations) -> Sampling:
    said: dict[str, Any] = {}
    for descriptor, value in given.ListFields():
        name = descriptor.name
        if name in _BOUNDS:
            low, high, rule = _BOUNDS[name]
            if not low <= value <= high:
                violations.add(f"sampling.{name}", rule)
        elif name == "stop":
            value = tuple(value)  # noqa: PLW2901 - the same as a value of ours
            for place, sequence in enumerate(value):
                violations.check(bool(sequence), f"sampling.stop[{place}]", "must not be empty")
        said[name] = value
    return Sampling(**said)


def _reasoning(given: options_pb2.ReasoningOptions, violations: Violations) -> ReasoningOptions:
    budget = wire_content.natural(given, "budget_tokens", "reasoning", violations)
    violations.check(given.effort in _EFFORTS, "reasoning.effort", "is not a known effort")
    return ReasoningOptions(effort=_EFFORTS.get(given.effort), budget_tokens=budget, show=given.show)


def preferences(given: directives_pb2.Preferences, violations: Violations) -> Preferences:
    """Read what would be nice."""
    violations.check(given.objective in _OBJECTIVES, "preferences.objective", "is not a known objective")
    cost = wire_content.natural(given, "target_cost_nano_usd", "preferences", violations)
    first = wire_content.positive_seconds(given, "target_first_token", "preferences", violations)
    wire_rules.words(given.regions, REGIONS, "preferences.regions", violations)
    return Preferences(
        objective=_OBJECTIVES.get(given.objective),
        backends=tuple(given.backends),
        regions=tuple(given.regions),
        target_cost_nano_usd=cost,
        target_first_token=first,
    )
