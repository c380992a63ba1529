"""What stands in where nobody could answer, for whom it does not, and which human is told."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from google.rpc import error_details_pb2, status_pb2

from quickthorn import fold
from quickthorn_server.core.call import Call
from quickthorn_server.core.catalogue import (
    BreakerRule,
    Entry,
    RetryRule,
)
from quickthorn_server.core.chunk import End, FinishReason, TextDelta
from quickthorn_server.core.completion import Completion
from quickthorn_server.core.content import Message, Part, Role, Text
from quickthorn_server.core.embedding import EmbedPrompt
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import BackendError, Failure, Reason
from quickthorn_server.core.json_asked import asks_for_json
from quickthorn_server.core.ladder import After, Ladder, Rung
from quickthorn_server.core.plan import Knowledge
from quickthorn_server.core.prompt import (
    JsonObjectFormat,
    JsonSchemaFormat,
    Prompt,
    TextFormat,
    ToolChoice,
    ToolMode,
)
from quickthorn_server.core.provider import AnyPrompt
from quickthorn_server.core.request import Directives
from quickthorn_server.edge import wire_answer
from quickthorn_server.edge.details import packed
from quickthorn_server.execution.events import Begun, Escalated, Finished, Said
from quickthorn_server.execution.stand_in import open_rungs
from quickthorn_server.providers.scripted import Scripted
from tests.support.cast import PROMPT, Step, says, silent
from tests.support.virtual import run_virtual
from tests.unit.test_ladder import CANNED, ESCALATED, SORRY, cast_of, failing, idle, low, planned, telling


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
    cast = run_virtual(idle())
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
        ({"structured_outputs": {"json": {"type": "object"}}}, True),
        ({"extra_body": {"guided_json": {"type": "object"}}}, True),
        ({"guided_choice": ["yes", "no"]}, True),
        ({"json_schema": '{"type": "object"}'}, True),
        ({"grammar": "root ::= object"}, True),
        ({"guided_json": None, "structured_outputs": {}, "guided_decoding_backend": "auto"}, False),
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
    cast = run_virtual(idle())
    cast.backends["c"] = replace(cast.backends["c"], model_id="other")
    assert open_rungs(planned(cast, Entry("a"), ladder=Ladder()), PROMPT) == ()
    assert open_rungs(planned(cast, Entry("a"), Entry("b")), PROMPT) == (Rung.SAME_MODEL,)
    assert open_rungs(planned(cast, Entry("a"), Entry("c")), PROMPT) == (Rung.LOWER_TIER,)
    assert open_rungs(planned(cast, Entry("a"), low("b")), PROMPT) == (Rung.LOWER_TIER,)
    all_of_them = (Rung.SAME_MODEL, Rung.LOWER_TIER, Rung.CANNED)
    assert open_rungs(planned(cast, Entry("a"), Entry("b"), low("c"), ladder=CANNED), PROMPT) == all_of_them
    off = planned(cast, Entry("a"), Entry("b"), ladder=CANNED, directives=Directives(failover=False))
    assert open_rungs(off, PROMPT) == (Rung.CANNED,)
