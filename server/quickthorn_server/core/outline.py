"""A call without what is said in it: all that a plan is made of."""

from __future__ import annotations

from typing import NamedTuple

from quickthorn_server.core.content import OpaqueState
from quickthorn_server.core.features import Feature
from quickthorn_server.core.request import Directives, Preferences
from quickthorn_server.core.value import value


@value
class Needs:
    """What a candidate must have; *input_tokens* is estimated.

    *states*: provider-bound bytes that it must be able to read.  *providers*: blocks only that provider understands.
    *features*: what its wire format must carry.
    """

    capabilities: frozenset[str]
    regions: frozenset[str]
    data_policies: frozenset[str]
    context_tokens: int
    input_tokens: int
    max_output_tokens: int | None
    max_cost_nano_usd: int | None
    states: tuple[OpaqueState, ...]
    providers: frozenset[str]
    features: frozenset[Feature]


class Outline(NamedTuple):
    """A call as the router sees it.  *route* "" = the default one.  *max_first_token* in seconds, None = no limit.

    *embeds*: it asks for vectors.  *provider_tools*: the provider itself would run tools.
    """

    route: str
    needs: Needs
    directives: Directives
    preferences: Preferences
    max_first_token: float | None = None
    embeds: bool = False
    provider_tools: bool = False
    shows_reasoning: bool = False
