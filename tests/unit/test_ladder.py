"""The degradation ladder: how far an answer falls, what is said of it, and what stands in where nobody could answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from google.rpc import error_details_pb2, status_pb2

from quickthorn import fold
from quickthorn_server.core.call import Call
from quickthorn_server.core.catalogue import (
    BreakerRule,
    Catalogue,
    Entry,
    HedgeRule,
    OnBreak,
    RetryRule,
    Route,
    Strategy,
)
from quickthorn_server.core.chunk import End, FinishReason, TextDelta
from quickthorn_server.core.completion import Completion
from quickthorn_server.core.content import Message, Part, Role, Text
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import BackendError, Failure, Reason, of_status
from quickthorn_server.core.json_asked import asks_for_json
from quickthorn_server.core.ladder import After, EscalateRule, Ladder, Rung
from quickthorn_server.core.plan import Drop, Knowledge, Plan
from quickthorn_server.core.prompt import (
    JsonObjectFormat,
    JsonSchemaFormat,
    Prompt,
    TextFormat,
    ToolChoice,
    ToolMode,
)
from quickthorn_server.core.provider import AnyPrompt
from quickthorn_server.core.request import Directives, Objective, Preferences, Request
from quickthorn_server.core.secret import Secret
from quickthorn_server.core.usage import Price
from quickthorn_server.edge import wire_answer
from quickthorn_server.edge.details import packed
from quickthorn_server.execution.events import Begun, Escalated, Finished, Said
from quickthorn_server.execution.stand_in import open_rungs
from quickthorn_server.providers.scripted import Scripted
from quickthorn_server.routing import router
from tests.support.cast import PROMPT, UNBOUNDED, Cast, Step, fails, says, silent
from tests.support.virtual import run_virtual

SORRY = "We cannot answer right now."
CANNED = Ladder(Rung.CANNED, SORRY)
ESCALATED = re.compile("esc-[0-9a-f]{24}")


def telling(after: After = After.EXHAUSTED, canned: str = "") -> Ladder:
    rule = EscalateRule(Secret("https://ops.example.com"), None, after)
    return Ladder(Rung.CANNED if canned else Rung.LOWER_TIER, canned, rule)


def failing(status: int = 503) -> Scripted:
    return Scripted(fails(of_status(status), http_status=status))


def cast_of(models: Mapping[str, str] | None = None, **given: Any) -> Cast:
    """Return a cast whose backends have these *models*, `m` where none is given."""
    cast = Cast(**given)
    for name, backend in cast.backends.items():
        cast.backends[name] = replace(backend, model_id=(models or {}).get(name, "m"))
    return cast


def planned(
    cast: Cast,
    *entries: Entry,
    prompt: AnyPrompt = PROMPT,
    directives: Directives | None = None,
    preferences: Preferences | None = None,
    knowledge: Knowledge | None = None,
    turn: int = 0,
    **given: Any,
) -> Plan:
    """Return the router's plan for a route of *entries*, all of the cast where none is given; nothing is retried."""
    given = {"retry": RetryRule(9, frozenset()), "budget": UNBOUNDED, **given}
    route = Route("default", entries or tuple(map(Entry, cast.backends)), **given)
    request = Request(prompt, directives=directives or Directives(), preferences=preferences or Preferences())
    catalogue = Catalogue(cast.backends, {"default": route}, "v")
    return router.plan(request, catalogue, knowledge or Knowledge(), turn)


def low(name: str, tier: str = "economy", rank: int = 1, **given: Any) -> Entry:
    return Entry(name, tier=tier, rank=rank, **given)


def names(plan: Plan) -> str:
    return "".join(backend.name for backend in plan.order)


