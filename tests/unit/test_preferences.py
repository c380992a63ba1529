"""A caller's wishes: they sort, in the order in which they weigh, and never drop anybody."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.content import Message, Part, Role, Text
from quickthorn_server.core.prompt import Prompt, Sampling
from quickthorn_server.core.request import Objective, Preferences, Request
from quickthorn_server.core.usage import Price
from quickthorn_server.routing.needs import needs
from quickthorn_server.routing.ordering import preferred

NEED = needs(Request(Prompt((Message(Role.USER, (Part(Text("hi")),)),), sampling=Sampling(max_output_tokens=10))))


def backend(name: str, price: int | None, *regions: str) -> Backend:
    paid = None if price is None else Price(Decimal(price), Decimal(price))
    return Backend(name, "openai", "m", "m", price=paid, regions=frozenset(regions))


DEAR_EU, CHEAP_US, BOTH, FREE_NOWHERE = (
    backend("dear", 3, "eu"),
    backend("cheap", 1, "us"),
    backend("both", 2, "us", "uk"),
    backend("unpriced", None),
)


@pytest.mark.parametrize(
    ("wish", "order"),
    [
        (Preferences(), "dear cheap both unpriced"),
        (Preferences(regions=("us", "eu")), "cheap both dear unpriced"),
        (Preferences(regions=("uk", "eu", "us")), "both dear cheap unpriced"),
        (Preferences(regions=("eu", "us", "eu")), "dear cheap both unpriced"),
        (Preferences(regions=("jp",)), "dear cheap both unpriced"),
        (Preferences(backends=("both", "nobody", "cheap")), "both cheap dear unpriced"),
        (Preferences(objective=Objective.COST), "cheap both dear unpriced"),
        (Preferences(objective=Objective.COST, backends=("dear",)), "dear cheap both unpriced"),
        (Preferences(objective=Objective.COST, regions=("eu",)), "dear cheap both unpriced"),
        (Preferences(backends=("unpriced",), regions=("us",)), "unpriced cheap both dear"),
        (Preferences(objective=Objective.COST, regions=("us", "eu")), "cheap both dear unpriced"),
    ],
)
def test_a_name_outweighs_a_region_outweighs_the_objective(wish: Preferences, order: str) -> None:
    """The most wanted first; where wishes disagree the more particular one counts, where they tie the route's order."""
    sorted_ = preferred([DEAR_EU, CHEAP_US, BOTH, FREE_NOWHERE], wish, NEED)
    assert " ".join(each.name for each in sorted_) == order


def test_nobody_is_dropped() -> None:
    """Whatever is wished, whoever was there is there."""
    wish = Preferences(Objective.COST, ("cheap",), ("eu",))
    for given in permutations([DEAR_EU, CHEAP_US, BOTH, FREE_NOWHERE]):
        assert {each.name for each in preferred(list(given), wish, NEED)} == {each.name for each in given}
