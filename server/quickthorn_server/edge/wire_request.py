"""A CompletionRequest read into values, or every fault in it named.

Only form is judged here: whether anybody can answer is the router's to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from quickthorn.v1 import completion_pb2, directives_pb2, options_pb2
from quickthorn_server.core.catalogue import CAPABILITIES, DATA_POLICIES, REGIONS
from quickthorn_server.core.prompt import Prompt, ReasoningEffort, ReasoningOptions, Sampling
from quickthorn_server.core.request import Directives, Objective, Preferences, Priority, Request, Requirements
from quickthorn_server.edge import wire_content, wire_tools
from quickthorn_server.edge.call import is_request_id
from quickthorn_server.edge.violations import Violations
from quickthorn_server.edge.wire_content import is_json_object

_MOST_LABELS, _LONGEST_LABEL = 64, 256

_EFFORTS = {
    options_pb2.REASONING_EFFORT_UNSPECIFIED: None,
    options_pb2.REASONING_EFFORT_NONE: ReasoningEffort.NONE,
    options_pb2.REASONING_EFFORT_MINIMAL: ReasoningEffort.MINIMAL,
    options_pb2.REASONING_EFFORT_LOW: ReasoningEffort.LOW,
    options_pb2.REASONING_EFFORT_MEDIUM: ReasoningEffort.MEDIUM,
    options_pb2.REASONING_EFFORT_HIGH: ReasoningEffort.HIGH,
    options_pb2.REASONING_EFFORT_MAX: ReasoningEffort.MAX,
}
_PRIORITIES = {
    directives_pb2.PRIORITY_UNSPECIFIED: Priority.NORMAL,
    directives_pb2.PRIORITY_BULK: Priority.BULK,
    directives_pb2.PRIORITY_NORMAL: Priority.NORMAL,
    directives_pb2.PRIORITY_CRITICAL: Priority.CRITICAL,
}
_OBJECTIVES = {
    directives_pb2.OBJECTIVE_UNSPECIFIED: None,
    directives_pb2.OBJECTIVE_COST: Objective.COST,
    directives_pb2.OBJECTIVE_LATENCY: Objective.LATENCY,
    directives_pb2.OBJECTIVE_QUALITY: Objective.QUALITY,
}
_CONSISTENCIES = {
    directives_pb2.CONSISTENCY_UNSPECIFIED: False,
    directives_pb2.CONSISTENCY_ANY: False,
    directives_pb2.CONSISTENCY_SAME_MODEL: True,
}


def request(given: completion_pb2.CompletionRequest, request_id: str) -> Request:
    """Return *given* as a value; *request_id* counts where the request names none.

    Raises CallError INVALID_REQUEST that names every field at fault.
    """
    violations = Violations()
    read = Request(
        prompt=_prompt(given, violations),
        route=given.route,
        requirements=_requirements(given.requirements, violations),
        preferences=_preferences(given.preferences, violations),
        directives=_directives(given.directives, violations),
        labels=_labels(given.labels, violations),
        request_id=_request_id(given.request_id or request_id, violations),
    )
    violations.settle()
    return read


def _prompt(given: completion_pb2.CompletionRequest, violations: Violations) -> Prompt:
    tools = wire_tools.tools(given.tools, violations)
    return Prompt(
        messages=wire_content.messages(given.messages, violations),
        system=wire_content.parts(given.system, "system", violations),
        tools=tools,
        tool_choice=wire_tools.tool_choice(given.tool_choice, tools, violations)
        if given.HasField("tool_choice")
        else None,
        response_format=wire_tools.response_format(given.response_format, violations),
        sampling=_sampling(given.sampling, violations),
        reasoning=_reasoning(given.reasoning, violations),
        provider_options_json=_provider_options(given.provider_options_json, violations),
    )


def _sampling(given: options_pb2.Sampling, violations: Violations) -> Sampling:
    def bounded(name: str, low: float, high: float, rule: str) -> None:
        if given.HasField(name):
            violations.check(low <= getattr(given, name) <= high, f"sampling.{name}", f"must be {rule}")

    most = 2**31
    bounded("max_output_tokens", 1, most, "1 or more")
    bounded("temperature", 0, 2, "between 0 and 2")
    bounded("top_p", 1e-9, 1, "above 0 and at most 1")
    bounded("top_k", 1, most, "1 or more")
    bounded("frequency_penalty", -2, 2, "between -2 and 2")
    bounded("presence_penalty", -2, 2, "between -2 and 2")
    for place, sequence in enumerate(given.stop):
        violations.check(bool(sequence), f"sampling.stop[{place}]", "must not be empty")
    names = [descriptor.name for descriptor, _ in given.ListFields() if descriptor.name != "stop"]
    return Sampling(stop=tuple(given.stop), **{name: getattr(given, name) for name in names})


def _reasoning(given: options_pb2.ReasoningOptions, violations: Violations) -> ReasoningOptions:
    budget = given.budget_tokens if given.HasField("budget_tokens") else None
    violations.check(budget is None or budget >= 0, "reasoning.budget_tokens", "must be 0 or more")
    violations.check(given.effort in _EFFORTS, "reasoning.effort", "is not a known effort")
    return ReasoningOptions(effort=_EFFORTS.get(given.effort), budget_tokens=budget, show=given.show)


def _requirements(given: directives_pb2.Requirements, violations: Violations) -> Requirements:
    cost = given.max_cost_nano_usd if given.HasField("max_cost_nano_usd") else None
    violations.check(cost is None or cost >= 0, "requirements.max_cost_nano_usd", "must be 0 or more")
    first = wire_content.seconds(given.max_first_token) if given.HasField("max_first_token") else None
    violations.check(first is None or first > 0, "requirements.max_first_token", "must be more than 0")
    return Requirements(
        capabilities=_words(given.capabilities, CAPABILITIES, "requirements.capabilities", violations),
        regions=_words(given.regions, REGIONS, "requirements.regions", violations),
        data_policies=_words(given.data_policies, DATA_POLICIES, "requirements.data_policies", violations),
        max_cost_nano_usd=cost,
        max_first_token=first,
        min_context_tokens=given.min_context_tokens if given.HasField("min_context_tokens") else None,
    )


def _preferences(given: directives_pb2.Preferences, violations: Violations) -> Preferences:
    violations.check(given.objective in _OBJECTIVES, "preferences.objective", "is not a known objective")
    cost = given.target_cost_nano_usd if given.HasField("target_cost_nano_usd") else None
    violations.check(cost is None or cost >= 0, "preferences.target_cost_nano_usd", "must be 0 or more")
    first = wire_content.seconds(given.target_first_token) if given.HasField("target_first_token") else None
    violations.check(first is None or first > 0, "preferences.target_first_token", "must be more than 0")
    _words(given.regions, REGIONS, "preferences.regions", violations)
    return Preferences(
        objective=_OBJECTIVES.get(given.objective),
        backends=tuple(given.backends),
        regions=tuple(given.regions),
        target_cost_nano_usd=cost,
        target_first_token=first,
    )


def _directives(given: directives_pb2.Directives, violations: Violations) -> Directives:
    violations.check(given.priority in _PRIORITIES, "directives.priority", "is not a known priority")
    violations.check(given.consistency in _CONSISTENCIES, "directives.consistency", "is not a known consistency")
    known = (directives_pb2.ON_BREAK_UNSPECIFIED, directives_pb2.ON_BREAK_FAIL)
    if given.on_break == directives_pb2.ON_BREAK_CONTINUE:
        violations.add("directives.on_break", "CONTINUE is not available in this version; use FAIL")
    else:
        violations.check(given.on_break in known, "directives.on_break", "is not a known way to break")
    return Directives(
        backend=given.backend,
        allow_backends=frozenset(given.allow_backends),
        deny_backends=frozenset(given.deny_backends),
        hedging=given.hedging if given.HasField("hedging") else None,
        failover=given.failover if given.HasField("failover") else None,
        same_model=_CONSISTENCIES.get(given.consistency, False),
        priority=_PRIORITIES.get(given.priority, Priority.NORMAL),
    )


def _words(given: Iterable[str], known: frozenset[str], field: str, violations: Violations) -> frozenset[str]:
    for place, word in enumerate(given):
        if word not in known:
            violations.add(f"{field}[{place}]", f"unknown word; known are {', '.join(sorted(known))}")
    return frozenset(given)


def _provider_options(given: Mapping[str, str], violations: Violations) -> dict[str, str]:
    for provider, text in given.items():
        violations.check(is_json_object(text), f"provider_options_json[{provider!r}]", "must be a JSON object")
    return dict(given)


def _labels(given: Mapping[str, str], violations: Violations) -> dict[str, str]:
    violations.check(len(given) <= _MOST_LABELS, "labels", f"must be at most {_MOST_LABELS}")
    longest = max((len(text) for pair in given.items() for text in pair), default=0)
    violations.check(longest <= _LONGEST_LABEL, "labels", f"must be at most {_LONGEST_LABEL} characters each")
    return dict(given)


def _request_id(given: str, violations: Violations) -> str:
    if given and not is_request_id(given):
        violations.add("request_id", "must be 1 to 128 printable ASCII characters")
    return given