@pytest.mark.parametrize(
    ("sick", "rung", "degraded"),
    [
        ("", "", ""),
        ("a", "same_model", "same_model: b answered, a overloaded"),
        ("ab", "lower_tier", "lower_tier: c answered, a overloaded, b overloaded"),
        ("abc", "lower_tier", "lower_tier: d (tier economy) answered, a overloaded, b overloaded, c overloaded"),
    ],
)
@pytest.mark.parametrize("ladder", [None, Ladder()])
def test_the_trace_says_which_rung_answered_and_why(sick: str, rung: str, degraded: str, ladder: Ladder | None) -> None:
    """Same model elsewhere, then another model, then a lower tier; a route without a ladder calls nothing a fall."""

    async def play() -> None:
        scripts = {name: failing() if name in sick else Scripted(says("yes")) for name in "abcd"}
        cast = cast_of({"c": "other"}, **scripts)
        entries = (Entry("a"), Entry("b"), Entry("c"), low("d"))
        trace = (await cast.completed(planned(cast, *entries, ladder=ladder))).trace
        assert (trace.rung, trace.degraded) == (rung, degraded if ladder else "")
        assert cast.trace == trace

    run_virtual(play())


def test_who_overtakes_is_no_fall() -> None:
    """A hedge answered while the first went on: the route works as planned."""

    async def play() -> None:
        cast = cast_of({"b": "other"}, a=Scripted(silent(5)), b=Scripted(says("yes")))
        trace = (await cast.completed(planned(cast, hedge=HedgeRule(delay=0.1), ladder=Ladder()))).trace
        assert (trace.rung, trace.degraded) == ("", "")

    run_virtual(play())


def test_a_hedge_that_answers_after_the_first_has_failed_is_one() -> None:
    """The first choice had been lost by then."""

    async def play() -> None:
        cast = cast_of(a=Scripted(fails(Failure.LOST, after=1)), b=Scripted(says("yes", after=2)))
        trace = (await cast.completed(planned(cast, hedge=HedgeRule(delay=0.1), ladder=Ladder()))).trace
        assert (trace.rung, trace.degraded) == ("same_model", "same_model: b answered, a lost")

    run_virtual(play())


def test_who_takes_turns_is_no_lower_tier() -> None:
    """Backends of one weighted group are equals, whatever their models; those of the next group are not."""

    async def play() -> None:
        cast = cast_of({"b": "other", "c": "third"}, a=failing(), b=Scripted(says("b")), c=Scripted(says("c")))
        entries = (Entry("a"), Entry("b"), Entry("c", group=1))
        given: dict[str, Any] = {"strategy": Strategy.WEIGHTED, "ladder": Ladder()}
        assert (await cast.completed(planned(cast, *entries, **given))).trace.rung == ""
        cast.scripts["b"] = failing()
        assert (await cast.completed(planned(cast, *entries, **given))).trace.rung == "lower_tier"

    run_virtual(play())


def test_an_open_circuit_is_a_fall_too() -> None:
    """The first choice is not even asked, and callers are not told of those who were not."""

    async def play() -> None:
        cast = cast_of(rule=BreakerRule(consecutive=1), a=failing(), b=Scripted(says("yes")))
        for degraded in ("same_model: b answered, a overloaded", "same_model: b answered, 1 not asked"):
            trace = (await cast.completed(planned(cast, ladder=Ladder()))).trace
            assert (trace.rung, trace.degraded) == ("same_model", degraded)

    run_virtual(play())


def test_lower_tiers_come_last_whatever_the_list_and_the_groups_say() -> None:
    """The lowest last; groups and places count inside a tier."""
    cast = run_virtual(_idle())
    entries = (Entry("a", group=2), low("b", rank=2), low("c", group=1), Entry("d", group=1), low("e"))
    assert names(planned(cast, *entries)) == "daecb"
    weighted = {names(planned(cast, *entries, strategy=Strategy.WEIGHTED, turn=turn)) for turn in range(5)}
    assert weighted == {"daecb"}


