"""Plans: who is kept, who is dropped and why, and when a second lane starts."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from quickthorn_server.core.catalogue import Backend, Catalogue, Entry, HedgeRule, OnBreak, Route, Strategy, Upstream
from quickthorn_server.core.content import (
    Media,
    MediaKind,
    Message,
    OpaqueState,
    Part,
    ProviderBlock,
    Role,
    Text,
    ToolResult,
)
from quickthorn_server.core.failures import Reason
from quickthorn_server.core.plan import Circuit, Drop, Hedging, Knowledge, Plan
from quickthorn_server.core.prompt import (
    FunctionTool,
    JsonObjectFormat,
    JsonSchemaFormat,
    Prompt,
    ReasoningEffort,
    ReasoningOptions,
    Sampling,
    Tool,
)
from quickthorn_server.core.request import Directives, Objective, Preferences, Priority, Request, Requirements
from quickthorn_server.core.usage import Price, Tier
from quickthorn_server.routing.notes import notes
from quickthorn_server.routing.refusal import refusal
from quickthorn_server.routing.router import Router, plan

ALL = frozenset({"text", "vision", "documents", "tools", "json_schema", "reasoning"})


def backend(name: str, **given: object) -> Backend:
    return replace(Backend(name, "openai", f"model-{name}", f"model-{name}", capabilities=ALL), **given)  # type: ignore[arg-type]


def catalogue(*backends: Backend, route: Route | None = None) -> Catalogue:
    route = route or Route("default", tuple(Entry(b.name) for b in backends))
    return Catalogue({b.name: b for b in backends}, {route.name: route}, "v1")


def ask(*parts: Part, text: str = "hello", **given: object) -> Request:
    prompt_keys = {"tools", "response_format", "sampling", "reasoning"}
    prompt = Prompt(
        (Message(Role.USER, (Part(Text(text)), *parts)),),
        **{key: value for key, value in given.items() if key in prompt_keys},  # type: ignore[arg-type]
    )
    return Request(prompt, **{key: value for key, value in given.items() if key not in prompt_keys})  # type: ignore[arg-type]


def made(request: Request, *backends: Backend, route: Route | None = None, knowledge: Knowledge | None = None) -> Plan:
    return plan(request, catalogue(*backends, route=route), knowledge or Knowledge(), 0)


def drops(planned: Plan) -> dict[str, Drop | None]:
    return {verdict.backend.name: verdict.drop for verdict in planned.verdicts}


FUNCTION = Tool(FunctionTool("f", parameters_json_schema="{}"))
PROVIDER_TOOL = Tool(ProviderBlock("anthropic", "web_search", "{}"))
IMAGE = Part(Media(MediaKind.IMAGE, uri="https://example.com/cat.png"))


@pytest.mark.parametrize(
    ("request_", "lacking"),
    [
        (ask(tools=(FUNCTION,)), "tools"),
        (ask(IMAGE), "vision"),
        (ask(Part(ToolResult("1", (IMAGE,)))), "vision"),
        (ask(Part(Media(MediaKind.DOCUMENT, data=b"x", media_type="application/pdf"))), "documents"),
        (ask(response_format=JsonSchemaFormat("n", "{}")), "json_schema"),
        (ask(reasoning=ReasoningOptions(ReasoningEffort.LOW)), "reasoning"),
        (ask(requirements=Requirements(capabilities=frozenset({"reasoning"}))), "reasoning"),
    ],
)
def test_what_a_request_shows_it_needs_is_needed(request_: Request, lacking: str) -> None:
    """A backend without the capability is dropped, and told apart by the word."""
    planned = made(request_, backend("able"), backend("unable", capabilities=ALL - {lacking}))
    assert drops(planned) == {"able": None, "unable": Drop.CAPABILITY}
    assert lacking in planned.verdicts[1].detail
    assert [b.name for b in planned.order] == ["able"]


def test_a_schema_implies_any_object() -> None:
    """A backend that can hold a model to a schema may be asked for any JSON object."""
    planned = made(
        ask(response_format=JsonObjectFormat()), backend("able"), backend("unable", capabilities=frozenset())
    )
    assert drops(planned) == {"able": None, "unable": Drop.CAPABILITY}


def test_asking_for_no_reasoning_needs_no_reasoning() -> None:
    """Effort NONE can be honoured by a model that cannot reason."""
    plain = backend("plain", capabilities=frozenset({"text"}))
    assert made(ask(reasoning=ReasoningOptions(ReasoningEffort.NONE)), plain).order == (plain,)


def test_too_long_is_said_with_both_numbers() -> None:
    """Estimated input plus the output asked for must fit the window; all too long is CONTEXT_TOO_LONG."""
    request = ask(text="x" * 4000, sampling=Sampling(max_output_tokens=100))
    planned = made(request, backend("small", context_window=1000), backend("large", context_window=2000))
    assert drops(planned) == {"small": Drop.CONTEXT_WINDOW, "large": None}
    assert "1104" in planned.verdicts[0].detail
    assert "1000" in planned.verdicts[0].detail
    failure = refusal(made(request, backend("small", context_window=1000)))
    assert failure is not None
    assert failure.reason is Reason.CONTEXT_TOO_LONG


def test_requirements_are_enforced() -> None:
    """Region, data policy, context and cost drop whoever cannot promise them."""
    good = backend(
        "good",
        regions=frozenset({"eu"}),
        data_policies=frozenset({"zdr", "no_training"}),
        price=Price(Decimal(1), Decimal(2)),
        context_window=10_000,
    )
    must = Requirements(
        regions=frozenset({"eu", "uk"}),
        data_policies=frozenset({"zdr"}),
        max_cost_nano_usd=300_000,
        min_context_tokens=5_000,
    )
    planned = made(
        ask(requirements=must, sampling=Sampling(max_output_tokens=100)),
        good,
        replace(good, name="abroad", regions=frozenset({"us"})),
        replace(good, name="nowhere", regions=frozenset()),
        replace(good, name="keeps", data_policies=frozenset({"no_training"})),
        replace(good, name="dear", price=Price(Decimal(1), Decimal(3000))),
        replace(good, name="priceless", price=None),
        replace(good, name="small", context_window=4_000),
    )
    assert drops(planned) == {
        "good": None,
        "abroad": Drop.REGION,
        "nowhere": Drop.REGION,
        "keeps": Drop.DATA_POLICY,
        "dear": Drop.COST,
        "priceless": Drop.COST,
        "small": Drop.CONTEXT_WINDOW,
    }


def test_a_cost_limit_needs_a_bound() -> None:
    """With neither an output limit nor a window the cost has no bound, so the limit cannot be promised."""
    priced = backend("priced", price=Price(Decimal(1), Decimal(1)))
    request = ask(requirements=Requirements(max_cost_nano_usd=10**9))
    assert drops(made(request, priced)) == {"priced": Drop.COST}
    assert drops(made(request, replace(priced, context_window=1000))) == {"priced": None}
    assert drops(made(request, replace(priced, max_output=1000))) == {"priced": None}


def test_the_longest_answer_bounds_the_cost() -> None:
    """A window of a million tokens promises nothing of an answer that cannot be longer than ten."""
    priced = backend("priced", price=Price(Decimal(1), Decimal(1)), context_window=1_000_000, max_output=10)
    request = ask(requirements=Requirements(max_cost_nano_usd=20_000))
    assert drops(made(request, priced)) == {"priced": None}
    longer = ask(requirements=Requirements(max_cost_nano_usd=20_000), sampling=Sampling(max_output_tokens=1000))
    assert drops(made(longer, priced)) == {"priced": None}
    assert drops(made(longer, replace(priced, max_output=None))) == {"priced": Drop.COST}


@pytest.mark.parametrize(
    ("price", "most"),
    [
        (Price(Decimal(1), Decimal(2)), 300_000),
        (Price(Decimal(1), Decimal(2), tiers=(Tier(99, Decimal(2), Decimal(3)),)), 500_000),
        (Price(Decimal(1), Decimal(2), tiers=(Tier(100, Decimal(2), Decimal(3)),)), 300_000),
        (Price(Decimal(1), Decimal(2), cache_write=Decimal("1.25")), 325_000),
        (Price(Decimal(1), Decimal(2), Decimal("0.1"), Decimal("0.5")), 300_000),
    ],
)
def test_the_worst_cost_is_that_of_its_length_with_all_of_it_written_to_a_cache(price: Price, most: int) -> None:
    """100 tokens in, 100 out: by the tier of the estimated length, reading nothing from a cache."""
    limit = Requirements(max_cost_nano_usd=most)
    prompt = Prompt((Message(Role.USER, (Part(Text("x" * 384)),)),), sampling=Sampling(max_output_tokens=100))
    priced = backend("priced", price=price)
    assert drops(made(Request(prompt, requirements=limit), priced)) == {"priced": None}
    tight = Requirements(max_cost_nano_usd=most - 1)
    assert drops(made(Request(prompt, requirements=tight), priced)) == {"priced": Drop.COST}


def test_directives_pin_allow_and_deny() -> None:
    """The caller may name one backend, some, or all but some."""
    a, b = backend("a"), backend("b")
    assert drops(made(ask(directives=Directives(backend="b")), a, b)) == {"a": Drop.PINNED_ELSEWHERE, "b": None}
    allow = Directives(allow_backends=frozenset({"a"}))
    assert drops(made(ask(directives=allow), a, b)) == {"a": None, "b": Drop.NOT_ALLOWED}
    deny = Directives(deny_backends=frozenset({"a"}))
    assert drops(made(ask(directives=deny), a, b)) == {"a": Drop.DENIED, "b": None}
    failure = refusal(made(ask(directives=Directives(backend="c")), a, b))
    assert failure is not None
    assert failure.reason is Reason.NO_ELIGIBLE_BACKEND
    assert "a: " in failure.message


def test_state_of_one_provider_goes_nowhere_else() -> None:
    """Opaque bytes and provider blocks pin the call to what can read them, by provider and, where said, model."""
    a, other = backend("a"), backend("other", provider="anthropic")
    state = Part(Text("t"), opaque=OpaqueState("openai", "", "", b"x"))
    assert drops(made(ask(state), a, other)) == {"a": None, "other": Drop.OPAQUE_STATE}
    narrow = Part(Text("t"), opaque=OpaqueState("openai", "model-b", "", b"x"))
    assert drops(made(ask(narrow), a, backend("b"))) == {"a": Drop.OPAQUE_STATE, "b": None}
    block = Part(ProviderBlock("anthropic", "server_tool_use", "{}"))
    assert drops(made(ask(block), a, other)) == {"a": Drop.OPAQUE_STATE, "other": None}


def test_same_model_keeps_to_the_model_of_the_first() -> None:
    """Failover and hedges stay with backends of equal model_id."""
    a, twin = backend("a", model_id="m"), backend("twin", model_id="m")
    planned = made(ask(directives=Directives(same_model=True)), a, backend("b"), twin)
    assert drops(planned) == {"a": None, "b": Drop.OTHER_MODEL, "twin": None}
    assert planned.order == (a, twin)


def test_weight_zero_is_out_of_a_weighted_route() -> None:
    """Weight 0 takes no turns, and the plan says so."""
    route = Route("default", (Entry("a", 0), Entry("b", 1)), Strategy.WEIGHTED)
    assert drops(made(ask(), backend("a"), backend("b"), route=route)) == {"a": Drop.WEIGHT_ZERO, "b": None}


HEDGED = Route("default", (Entry("a"), Entry("b")), hedge=HedgeRule(delay=0.3))


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (ask(directives=Directives(hedging=False)), "the request switches hedging off"),
        (ask(directives=Directives(priority=Priority.BULK)), "bulk calls do not hedge"),
        (ask(directives=Directives(backend="a")), "one candidate only"),
    ],
)
def test_a_call_that_does_not_hedge_says_why(request_: Request, why: str) -> None:
    """The reason travels in the plan, and from there in the trace."""
    planned = made(request_, backend("a"), backend("b"), route=HEDGED)
    assert (planned.hedging, planned.no_hedge) == (None, why)


def test_provider_executed_tools_switch_hedging_off() -> None:
    """Two lanes would run the provider's tools twice."""
    a, b = backend("a", provider="anthropic"), backend("b", provider="anthropic")
    planned = made(ask(tools=(PROVIDER_TOOL,)), a, b, route=HEDGED)
    assert (planned.hedging, planned.no_hedge) == (None, "the provider executes tools")


