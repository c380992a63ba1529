"""What Anthropic's models take, read off their names."""

from __future__ import annotations

import pytest

from quickthorn_server.config import parse
from quickthorn_server.core.claude import Claude, claude, lacks
from quickthorn_server.core.features import Feature
from quickthorn_server.core.known import KNOWN

FIVE = ("low", "medium", "high", "xhigh", "max")
SAMPLING = {Feature.TEMPERATURE, Feature.TOP_P, Feature.TOP_K}
BUDGET = {Feature.THINKING_BUDGET}


def known(**what: object) -> Claude:
    """Return the rules of a model between 4.7 and 5, but for *what*."""
    plain = {"sampling": False, "budget": False, "silent": True, "off": None}
    return Claude(**{**plain, **what})  # type: ignore[arg-type]  # the keys are those of the fields


OLD = {"sampling": True, "adaptive": False, "efforts": (), "silent": False, "system_turns": False}


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("claude-3-5-haiku-latest", known(**OLD)),
        ("claude-3-7-sonnet-20250219", known(**OLD, budget=True)),
        ("claude-sonnet-4-20250514", known(**OLD, budget=True)),
        ("claude-opus-4-1@20250805", known(**OLD, budget=True)),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", known(**OLD, budget=True)),
        ("claude-opus-4-5", known(**{**OLD, "efforts": FIVE[:3]}, budget=True)),
        (
            "anthropic/claude-opus-4.6",
            known(
                sampling=True, budget=True, efforts=("low", "medium", "high", "max"), silent=False, system_turns=False
            ),
        ),
        ("claude-opus-4-7", known(system_turns=False)),
        ("claude-opus-4-8", known()),
        ("claude-opus-5", known(thinks=True, off="disabled")),
        ("claude-haiku-5-5", known(thinks=True, off="disabled")),
        ("claude-sonnet-5-5", known(thinks=True, off="between_tools", forced_tools=False)),
        ("claude-opus-5-5-20260922", known(thinks=True, off="", forced_tools=False)),
        ("claude-fable-5", known(thinks=True, off="")),
        ("claude-fable-5-1", known(thinks=True, off="", forced_tools=False)),
        ("claude-mythos-preview", Claude()),
        ("our-gateways-word", Claude()),
    ],
)
def test_a_name_tells_what_a_model_takes(name: str, rules: Claude) -> None:
    """Whatever stands before and behind it; a name that says nothing rules nothing out."""
    assert claude(name) == rules


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("claude-3-haiku-20240307", BUDGET | {Feature.EFFORT}),
        ("claude-haiku-4-5", set()),
        ("claude-opus-4-6", set()),
        ("claude-opus-4-7", SAMPLING | BUDGET),
        ("claude-opus-6", SAMPLING | BUDGET),
        ("m", set()),
    ],
)
def test_what_the_api_carries_and_the_model_does_not_take(name: str, expected: set[Feature]) -> None:
    """It keeps the backend out before the call, where its 400 would end the call."""
    assert lacks(name) == expected


def test_a_configured_backend_carries_what_its_model_takes() -> None:
    """So that the router knows it before the call."""
    backends = ", ".join(
        f"{{name: {name}, provider: anthropic, model: {model}, api_key_env: KEY}}"
        for name, model in (("old", "claude-sonnet-4-5"), ("new", "claude-opus-5"))
    )
    text = f"backends: [{backends}]\nroutes: [{{name: default, backends: [old, new]}}]\n"
    found = parse(text, "q.yaml", {"KEY": "sk-1"}).backends
    assert found["old"].carries == KNOWN["anthropic"].carries
    assert found["new"].carries == KNOWN["anthropic"].carries - SAMPLING - BUDGET