async def _idle() -> Cast:
    scripts: dict[str, Any] = {name: Scripted(says("yes")) for name in "abcde"}
    return cast_of(**scripts)


def test_silence_never_leads_to_a_lower_tier() -> None:
    """A hedge must not make an answer worse; where only lower tiers are left there is none."""

    async def play() -> None:
        cast = cast_of(a=Scripted(silent(5)), b=Scripted(says("b", after=9)), c=Scripted(says("low")))
        entries = (Entry("a"), Entry("b"), low("c"))
        plan = planned(cast, *entries, hedge=HedgeRule(delay=0.1, max_parallel=3))
        assert plan.hedging is not None
        assert plan.hedging.max_parallel == 2
        await cast.streamed(plan)
        assert [lane[:2] for lane in cast.lanes()] == [("a", "first"), ("b", "silence")]
        assert planned(cast, Entry("a"), low("c"), hedge=HedgeRule(delay=0.1)).no_hedge == "one candidate only"

    run_virtual(play())


def test_a_failed_hedge_does_not_lead_to_a_lower_tier_while_the_first_goes_on() -> None:
    """Somebody above it may still answer; once nobody can, it is asked."""

    async def play() -> None:
        cast = cast_of(a=Scripted(fails(Failure.LOST, after=1)), b=failing(), c=Scripted(says("low")))
        plan = planned(cast, Entry("a"), Entry("b"), low("c"), hedge=HedgeRule(delay=0.1))
        trace = (await cast.completed(plan)).trace
        assert [lane[0::3] for lane in cast.lanes()] == [("a", 0.0), ("b", 0.1), ("c", 1.0)]
        assert trace.rung == "lower_tier"

    run_virtual(play())


@pytest.mark.parametrize("waits", [False, True])
def test_neither_panic_nor_a_code_leads_to_a_lower_tier_while_the_first_goes_on(waits: bool) -> None:
    """Whether it is asked in spite of its circuit, or waits for the very code of the hedge that failed."""

    async def play() -> None:
        opens = BreakerRule(consecutive=1)
        cast = cast_of(a=Scripted(says("yes", after=1)), h=failing(), c=Scripted(says("low")), rule=opens)
        causes: frozenset[int | str] = frozenset({503}) if waits else frozenset()
        plan = planned(cast, Entry("a"), Entry("h"), low("c", fallback_on=causes), hedge=HedgeRule(delay=0.1))
        if not waits:
            cast.breakers["c"].admit().failed(BackendError(Failure.LOST))
            plan = replace(plan, panic=(cast.backends["c"],))
        assert await cast.completed(plan)
        assert [lane[0] for lane in cast.lanes()] == ["a", "h"]

    run_virtual(play())


def test_a_lower_tier_that_continues_who_had_overtaken_the_first_is_a_fall() -> None:
    """The first was stopped for a winner that broke, and did not fail: the tier is lower all the same."""

    async def play() -> None:
        breaks: list[Step] = [(0.1, TextDelta(0, "half")), (0.1, BackendError(Failure.LOST))]
        cast = cast_of(a=Scripted(silent(5)), h=Scripted(breaks), c=Scripted(says("low")))
        route: dict[str, Any] = {"hedge": HedgeRule(delay=0.1), "on_break": OnBreak.CONTINUE, "ladder": CANNED}
        await cast.streamed(planned(cast, Entry("a"), Entry("h"), low("c"), **route))
        assert [lane[:3] for lane in cast.lanes()] == [
            ("a", "first", "lost"),
            ("h", "silence", "broke"),
            ("c", "continuation", "won"),
        ]
        assert (cast.ended, cast.trace.rung) == ("answered", "lower_tier")

    run_virtual(play())