def test_a_fixed_delay_is_taken_as_it_is() -> None:
    """`300ms` needs no knowledge; a route without a rule has neither hedge nor reason."""
    assert made(ask(), backend("a"), backend("b"), route=HEDGED).hedging == Hedging(0.3, 2, (backend("b"),))
    plain = made(ask(), backend("a"), backend("b"))
    assert (plain.hedging, plain.no_hedge) == (None, "")


def test_a_percentile_waits_until_it_is_known() -> None:
    """`p95` is that of the backend asked first; too few answers means no hedge, and that is said."""
    route = replace(HEDGED, hedge=HedgeRule(percentile=0.95))
    blind = made(ask(), backend("a"), backend("b"), route=route)
    assert (blind.hedging, blind.no_hedge) == (None, "too few answers of a to know its p95")
    knowing = Knowledge(first_content={("a", 0.95): 1.25, ("b", 0.95): 9.0})
    assert made(ask(), backend("a"), backend("b"), route=route, knowledge=knowing).hedging == Hedging(
        1.25, 2, (backend("b"),)
    )


def test_max_parallel_is_bounded_by_the_candidates() -> None:
    """Three lanes over two candidates are two."""
    route = replace(HEDGED, hedge=HedgeRule(delay=0.0, max_parallel=4))
    assert made(ask(), backend("a"), backend("b"), route=route).hedging == Hedging(0.0, 2, (backend("b"),))


