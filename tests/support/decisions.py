"""Decisions to write records of: a plain one, and one in which nothing is left out."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from quickthorn.v1.completion_pb2 import CompletionRequest
from quickthorn.v1.content_pb2 import ROLE_USER
from quickthorn.v1.content_pb2 import Message as PbMessage
from quickthorn.v1.content_pb2 import Part as PbPart
from quickthorn_server.core.attempt import Attempt, Cause, Outcome
from quickthorn_server.core.call import Call, Rpc
from quickthorn_server.core.catalogue import Backend, Entry, HedgeRule, OnBreak, RetryRule, Route
from quickthorn_server.core.chunk import FinishReason
from quickthorn_server.core.content import OpaqueState, Part, Text
from quickthorn_server.core.decision import Decision
from quickthorn_server.core.failures import Failure
from quickthorn_server.core.features import Feature
from quickthorn_server.core.outline import Needs, Outline
from quickthorn_server.core.plan import Advice, Circuit, Drop, Hedging, Knowledge, Plan, PurseLevels, Verdict
from quickthorn_server.core.request import Directives, Objective, Preferences, Priority
from quickthorn_server.core.seam import Method, Seam
from quickthorn_server.core.usage import Price, Usage

FAST, STEADY, BLIND = (
    Backend(name, "scripted", f"model-{name}", "model", price=Price(Decimal(1), Decimal(2)))
    for name in ("fast", "steady", "blind")
)
USAGE = Usage(12, 5, 3, 2, 1, 4, {"web_search": 2})
NEEDS = Outline(
    "default",
    Needs(
        capabilities=frozenset({"text", "tools"}),
        regions=frozenset({"us", "eu"}),
        data_policies=frozenset({"zdr"}),
        context_tokens=107,
        input_tokens=7,
        max_output_tokens=100,
        max_cost_nano_usd=5_000,
        states=(OpaqueState("openai", "gpt", "item", b"planted state"),),
        providers=frozenset({"openai"}),
        features=frozenset({Feature.SEED, Feature.TOP_K}),
    ),
    Directives(
        "fast",
        frozenset({"fast", "steady"}),
        frozenset({"blind"}),
        False,
        False,
        True,
        Priority.BULK,
        frozenset({Feature.SEED}),
        on_break=OnBreak.CONTINUE,
    ),
    Preferences(Objective.COST, ("steady",), ("eu",)),
    max_first_token=2.5,
    provider_tools=True,
)
PLAN = Plan(
    route=Route("default", (Entry("fast"), Entry("steady"), Entry("blind")), hedge=HedgeRule(percentile=0.95)),
    order=(FAST, STEADY),
    verdicts=(Verdict(FAST), Verdict(STEADY), Verdict(BLIND, Drop.CAPABILITY, "lacks vision")),
    hedging=Hedging(0.25, 2, (STEADY,)),
    no_hedge="",
    retry=RetryRule(3),
    whole=False,
    failover=True,
    shows_reasoning=False,
    max_first_token=None,
    input_tokens=7,
    config_version="v1",
    panic=(STEADY,),
    advice=Advice(0.25, 0.75, 2, "", "auto p99: 12000 lanes, 1.03s instead of 48.8s", 1.03, 48.8, 12_000),
    outline=NEEDS,
    turn=41,
    knowledge=Knowledge({"steady": Circuit.HALF_OPEN}, ejected={"steady": 0.25}, ramps={"fast": 0.5}),
)
FAILED = Attempt(
    "fast", "scripted", "model-fast", Cause.FIRST, Outcome.FAILED, 0.0, None, 0.125, Failure.OVERLOADED, 503, "up-1"
)
LOST = Attempt(
    "fast",
    "scripted",
    "model-fast",
    Cause.SILENCE,
    Outcome.LOST,
    0.25,
    None,
    0.5,
    http_status=200,
    provider_request_id="up-3",
    usage=USAGE,
    cost_nano_usd=9_000,
)
WON = Attempt(
    "steady",
    "scripted",
    "model-steady",
    Cause.FAILOVER,
    Outcome.WON,
    0.125,
    0.5,
    1.000001,
    http_status=200,
    provider_request_id="up-2",
    usage=USAGE,
    cost_nano_usd=22_000,
)
CALL = Call("qt-1", "request-1", 0.0, None, Rpc.COMPLETE, 1_700_000_000.25, "web", {"team": "blü"})
PLAIN = Decision(
    call=CALL,
    plan=PLAN,
    ended="answered",
    trace=PLAN.trace(
        (FAILED, WON, LOST),
        1,
        "the purse for hedges is empty",
        "panic: steady was asked in spite of its open circuit",
    ),
    duration=1.000000001,
    finish_reason=FinishReason.STOP,
    usage=USAGE,
    cost_nano_usd=22_000,
    delivered=5,
)
ASKED = CompletionRequest(messages=[PbMessage(role=ROLE_USER, parts=[PbPart(text="planted question")])])
FULL = replace(
    PLAIN,
    call=replace(CALL, asked=ASKED),
    trace=replace(PLAIN.trace, escalation="esc-1"),
    purses=PurseLevels(12.35, 20.0),
    answer=(Part(Text("planted answer")),),
    seams=(Seam(1, 5, "fast", "steady", Method.ANCHOR),),
)