def test_a_lower_tier_replaces_a_winner_that_broke_once_nobody_above_is_left() -> None:
    """Who was stopped for the winner is not there to be waited for."""

    async def play() -> None:
        breaks: list[Step] = [(0.2, TextDelta(0, "half")), (0.1, BackendError(Failure.LOST))]
        cast = cast_of(a=Scripted(breaks), b=Scripted(silent(9)), c=Scripted(says("low", after=0.05)))
        plan = planned(cast, Entry("a"), Entry("b"), low("c"), hedge=HedgeRule(delay=0.1))
        assert (await cast.completed(plan)).trace.rung == "lower_tier"
        assert [lane[:3] for lane in cast.lanes()] == [
            ("a", "first", "broke"),
            ("b", "silence", "lost"),
            ("c", "failover", "won"),
        ]

    run_virtual(play())


def test_a_lower_tier_may_continue_a_stream() -> None:
    """Where nobody above it is left to; the trace says both."""

    async def play() -> None:
        breaks: list[Step] = [(0.1, TextDelta(0, "half")), (0.1, BackendError(Failure.LOST))]
        cast = cast_of(a=Scripted(breaks), c=Scripted(says("low")))
        plan = planned(cast, Entry("a"), low("c"), on_break=OnBreak.CONTINUE, ladder=CANNED)
        assert (await cast.streamed(plan)).error is None
        assert cast.trace.rung == "lower_tier"
        assert cast.trace.degraded.endswith("lower_tier: c (tier economy) answered, a lost")
        assert cast.trace.degraded.startswith("a broke, c continued (")

    run_virtual(play())


def test_a_recovering_first_tier_gives_no_calls_to_a_lower_one() -> None:
    """Slow start eases the first back in among its own tier only."""
    cast = run_virtual(_idle())
    knowledge = Knowledge(ramps={"a": 0.1})
    orders = {
        names(planned(cast, Entry("a"), Entry("b"), low("c"), knowledge=knowledge, turn=turn)) for turn in range(30)
    }
    assert orders == {"abc", "bac"}
    assert names(planned(cast, Entry("a"), low("c"), knowledge=knowledge, turn=3)) == "ac"


def test_a_caller_may_wish_for_a_lower_tier_and_then_going_up_is_no_fall() -> None:
    """Preferences sort; what is below is below the first of the order."""

    async def play() -> None:
        cast = cast_of({"c": "small"}, a=Scripted(says("a")), b=Scripted(says("b")), c=failing())
        cast.backends["c"] = replace(cast.backends["c"], price=Price(Decimal(0), Decimal(0)))
        wish = Preferences(objective=Objective.COST)
        plan = planned(cast, Entry("a"), low("c"), Entry("b"), preferences=wish, ladder=Ladder())
        assert (names(plan), dict(plan.lower)) == ("cab", {})
        named = planned(cast, Entry("a"), low("c"), Entry("b"), preferences=Preferences(backends=("a", "c")))
        assert (names(named), dict(named.lower)) == ("abc", {"c": "economy"})
        tiers = (Entry("a"), low("b"), low("c", "last", 2))
        assert names(planned(cast, *tiers, preferences=Preferences(backends=("a", "c")))) == "abc"

    run_virtual(play())


@pytest.mark.parametrize("how", ["route", "directive"])
def test_the_same_model_and_nothing_else(how: str) -> None:
    """`stop_at: same_model` and consistency SAME_MODEL drop other models and lower tiers, and say so."""
    cast = run_virtual(_idle())
    cast.backends["c"] = replace(cast.backends["c"], model_id="other")
    given: dict[str, Any] = (
        {"ladder": Ladder(Rung.SAME_MODEL)} if how == "route" else {"directives": Directives(same_model=True)}
    )
    plan = planned(cast, Entry("a"), Entry("b"), Entry("c"), low("d"), **given)
    assert names(plan) == "ab"
    assert [verdict.drop for verdict in plan.verdicts] == [None, None, Drop.OTHER_MODEL, Drop.OTHER_MODEL]
    assert plan.verdicts[3].detail == "the call keeps to model m"
    assert open_rungs(plan, PROMPT) == (Rung.SAME_MODEL,)