def test_only_a_lone_candidate_is_asked_for_the_whole_reply() -> None:
    """`auto` streams wherever somebody could take over, or a first token is waited for."""
    assert made(ask(), backend("a")).whole
    assert not made(ask(), backend("a"), backend("b")).whole
    assert not made(ask(requirements=Requirements(max_first_token=1.0)), backend("a")).whole
    route = Route("default", (Entry("a"), Entry("b")), upstream=Upstream.WHOLE)
    assert made(ask(), backend("a"), backend("b"), route=route).whole


def test_an_open_circuit_is_noted_not_dropped() -> None:
    """Whether a circuit admits is asked when the lane's turn comes; the plan only notes it."""
    planned = made(ask(), backend("a"), knowledge=Knowledge(circuits={"a": Circuit.OPEN}))
    assert planned.knowledge.circuits == {"a": Circuit.OPEN}
    assert [b.name for b in planned.order] == ["a"]
    assert notes(ask(), planned, ()) == ["a: its circuit is open"]


def test_panic_is_planned_and_noted() -> None:
    """Where circuits keep out more than half of the candidates, the plan says who is asked in spite of it."""
    everybody = [backend(name) for name in "abc"]
    out = Knowledge(circuits=dict.fromkeys("ab", Circuit.OPEN), ejected={"a": 0.1, "b": 0.4})
    planned = made(ask(), *everybody, knowledge=out)
    assert [b.name for b in planned.order] == ["a", "b", "c"]
    assert [b.name for b in planned.panic] == ["b"]
    assert notes(ask(), planned, ())[-1] == (
        "panic: too many circuits are open; where nobody else may be asked, in spite of theirs: b"
    )
    seeing = ask(requirements=Requirements(regions=frozenset({"eu"})))
    assert not made(seeing, backend("a", regions=frozenset({"eu"})), *everybody[1:], knowledge=out).panic


