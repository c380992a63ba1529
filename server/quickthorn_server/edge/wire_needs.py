"""What a plan is made of, written into records without the call's content, and read back from them."""

from __future__ import annotations

from typing import Any

from google.protobuf.duration_pb2 import Duration

from quickthorn.v1 import record_pb2
from quickthorn_server.core.content import OpaqueState
from quickthorn_server.core.features import Feature
from quickthorn_server.core.outline import Needs, Outline
from quickthorn_server.core.request import (
    NO_DIRECTIVES,
    NO_PREFERENCES,
    Directives,
    Objective,
    Preferences,
    Priority,
)
from quickthorn_server.edge import wire_request, wire_rules
from quickthorn_server.edge.violations import Violations
from quickthorn_server.edge.wire_content import seconds, span

Json = dict[str, Any]

_PRIORITIES = {priority: f"PRIORITY_{priority.name}" for priority in Priority}
_FEATURES = {feature.word: feature for feature in Feature}
_OBJECTIVES = {objective: f"OBJECTIVE_{objective.name}" for objective in Objective}


def needs_json(outline: Outline) -> Json:
    """Return the proto3 JSON of a RecordedNeeds; the route and the estimate of tokens stand elsewhere in a record."""
    need = outline.needs
    written: Json = {"capabilities": sorted(need.capabilities), "contextTokens": str(need.context_tokens)}
    if need.max_output_tokens is not None:
        written["maxOutputTokens"] = str(need.max_output_tokens)
    if need.regions or need.data_policies or need.providers or need.states:
        written["regions"] = sorted(need.regions)
        written["dataPolicies"] = sorted(need.data_policies)
        written["providers"] = sorted(need.providers)
        written["states"] = [{"provider": state.provider, "model": state.model} for state in need.states]
    if need.features:
        written["features"] = sorted([feature.word for feature in need.features])
    if need.max_cost_nano_usd is not None:
        written["maxCostNanoUsd"] = str(need.max_cost_nano_usd)
    if outline.max_first_token is not None:
        written["maxFirstToken"] = Duration(**span(outline.max_first_token)).ToJsonString()
    if outline.provider_tools:
        written["providerTools"] = True
    if outline.directives is not NO_DIRECTIVES and outline.directives != NO_DIRECTIVES:
        written["directives"] = _directives_json(outline.directives)
    if outline.preferences is not NO_PREFERENCES and outline.preferences != NO_PREFERENCES:
        written["preferences"] = _preferences_json(outline.preferences)
    return written


def outline(record: record_pb2.DecisionRecord) -> Outline:
    """Return what was asked in *record*, which has needs."""
    needs, unread = record.needs, Violations()  # words of a later version count as left out
    return Outline(
        record.route,
        Needs(
            capabilities=frozenset(needs.capabilities),
            regions=frozenset(needs.regions),
            data_policies=frozenset(needs.data_policies),
            context_tokens=needs.context_tokens,
            input_tokens=record.plan.estimated_input_tokens,
            max_output_tokens=needs.max_output_tokens if needs.HasField("max_output_tokens") else None,
            max_cost_nano_usd=needs.max_cost_nano_usd if needs.HasField("max_cost_nano_usd") else None,
            states=tuple(OpaqueState(state.provider, state.model, "", b"") for state in needs.states),
            providers=frozenset(needs.providers),
            features=frozenset(_FEATURES[word] for word in needs.features if word in _FEATURES),
        ),
        wire_rules.directives(needs.directives, unread),
        wire_request.preferences(needs.preferences, unread),
        seconds(needs.max_first_token) if needs.HasField("max_first_token") else None,
        embeds=record.rpc == record_pb2.RECORDED_RPC_EMBED,
        provider_tools=needs.provider_tools,
    )


def _directives_json(given: Directives) -> Json:
    written: Json = {
        "backend": given.backend,
        "allowBackends": sorted(given.allow_backends),
        "denyBackends": sorted(given.deny_backends),
        "mayDrop": sorted(feature.word for feature in given.may_drop),
        "priority": _PRIORITIES[given.priority],
        "consistency": "CONSISTENCY_SAME_MODEL" if given.same_model else "CONSISTENCY_ANY",
    }
    switches = {"hedging": given.hedging, "failover": given.failover}
    if given.max_extra_cost_nano_usd is not None:
        written["maxExtraCostNanoUsd"] = str(given.max_extra_cost_nano_usd)
    if given.on_break is not None:
        written["onBreak"] = f"ON_BREAK_{given.on_break.name}"
    return written | {name: switch for name, switch in switches.items() if switch is not None}


def _preferences_json(given: Preferences) -> Json:
    objective = {} if given.objective is None else {"objective": _OBJECTIVES[given.objective]}
    return {**objective, "backends": list(given.backends), "regions": list(given.regions)}