def test_a_weighted_route_keeps_to_the_model_whose_turn_it_is() -> None:
    """Each call for itself."""
    cast = run_virtual(_idle())
    cast.backends["b"] = replace(cast.backends["b"], model_id="other")
    entries = (Entry("a"), Entry("b"))
    given: dict[str, Any] = {"ladder": Ladder(Rung.SAME_MODEL), "strategy": Strategy.WEIGHTED}
    assert [names(planned(cast, *entries, turn=turn, **given)) for turn in range(4)] == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("failure", "reason", "stands_in"),
    [
        (BackendError(Failure.OVERLOADED, http_status=503), Reason.ALL_FAILED, True),
        (BackendError(Failure.TIMEOUT), Reason.ALL_FAILED, True),
        (BackendError(Failure.RATE_LIMITED, http_status=429), Reason.RATE_LIMITED, True),
        (BackendError(Failure.UNAUTHENTICATED, http_status=401), Reason.BACKEND_MISCONFIGURED, True),
        (BackendError(Failure.INVALID, http_status=400), Reason.REJECTED, False),
        (BackendError(Failure.CONTENT_FILTERED, http_status=400), Reason.CONTENT_FILTERED, False),
        (BackendError(Failure.CONTEXT_LENGTH, http_status=400), Reason.CONTEXT_TOO_LONG, False),
        (BackendError(Failure.UNSUPPORTED), Reason.NO_ELIGIBLE_BACKEND, False),
        (BackendError(Failure.INTERNAL), Reason.INTERNAL, False),
    ],
    ids=lambda value: value.failure.value if isinstance(value, BackendError) else "",
)
def test_canned_text_stands_in_where_nobody_could_answer(
    failure: BackendError, reason: Reason, stands_in: bool
) -> None:
    """Never for what the caller can mend, and never over a bug of ours."""

    async def play() -> None:
        cast = cast_of(a=Scripted([(0.0, failure)]))
        plan = planned(cast, ladder=CANNED)
        if not stands_in:
            with pytest.raises(CallError) as caught:
                await cast.completed(plan)
            assert (caught.value.reason, cast.told.decisions[0].averted) == (reason, None)
            return
        answer = await cast.completed(plan)
        assert answer == Completion((Part(Text(SORRY)),), FinishReason.OTHER, "", None, None, cast.trace)
        assert (answer.trace.rung, answer.trace.served_by) == ("canned", None)
        told = f"canned: nobody could answer ({reason.value}): a {failure.failure.value}"
        assert answer.trace.degraded == told

    run_virtual(play())


def test_open_circuits_and_late_first_tokens_are_stood_in_for() -> None:
    """NO_HEALTHY_BACKEND and FIRST_TOKEN_TIMEOUT; a deadline is the caller's own word and ends the call."""

    async def play() -> None:
        cast = cast_of(rule=BreakerRule(consecutive=1), a=failing())
        plan = planned(cast, ladder=CANNED)
        answers = [await cast.completed(plan), await cast.completed(plan)]
        assert [len(answer.trace.attempts) for answer in answers] == [1, 0]
        assert answers[1].trace.degraded == "canned: nobody could answer (NO_HEALTHY_BACKEND): 1 not asked"
        slow = cast_of(a=Scripted(silent(9)))
        late = replace(planned(slow, ladder=CANNED), max_first_token=1.0)
        trace = (await slow.completed(late)).trace
        assert trace.rung == "canned"
        assert trace.degraded == "canned: nobody could answer (FIRST_TOKEN_TIMEOUT): a gave no answer in time"
        assert slow.told.decisions[0].averted is Reason.FIRST_TOKEN_TIMEOUT
        with pytest.raises(CallError) as caught:
            await slow.completed(planned(slow, ladder=CANNED), deadline=1.0)
        assert caught.value.reason is Reason.DEADLINE

    run_virtual(play())