def test_what_becomes_of_broken_streams_is_the_callers_word_first() -> None:
    """The route says it unless the call says otherwise."""
    route = Route("default", (Entry("a"), Entry("b")), on_break=OnBreak.CONTINUE)
    able = backend("b", capabilities=frozenset({"text", "prefill"}))
    assert made(ask(), backend("a"), able, route=route).on_break is OnBreak.CONTINUE
    refusing = ask(directives=Directives(on_break=OnBreak.FAIL))
    assert made(refusing, backend("a"), able, route=route).on_break is OnBreak.FAIL
    assert made(ask(directives=Directives(on_break=OnBreak.CONTINUE)), able).on_break is OnBreak.CONTINUE
    needing = ask(requirements=Requirements(frozenset({"prefill"})))
    assert drops(made(needing, backend("a"), able, route=route)) == {"a": Drop.CAPABILITY, "b": None}


def test_a_backend_at_its_limit_is_noted() -> None:
    """It is not dropped: a place may have come free when the lane's turn comes."""
    planned = made(ask(), backend("a"), backend("b"))
    assert notes(ask(), planned, {"b", "elsewhere"}) == ["b: it is at its limit"]


def test_wishes_that_do_not_sort_yet_are_said() -> None:
    """What is asked for and has no effect is in the notes that Explain shows."""
    wishes = Preferences(objective=Objective.LATENCY, target_cost_nano_usd=5, target_first_token=0.5)
    wishful = ask(preferences=wishes)
    assert [note.split()[0] for note in notes(wishful, made(wishful, backend("a")), ())] == [
        "preferences.objective",
        "preferences.target_cost_nano_usd",
        "preferences.target_first_token",
    ]


