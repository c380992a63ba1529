"""What every kind of request may say beside its prompt: what must hold, what is ordered, what it is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from quickthorn.v1 import directives_pb2
from quickthorn_server.core.catalogue import CAPABILITIES, DATA_POLICIES, REGIONS, OnBreak
from quickthorn_server.core.features import MAY_DROP
from quickthorn_server.core.request import Directives, Priority, Requirements
from quickthorn_server.edge import wire_content
from quickthorn_server.edge.call import is_request_id
from quickthorn_server.edge.violations import Violations
from quickthorn_server.edge.wire_content import is_json_object

_MOST_LABELS, _LONGEST_LABEL = 64, 256

_PRIORITIES = {
    directives_pb2.PRIORITY_UNSPECIFIED: Priority.NORMAL,
    directives_pb2.PRIORITY_BULK: Priority.BULK,
    directives_pb2.PRIORITY_NORMAL: Priority.NORMAL,
    directives_pb2.PRIORITY_CRITICAL: Priority.CRITICAL,
}
_CONSISTENCIES = {
    directives_pb2.CONSISTENCY_UNSPECIFIED: False,
    directives_pb2.CONSISTENCY_ANY: False,
    directives_pb2.CONSISTENCY_SAME_MODEL: True,
}
_BREAKS = {
    directives_pb2.ON_BREAK_UNSPECIFIED: None,
    directives_pb2.ON_BREAK_FAIL: OnBreak.FAIL,
    directives_pb2.ON_BREAK_CONTINUE: OnBreak.CONTINUE,
}


_DROPPABLE = {feature.value: feature for feature in MAY_DROP}
_DROPPABLE_WORDS = frozenset(_DROPPABLE)


def requirements(given: directives_pb2.Requirements, violations: Violations) -> Requirements:
    """Read what must hold; words come from closed lists."""
    cost = wire_content.natural(given, "max_cost_nano_usd", "requirements", violations)
    first = wire_content.positive_seconds(given, "max_first_token", "requirements", violations)
    return Requirements(
        capabilities=words(given.capabilities, CAPABILITIES, "requirements.capabilities", violations),
        regions=words(given.regions, REGIONS, "requirements.regions", violations),
        data_policies=words(given.data_policies, DATA_POLICIES, "requirements.data_policies", violations),
        max_cost_nano_usd=cost,
        max_first_token=first,
        min_context_tokens=given.min_context_tokens if given.HasField("min_context_tokens") else None,
    )


def directives(given: directives_pb2.Directives, violations: Violations) -> Directives:
    """Read the caller's orders."""
    violations.check(given.priority in _PRIORITIES, "directives.priority", "is not a known priority")
    violations.check(given.consistency in _CONSISTENCIES, "directives.consistency", "is not a known consistency")
    violations.check(given.on_break in _BREAKS, "directives.on_break", "is not a known way to break")
    return Directives(
        backend=given.backend,
        allow_backends=frozenset(given.allow_backends),
        deny_backends=frozenset(given.deny_backends),
        hedging=given.hedging if given.HasField("hedging") else None,
        failover=given.failover if given.HasField("failover") else None,
        on_break=_BREAKS.get(given.on_break),
        same_model=_CONSISTENCIES.get(given.consistency, False),
        priority=_PRIORITIES.get(given.priority, Priority.NORMAL),
        may_drop=frozenset(
            _DROPPABLE[word]
            for word in words(given.may_drop, _DROPPABLE_WORDS, "directives.may_drop", violations)
            if word in _DROPPABLE
        ),
        max_extra_cost_nano_usd=wire_content.natural(given, "max_extra_cost_nano_usd", "directives", violations),
    )


def words(given: Iterable[str], known: frozenset[str], field: str, violations: Violations) -> frozenset[str]:
    """Read words of a closed list."""
    for place, word in enumerate(given):
        if word not in known:
            violations.add(f"{field}[{place}]", f"unknown word; known are {', '.join(sorted(known))}")
    return frozenset(given)


def provider_options(given: Mapping[str, str], violations: Violations) -> dict[str, str]:
    """Read what goes to providers as it is."""
    for provider, text in given.items():
        violations.check(is_json_object(text), f"provider_options_json[{provider!r}]", "must be a JSON object")
    return dict(given)


def labels(given: Mapping[str, str], violations: Violations) -> dict[str, str]:
    """Read the caller's own words for the call."""
    violations.check(len(given) <= _MOST_LABELS, "labels", f"must be at most {_MOST_LABELS}")
    longest = max((len(text) for pair in given.items() for text in pair), default=0)
    violations.check(longest <= _LONGEST_LABEL, "labels", f"must be at most {_LONGEST_LABEL} characters each")
    return dict(given)


def identifier(given: str, violations: Violations) -> str:
    """Read the request's identifier; "" = none."""
    if given and not is_request_id(given):
        violations.add("request_id", "must be 1 to 128 printable ASCII characters")
    return given