def test_a_canned_stream_folds_to_the_canned_completion() -> None:
    """Started by no backend, the text, finished: by the laws of every stream."""

    async def play() -> None:
        cast = cast_of(a=failing(), b=failing(500))
        plan = planned(cast, ladder=CANNED)
        played = await cast.streamed(plan)
        assert played.error is None
        trace = cast.trace
        finished = Finished(End(FinishReason.OTHER), None, None, trace)
        assert played.events == [Begun(None, "", None), Said([TextDelta(0, SORRY)]), finished]
        call = Call("qt-1", "request-1", 0.0)
        written = [
            wire_answer.started(Begun(None, "", None), call),
            *wire_answer.events([TextDelta(0, SORRY)]),
            wire_answer.finished(finished),
        ]
        assert written[0].started.backend == ""
        answer = Completion((Part(Text(SORRY)),), FinishReason.OTHER, "", None, None, trace)
        assert fold(written) == wire_answer.completion(answer, call)

    run_virtual(play())


def test_nothing_is_canned_behind_words_of_a_model() -> None:
    """A stream that breaks has said something; a unary call's caller has seen nothing of it."""

    async def play() -> None:
        broken: list[Step] = [(0.1, TextDelta(0, "half")), (0.1, BackendError(Failure.LOST))]
        cast = cast_of(a=Scripted(broken))
        played = await cast.streamed(planned(cast, ladder=CANNED))
        assert played.error is not None
        assert played.error.reason is Reason.STREAM_BROKEN
        answer = await cast.completed(planned(cast, ladder=CANNED))
        assert answer.parts == (Part(Text(SORRY)),)

    run_virtual(play())


def test_the_decision_says_what_was_averted() -> None:
    """Answered, by nobody, with the failure it would have been; what was delivered is the canned text."""

    async def play() -> None:
        cast = cast_of(a=failing())
        await cast.completed(planned(cast, ladder=CANNED))
        (decision,) = cast.told.decisions
        assert (decision.ended, decision.finish_reason) == ("answered", FinishReason.OTHER)
        assert (decision.averted, decision.delivered) == (Reason.ALL_FAILED, len(SORRY))
        assert (decision.usage, decision.cost_nano_usd, decision.trace.rung) == (None, None, "canned")

    run_virtual(play())


ASKED = (Message(Role.USER, (Part(Text("hi")),)),)


@pytest.mark.parametrize(
    ("prompt", "prose"),
    [
        (Prompt(ASKED), True),
        (Prompt(ASKED, response_format=TextFormat()), True),
        (Prompt(ASKED, response_format=JsonObjectFormat()), False),
        (Prompt(ASKED, response_format=JsonSchemaFormat("n", "{}")), False),
        (Prompt(ASKED, tool_choice=ToolChoice(mode=ToolMode.REQUIRED)), False),
        (Prompt(ASKED, tool_choice=ToolChoice(name="f")), False),
        (Prompt(ASKED, tool_choice=ToolChoice(mode=ToolMode.AUTO)), True),
        (Prompt(ASKED, provider_options_json={"openai": '{"response_format": {"type": "json_object"}}'}), False),
        (Prompt(ASKED, provider_options_json={"openai": '{"service_tier": "flex"}'}), True),
        (EmbedPrompt(()), False),
    ],
)
def test_a_call_that_asks_for_something_else_than_prose_skips_the_canned_rung(prompt: AnyPrompt, prose: bool) -> None:
    """JSON in any words, a tool call that must come, vectors."""
    cast = run_virtual(_idle())
    assert (Rung.CANNED in open_rungs(replace(planned(cast, ladder=CANNED)), prompt)) is prose


