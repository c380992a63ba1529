"""The commands that call a server, run as a user runs them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import grpc
import pytest
from click.testing import CliRunner, Result
from google.rpc import error_details_pb2

from quickthorn import messages
from quickthorn_server.cli import main
from tests.support.fake_routing import (
    FakeRouting,
    fails,
    finished,
    info,
    one_lane,
    plays,
    say,
    serving,
    started,
    whole,
)

Code = grpc.StatusCode


@pytest.fixture
def fake() -> Iterator[FakeRouting]:
    """Return a server that says "Hello, world"."""
    with serving(FakeRouting()) as server:
        yield server


def run(fake: FakeRouting, command: str, *arguments: str, typed: str = "", **environment: str) -> Result:
    """Run `quickthorn` with *arguments* against *fake*, *typed* being its standard input."""
    runner = CliRunner(env={"QUICKTHORN_TARGET": fake.target, **environment})
    return runner.invoke(main, [command, *arguments], input=typed, catch_exceptions=False)


def test_complete_prints_the_answer(fake: FakeRouting) -> None:
    """The answer and nothing else goes to standard output, and every option into the request."""
    options = ["--system", "Be brief.", "--max-output-tokens", "5", "--temperature", "0", "--backend", "fast"]
    done = run(fake, "complete", *options, "--route", "cheap", "Hello")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "Hello, world\n", "")
    [request] = fake.requests
    assert request.messages[0].parts[0].text == "Hello"
    assert request.system[0].text == "Be brief."
    assert (request.sampling.max_output_tokens, request.sampling.temperature) == (5, 0)
    assert (request.route, request.directives.backend) == ("cheap", "fast")


def test_what_is_not_said_is_not_sent(fake: FakeRouting) -> None:
    """Without options the request holds the prompt alone."""
    run(fake, "complete", "Hello")
    assert [field.name for field, _ in fake.requests[0].ListFields()] == ["messages"]


def test_the_prompt_may_come_from_standard_input(fake: FakeRouting) -> None:
    """`-` reads it, for complete and for explain."""
    for command in ("complete", "explain"):
        assert run(fake, command, "-", typed="from a pipe").exit_code == 0
    assert [request.messages[0].parts[0].text for request in fake.requests] == ["from a pipe"] * 2


def test_the_answer_may_come_whole(fake: FakeRouting) -> None:
    """`--no-stream` prints the same."""
    assert run(fake, "complete", "--no-stream", "Hello").stdout == "Hello, world\n"


def test_json_is_the_whole_completion(fake: FakeRouting) -> None:
    """`--json` prints one object, `--json --stream` one event per line."""
    completion = json.loads(run(fake, "complete", "--json", "Hello").stdout)
    assert completion["message"]["parts"] == [{"text": "Hello, world"}]
    lines = run(fake, "complete", "--json", "--stream", "Hello").stdout.splitlines()
    assert [next(iter(json.loads(line))) for line in lines] == ["started", "text", "text", "text", "finished"]


def test_bytes_in_a_pipe_are_the_models(fake: FakeRouting) -> None:
    """What goes into a file or a pipe is exactly what was said, control characters included."""
    fake.answer = plays(*whole("a\x1b[31mb\r\n"))
    assert run(fake, "complete", "Hello").stdout_bytes == b"a\x1b[31mb\r\n"


def test_refusals_and_early_ends_are_shown(fake: FakeRouting) -> None:
    """A refusal is an answer; why an answer is short stands on standard error."""
    refusal = messages.CompletionEvent(part=messages.PartEvent(value=messages.Part(refusal="I will not.")))
    fake.answer = plays(started(), refusal, finished(finish_reason="FINISH_REASON_REFUSAL"))
    for options in ([], ["--no-stream"]):
        done = run(fake, "complete", *options, "Hello")
        assert (done.exit_code, done.stdout, done.stderr) == (0, "I will not.\n", "(refused)\n")
    fake.answer = plays(started(), *say("Once upon"), finished(finish_reason="FINISH_REASON_LENGTH"))
    assert run(fake, "complete", "Hello").stderr == "(cut at the limit of output tokens)\n"


def test_an_empty_answer_prints_nothing(fake: FakeRouting) -> None:
    """No text, no line."""
    fake.answer = plays(started(), finished())
    for options in ([], ["--no-stream"]):
        assert run(fake, "complete", *options, "Hello").stdout == ""


@pytest.mark.parametrize("options", [[], ["--no-stream"]])
def test_a_canned_answer_is_not_taken_for_a_models(fake: FakeRouting, options: list[str]) -> None:
    """Standard error says that it is one."""
    fake.answer = plays(started(), *say("Later."), finished(trace=messages.RouteTrace(rung="canned")))
    done = run(fake, "complete", *options, "Hello")
    assert (done.stdout, done.stderr) == ("Later.\n", "(canned: no backend could answer)\n")


def test_the_trace_is_a_short_table(fake: FakeRouting) -> None:
    """One line per lane on standard error, so that the answer can be piped on."""
    hedge = messages.Attempt(
        backend="slow",
        cause=messages.LaneCause.LANE_CAUSE_SILENCE,
        outcome=messages.LaneOutcome.LANE_OUTCOME_FAILED,
        failure="unavailable",
        http_status=503,
        usage=messages.Usage(input_tokens=9, output_tokens=7, source=messages.UsageSource.USAGE_SOURCE_ESTIMATED),
    )
    hedge.started.FromMilliseconds(300)
    hedge.ended.FromMilliseconds(1840)
    trace = messages.RouteTrace(attempts=[*one_lane().attempts, hedge], served_by=0, no_hedge="one candidate only")
    trace.hedge_delay.FromMilliseconds(300)
    fake.answer = plays(started(), *say("Hello"), finished(trace=trace, cost_nano_usd=21_000))
    done = run(fake, "complete", "--trace", "Hello")
    assert done.stdout == "Hello\n"
    assert done.stderr.splitlines() == [
        "lane  backend  cause    started  first content   ended  outcome                         tokens       cost",
        "1     fast     first       0 ms         181 ms  412 ms  won                        12 in 3 out  $0.000021",
        "2     slow     silence   300 ms              -  1.84 s  failed: unavailable (503)  ~9 in 7 out          -",
        "total tokens unknown; $0.000021; hedging delay 300 ms; no hedge: one candidate only; request request-1",
    ]


def test_a_failed_call_is_told_in_three_lines(fake: FakeRouting) -> None:
    """What happened, what is known, what to do; status 1."""
    lanes = [
        messages.Attempt(backend="fast", failure="connect"),
        messages.Attempt(backend="steady", failure="timeout"),
    ]
    failure = messages.RouteFailure(request_id="r-1", attempts=lanes)
    fake.answer = fails(Code.UNAVAILABLE, "it broke", info("STREAM_BROKEN"), failure, after=(started(), *say("Hel")))
    done = run(fake, "complete", "Hello")
    assert (done.exit_code, done.stdout) == (1, "Hel\n")
    assert done.stderr.splitlines() == [
        "error: it broke (UNAVAILABLE STREAM_BROKEN)",
        "  fast: connect; steady: timeout; request r-1",
        "  ask again; what is above is only part of the answer",
    ]


def test_facts_that_the_message_holds_are_not_repeated(fake: FakeRouting) -> None:
    """Servers put the fields or the backends into their message; the second line adds the rest."""
    violation = error_details_pb2.BadRequest.FieldViolation(field="sampling.top_k", description="must be 1 or more")
    bad = error_details_pb2.BadRequest(field_violations=[violation])
    failure = messages.RouteFailure(request_id="r-1")
    message = "sampling.top_k: must be 1 or more"
    fake.answer = fails(Code.INVALID_ARGUMENT, message, info("INVALID_REQUEST"), bad, failure)
    assert run(fake, "complete", "Hello").stderr.splitlines() == [
        "error: sampling.top_k: must be 1 or more (INVALID_ARGUMENT INVALID_REQUEST)",
        "  request r-1",
    ]


def test_the_lanes_of_a_failed_call_are_shown_on_demand(fake: FakeRouting) -> None:
    """`--trace` prints the table before the error."""
    failure = messages.RouteFailure(attempts=one_lane().attempts)
    fake.answer = fails(Code.DEADLINE_EXCEEDED, "the deadline passed", info("DEADLINE"), failure)
    lines = run(fake, "complete", "--trace", "Hello").stderr.splitlines()
    assert lines[0].startswith("lane  backend")
    assert lines[2:] == [
        "error: the deadline passed (DEADLINE_EXCEEDED DEADLINE)",
        "  fast: won",
        "  allow more with --timeout, or ask for less",
    ]


def test_nobody_there_is_told_with_a_remedy() -> None:
    """A refused connection says where and what to start."""
    done = run(FakeRouting(target="127.0.0.1:1"), "complete", "Hello")
    assert done.exit_code == 1
    assert done.stderr.splitlines()[0] == "error: no answer from 127.0.0.1:1: connection refused (UNAVAILABLE)"
    assert "quickthorn serve" in done.stderr


def test_a_deadline_is_told_with_a_remedy(fake: FakeRouting) -> None:
    """`--timeout` bounds the call."""
    fake.answer = fake.silent()
    done = run(fake, "complete", "--timeout", "0.2", "Hello")
    assert done.exit_code == 1
    assert "allow more with --timeout" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--target", "ftp://localhost:50051", "Hello"], "is neither http:// nor https://"),
        (["--target", "localhost", "Hello"], "has no port"),
        (["--api-key-env", "NOT_THERE", "Hello"], "no environment variable NOT_THERE"),
        (["--ca", "absent.pem", "Hello"], "absent.pem"),
        (["--timeout", "0", "Hello"], "--timeout"),
        ([], "PROMPT"),
    ],
)
def test_arguments_that_cannot_work_are_refused(fake: FakeRouting, arguments: list[str], said: str) -> None:
    """Status 2, the remedy on standard error, and nobody is called."""
    done = run(fake, "complete", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert fake.requests == []


def test_the_key_comes_from_the_environment(fake: FakeRouting) -> None:
    """From QUICKTHORN_API_KEY, or from the variable that is named; it is never an argument, which others could see."""
    run(fake, "complete", "Hello", QUICKTHORN_API_KEY="sk-1")
    run(fake, "complete", "--api-key-env", "MINE", "Hello", MINE="sk-2")
    run(fake, "complete", "Hello")
    assert [seen.get("authorization") for seen in fake.metadata] == ["Bearer sk-1", "Bearer sk-2", None]


def test_explain_lists_every_candidate(fake: FakeRouting) -> None:
    """Kept or dropped, and why; then the order and the hedge."""
    kept = messages.Candidate(
        backend="fast",
        model="m-1",
        kept=True,
        position=0,
        circuit="CIRCUIT_STATE_CLOSED",
        estimated_cost_nano_usd=2_100,
    )
    kept.timeouts.first_token.FromSeconds(10)
    dropped = messages.Candidate(backend="blind", model="m-2", reason="capability", detail="lacks vision")
    rule = messages.HedgeRule(max_parallel=2, target="p95")
    rule.delay.FromMilliseconds(300)
    fake.explanation = messages.Explanation(
        route="default",
        strategy="priority",
        candidates=[kept, dropped],
        order=["fast"],
        hedge=rule,
        max_attempts=3,
        upstream="UPSTREAM_MODE_STREAM",
        estimated_input_tokens=12,
        needs=["vision"],
        notes=["fast retires soon"],
    )
    done = run(fake, "explain", "Hello")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "route default (priority); at most 3 lanes; upstream stream; about 12 input tokens; needs vision",
        "#  backend  model  verdict                             circuit    estimate  connect  first token  idle  total",
        "1  fast     m-1    kept                                closed   $0.0000021        -         10 s     -      -",
        "-  blind    m-2    dropped: capability (lacks vision)  -                 -        -            -     -      -",
        "order: fast",
        "hedging: after 300 ms of silence, the p95 of its first content, at most 2 lanes at once",
        "note: fast retires soon",
    ]
    assert json.loads(run(fake, "explain", "--json", "Hello").stdout)["order"] == ["fast"]


def test_a_learned_hedge_is_explained(fake: FakeRouting) -> None:
    """For which share of calls, on whom, and what it rests on; who is not drawn sees what it rests on, too."""
    rule = messages.HedgeRule(max_parallel=2, target="p99", probability=0.346, to=["steady"], learned_from=900)
    rule.delay.FromMilliseconds(300)
    rule.basis = "auto p99: 900 lanes, 1.03s instead of 48.8s"
    fake.explanation = messages.Explanation(hedge=rule)
    assert (
        "hedging: after 300 ms of silence for 34.6% of such calls, on steady, at most 2 lanes at once "
        "(auto p99: 900 lanes, 1.03s instead of 48.8s)"
    ) in run(fake, "explain", "Hello").stdout
    rule.ClearField("delay")
    rule.no_hedge = "not drawn: 34.6% of such calls may hedge"
    fake.explanation = messages.Explanation(hedge=rule)
    assert (
        "hedging: none: not drawn: 34.6% of such calls may hedge (auto p99: 900 lanes, 1.03s instead of 48.8s)"
    ) in run(fake, "explain", "Hello").stdout


def test_nobody_eligible_is_explained(fake: FakeRouting) -> None:
    """A request that nobody can serve has an explanation, not an error."""
    fake.explanation = messages.Explanation(hedge=messages.HedgeRule(no_hedge="one candidate only"))
    done = run(fake, "explain", "Hello")
    assert done.exit_code == 0
    assert "order: nobody can serve this request" in done.stdout
    assert "hedging: none: one candidate only" in done.stdout


@pytest.mark.parametrize("command", ["complete", "chat", "explain"])
def test_help_shows_how(fake: FakeRouting, command: str) -> None:
    """Every command's help has examples and the exit status."""
    shown = run(fake, command, "--help").stdout
    assert f"  quickthorn {command}" in shown
    assert "Exit status" in shown