def test_preferences_reorder_the_plan() -> None:
    """A wish puts its backend first and leaves the others in."""
    planned = made(ask(preferences=Preferences(backends=("b",))), backend("a"), backend("b"))
    assert [b.name for b in planned.order] == ["b", "a"]


def test_a_plan_is_pure() -> None:
    """The same turn gives the same plan, however often it is asked."""
    route = Route("default", (Entry("a", 2), Entry("b", 1)), Strategy.WEIGHTED)
    estate = catalogue(backend("a"), backend("b"), route=route)
    firsts = [plan(ask(), estate, Knowledge(), turn).order[0].name for turn in (0, 0, 1, 1, 2, 2, 3)]
    assert firsts == ["a", "a", "b", "b", "a", "a", "a"]


def test_what_a_router_has_judged_before_changes_no_plan() -> None:
    """Requests of every kind, in every order of turns: the plan is that of a router that has seen nothing yet."""
    narrow, wide, blind = backend("a", context_window=60), backend("b"), backend("c", capabilities=frozenset({"text"}))
    entries = (Entry("a", 2), Entry("b", 1), Entry("c", 0, 1))
    requests = [
        ask(),
        ask(IMAGE),
        ask(text="word " * 90),
        ask(tools=(FUNCTION,)),
        ask(requirements=Requirements(min_context_tokens=100)),
        ask(requirements=Requirements(capabilities=frozenset({"vision"}))),
        ask(requirements=Requirements(max_cost_nano_usd=1)),
        ask(directives=Directives(deny_backends=frozenset({"b"}))),
        ask(directives=Directives(same_model=True)),
        ask(preferences=Preferences(backends=("b",))),
        ask(),
    ]
    states = (Knowledge(), Knowledge(keys_refused=frozenset({"b"})), Knowledge(ramps={"a": 0.1}), Knowledge())
    for strategy in Strategy:
        estate = catalogue(narrow, wide, blind, route=Route("default", entries, strategy))
        router = Router(estate)
        for turn, knowledge in enumerate(states):
            for request in requests:
                assert router.plan(request, knowledge, turn) == plan(request, estate, knowledge, turn)


def test_an_unknown_route_is_a_key_error() -> None:
    """Whoever calls the router has checked the route; a miss is a bug and shows as one."""
    with pytest.raises(KeyError):
        made(ask(route="nowhere"), backend("a"))