def test_a_call_for_json_fails_as_ever() -> None:
    """With the status that helps."""

    async def play() -> None:
        cast = cast_of(a=failing())
        plan = planned(cast, ladder=CANNED)
        with pytest.raises(CallError) as caught:
            await cast.executor.complete(plan, Prompt(ASKED, response_format=JsonObjectFormat()), _call())
        assert caught.value.reason is Reason.ALL_FAILED

    run_virtual(play())


def _call() -> Call:
    return Call("qt-1", "request-1", 0.0)


@pytest.mark.parametrize(
    ("options", "json"),
    [
        ({"temperature": 0.2, "stop": ["json"]}, False),
        ({"response_format": {"type": "text"}}, False),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, True),
        ({"text": {"format": {"type": "json_object"}}}, True),
        ({"text": {"format": {"type": "text"}, "verbosity": "low"}}, False),
        ({"generationConfig": {"responseMimeType": "application/json"}}, True),
        ({"generation_config": {"response_schema": {"type": "object"}}}, True),
        ({"responseMimeType": "text/plain"}, False),
        ({"format": "json"}, True),
        ({"format": {"type": "object", "properties": {}}}, True),
        ({"output_config": {"format": {"type": "json_schema"}}}, True),
        ({"audio": {"format": "mp3"}}, False),
    ],
)
def test_json_is_asked_for_in_every_providers_words(options: dict[str, Any], json: bool) -> None:
    """OpenAI's two, Gemini's, Anthropic's, Cohere's and Ollama's; other formats are none."""
    assert asks_for_json(options) is json


@pytest.mark.parametrize("depth", [100, 700, 980, 1000, 1020])
def test_deep_options_are_no_bug_of_ours(depth: int) -> None:
    """As deep as the edge takes them, they are looked into, or taken as if they might ask for JSON."""
    deep = '{"a":' * depth + '{"format": "text"}' + "}" * depth

    async def play() -> None:
        cast = cast_of(a=failing())
        with suppress(CallError):
            prompt = Prompt(ASKED, provider_options_json={"openai": deep})
            await cast.executor.complete(planned(cast, ladder=CANNED), prompt, _call())
        assert cast.ended in {"answered", "ALL_FAILED"}

    run_virtual(play())


def test_the_same_model_directive_keeps_a_call_off_the_canned_rung() -> None:
    """Whoever insists on a model does not want an operator's words."""

    async def play() -> None:
        cast = cast_of(a=failing())
        plan = planned(cast, ladder=CANNED, directives=Directives(same_model=True))
        assert (await cast.streamed(plan)).error is not None

    run_virtual(play())


def test_keys_refused_before_are_stood_in_for_like_those_refused_now() -> None:
    """A plan without anybody to ask, for no fault of the caller's."""

    async def play() -> None:
        cast = cast_of(a=failing(401))
        plan = planned(cast, ladder=CANNED, knowledge=Knowledge(keys_refused=frozenset({"a"})))
        assert plan.order == ()
        answer = await cast.completed(plan)
        told = "canned: nobody could answer (BACKEND_MISCONFIGURED): no backend may be asked"
        assert (answer.trace.rung, answer.trace.degraded) == ("canned", told)
        silent_ladder = planned(cast, ladder=Ladder(), knowledge=Knowledge(keys_refused=frozenset({"a"})))
        with pytest.raises(CallError) as caught:
            await cast.completed(silent_ladder)
        assert caught.value.reason is Reason.BACKEND_MISCONFIGURED
        assert caught.value.metadata == {"a": "its provider refused its key"}

    run_virtual(play())


@pytest.mark.parametrize(
    ("ladder", "prompt", "told"),
    [
        (telling(), PROMPT, True),
        (telling(canned=SORRY), PROMPT, True),
        (telling(After.CANNED, SORRY), PROMPT, True),
        (telling(After.CANNED, SORRY), Prompt(ASKED, response_format=JsonObjectFormat()), False),
        (CANNED, PROMPT, False),
        (Ladder(), PROMPT, False),
    ],
)
def test_a_human_is_told_as_the_route_says(ladder: Ladder, prompt: Prompt, told: bool) -> None:
    """Once a call is exhausted, or only of canned answers; the trace, and a failure's metadata, name the escalation."""

    async def play() -> None:
        cast = cast_of(a=failing())
        plan = planned(cast, ladder=ladder)
        metadata: Mapping[str, str] | None = None
        try:
            await cast.executor.complete(plan, prompt, _call())
        except CallError as error:
            metadata = error.metadata
        escalation = cast.trace.escalation
        assert bool(ESCALATED.fullmatch(escalation)) is told
        assert metadata is None or metadata.get("escalation", "") == escalation

    run_virtual(play())


def test_the_escalation_is_the_last_fact_to_be_cut() -> None:
    """A status has room for so many facts, and a failure may have one per backend."""

    async def play() -> None:
        many: dict[str, Any] = {f"backend-number-{place}-of-many-{'x' * 50}": failing(401) for place in range(70)}
        cast = cast_of(**many)
        plan = replace(planned(cast, ladder=telling()), retry=RetryRule(99))
        with pytest.raises(CallError) as caught:
            await cast.completed(plan)
        assert len(caught.value.metadata) == 71
        status = status_pb2.Status.FromString(packed(9, "no", caught.value, None, None))
        info = error_details_pb2.ErrorInfo.FromString(status.details[0].value)
        assert 1 < len(info.metadata) < 71
        assert ESCALATED.fullmatch(info.metadata["escalation"])

    run_virtual(play())


def test_a_stream_says_that_a_human_was_told_before_it_ends() -> None:
    """The event names the same escalation as the trace, and why."""

    async def play() -> None:
        cast = cast_of(a=failing())
        played = await cast.streamed(planned(cast, ladder=telling(canned=SORRY)))
        *_, told, finished = played.events
        assert isinstance(finished, Finished)
        assert told == Escalated(finished.trace.escalation, Reason.ALL_FAILED)
        assert ESCALATED.fullmatch(finished.trace.escalation)
        written = wire_answer.escalated(Escalated("esc-1", Reason.ALL_FAILED))
        assert (written.escalated.id, written.escalated.reason) == ("esc-1", "ALL_FAILED")

    run_virtual(play())


@pytest.mark.parametrize("script", [Scripted(says("yes")), failing(400)], ids=["answered", "rejected"])
def test_nobody_is_told_of_answers_and_of_callers_mistakes(script: Scripted) -> None:
    """A human has better things to do."""

    async def play() -> None:
        cast = cast_of(a=script)
        await cast.streamed(planned(cast, ladder=telling(canned=SORRY)))
        assert (cast.trace.escalation, cast.trace.rung) == ("", "")

    run_virtual(play())


def test_explain_lists_the_rungs_that_are_open() -> None:
    """Highest first, as far as this call may fall."""
    cast = run_virtual(_idle())
    cast.backends["c"] = replace(cast.backends["c"], model_id="other")
    assert open_rungs(planned(cast, Entry("a"), ladder=Ladder()), PROMPT) == ()
    assert open_rungs(planned(cast, Entry("a"), Entry("b")), PROMPT) == (Rung.SAME_MODEL,)
    assert open_rungs(planned(cast, Entry("a"), Entry("c")), PROMPT) == (Rung.LOWER_TIER,)
    assert open_rungs(planned(cast, Entry("a"), low("b")), PROMPT) == (Rung.LOWER_TIER,)
    all_of_them = (Rung.SAME_MODEL, Rung.LOWER_TIER, Rung.CANNED)
    assert open_rungs(planned(cast, Entry("a"), Entry("b"), low("c"), ladder=CANNED), PROMPT) == all_of_them
    off = planned(cast, Entry("a"), Entry("b"), ladder=CANNED, directives=Directives(failover=False))
    assert open_rungs(off, PROMPT) == (Rung.CANNED,)
