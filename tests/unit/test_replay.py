"""`quickthorn explain --replay`: a recorded call, planned again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from quickthorn.v1.completion_pb2 import CompletionRequest
from quickthorn_server.cli import main
from quickthorn_server.config import parse
from quickthorn_server.core.call import Call, Rpc
from quickthorn_server.core.catalogue import OnBreak
from quickthorn_server.core.content import Media, MediaKind, Message, Part, Role, Text
from quickthorn_server.core.decision import Decision
from quickthorn_server.core.plan import Advice, Circuit, HedgeFacts, Knowledge
from quickthorn_server.core.prompt import Prompt, Sampling
from quickthorn_server.core.request import Directives, Objective, Preferences, Priority, Request, Requirements
from quickthorn_server.edge.wire_record import line
from quickthorn_server.edge.wire_replay import ReplayError, replayed
from quickthorn_server.routing.router import plan
from tests.support.laws import law

CONFIG = """
backends:
  - {name: a, provider: scripted, script: [{text: A}], regions: [eu], price: {input: 1, output: 1}, context_window: 900}
  - {name: b, provider: scripted, script: [{text: B}], regions: [us], capabilities: [text, vision]}
  - {name: c, provider: scripted, script: [{text: C}], price: {input: 2, output: 2}, context_window: 90000}
routes:
  - {name: default, backends: [a, b, c], hedge: {delay: p95}}
  - {name: turns, strategy: weighted, backends: [{backend: a, weight: 3}, {backend: b, weight: 2}, c]}
  - {name: learned, backends: [a, b, c], hedge: {delay: auto, max_parallel: 3, to: fastest, max_extra_cost: {hour: 1}}}
"""
CATALOGUE = parse(CONFIG, "q.yaml", {})
PICTURE = Part(Media(MediaKind.IMAGE, uri="https://example.com/planted.png"))


def asked(*parts: Part, text: str = "planted words", most: int | None = None, **given: Any) -> Request:
    return Request(
        Prompt((Message(Role.USER, (Part(Text(text)), *parts)),), sampling=Sampling(max_output_tokens=most)), **given
    )


def recorded(
    request: Request, knowledge: Knowledge | None = None, turn: int = 0, *, rpc: Rpc = Rpc.COMPLETE, name: str = "r-1"
) -> bytes:
    """Return the line of a call that was planned so."""
    made = plan(request, CATALOGUE, knowledge or Knowledge(), turn)
    call = Call("qt-" + name, name, 0.0, None, rpc, 1_700_000_000.0)
    return line(Decision(call, made, "answered", made.trace((), None), 1.0))


FACTS = st.builds(
    lambda advice, near, shut, spent, quick: HedgeFacts(
        lambda *_: advice, near.__contains__, shut.__contains__, lambda _: spent, lambda name, _: quick.get(name)
    ),
    st.builds(
        lambda delay, probability, lanes: Advice(
            delay, probability, lanes, "" if delay else "it would gain 3%", "auto p99: 900 lanes", 1.5, 9.0, 900
        ),
        st.none() | st.just(0.5),
        st.sampled_from([1.0, 0.4]),
        st.integers(2, 3),
    ),
    st.frozensets(st.sampled_from("abc")),
    st.frozensets(st.sampled_from("abc")),
    st.sampled_from([0, 2_000_000_000]),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from([0.1, 0.7])),
)
KNOWN = st.builds(
    lambda states, ramps, delay, refused, facts: Knowledge(
        circuits={name: Circuit(state) for name, state in states.items() if state != "closed"},
        keys_refused=refused,
        first_content={(name, 0.95): delay for name in "abc"} if delay else {},
        ejected={name: 0.25 for name, state in states.items() if state == "open"},
        ramps={name: share for name, share in ramps.items() if states.get(name, "closed") == "closed"},
        hedging=facts,
    ),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from(["closed", "open", "half_open"])),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from([0.1, 0.5])),
    st.sampled_from([0.0, 0.25, 1.5]),
    st.sampled_from([frozenset[str](), frozenset({"a"})]),
    FACTS,
)
REQUESTS = st.builds(
    lambda pictures, **given: asked(*[PICTURE] * pictures, **given),
    st.integers(0, 1),
    text=st.sampled_from(["short", "x" * 4000]),
    most=st.none() | st.just(50),
    route=st.sampled_from(["", "turns", "learned"]),
    requirements=st.builds(
        Requirements,
        regions=st.sampled_from([frozenset[str](), frozenset({"eu", "us"})]),
        max_cost_nano_usd=st.none() | st.just(100_000_000),
        max_first_token=st.none() | st.just(0.75),
    ),
    preferences=st.builds(
        Preferences,
        st.none() | st.just(Objective.COST),
        backends=st.sampled_from([(), ("c",)]),
        regions=st.sampled_from([(), ("us",)]),
    ),
    directives=st.builds(
        Directives,
        deny_backends=st.sampled_from([frozenset[str](), frozenset({"b"})]),
        hedging=st.none() | st.just(value=False),
        failover=st.none() | st.just(value=False),
        same_model=st.booleans(),
        priority=st.sampled_from(Priority),
        on_break=st.none() | st.sampled_from(OnBreak),
    ),
)


@law(200)
@given(REQUESTS, KNOWN, st.integers(0, 2**40), st.sampled_from([Rpc.COMPLETE, Rpc.STREAM]))
def test_the_same_configuration_gives_the_same_plan(
    request_: Request, knowledge: Knowledge, turn: int, rpc: Rpc
) -> None:
    """Whatever was asked and known, a record without content holds all that its plan was made of."""
    made = recorded(request_, knowledge, turn, rpc=rpc)
    assert b"planted" not in made
    found = replayed(made, CATALOGUE)
    assert found.then == found.now
    assert [note for note in found.assumed if "percentile" not in note] == []


def test_who_was_passed_by_for_a_hedge_is_passed_by_again() -> None:
    """A backend near its limits, one whose circuit was shut, and the quickest first: as whom the record names."""
    near = HedgeFacts(near_limit={"b"}.__contains__)
    shut = HedgeFacts(shut={"b"}.__contains__)
    for knowledge in (Knowledge(hedging=near), Knowledge({"b": Circuit.OPEN}, hedging=shut)):
        known = replace(knowledge, first_content={("a", 0.95): 0.3})
        found = replayed(recorded(asked(), known), CATALOGUE)
        assert found.then["hedge"]["to"] == ["c"]
        assert found.now == found.then


def test_another_configuration_shows_what_it_changes() -> None:
    """Under a configuration that lost, gained and reordered backends; what was known is as recorded."""
    other = parse(
        CONFIG.replace("[a, b, c], hedge: {delay: p95}", "[d, c, a]").replace(
            "routes:", "  - {name: d, provider: scripted, script: [{text: D}], context_window: 20}\nroutes:", 1
        ),
        "next.yaml",
        {},
    )
    out = Knowledge({"a": Circuit.OPEN, "c": Circuit.OPEN}, ejected={"a": 0.3, "c": 0.2})
    found = replayed(recorded(asked(text="x" * 400), out), other)
    assert (found.then["order"], found.now["order"]) == (["a", "b", "c"], ["c", "a"])
    assert (found.then["panic"], found.now["panic"]) == (["a"], ["a"])
    assert found.now["candidates"][0] == {
        "backend": "d",
        "reason": "context_window",
        "detail": "needs about 104 tokens, its window holds 20",
        "circuit": "CIRCUIT_STATE_CLOSED",
    }


def older(made: bytes, **more: Any) -> bytes:
    """Return the record as the version before would have written it."""
    record = json.loads(made)
    return json.dumps({key: value for key, value in record.items() if key != "needs"} | more).encode()


def test_what_a_record_does_not_say_is_assumed_aloud() -> None:
    """Without needs they are read off the content; without that, text is assumed; later words are left out."""
    made = recorded(asked(PICTURE, route="turns"))
    assert replayed(made, CATALOGUE).now["order"] == ["b"]
    pb = CompletionRequest()
    pb.messages.add(role="ROLE_USER").parts.add().image.uri = "https://example.com/cat.png"
    kept = replayed(older(made, requestJson=json_format.MessageToJson(pb)), CATALOGUE)
    assert (kept.now["order"], len(kept.assumed)) == (["b"], 1)
    assert "requestJson" not in kept.record
    bare = replayed(older(made), CATALOGUE)
    assert (sorted(bare.now["order"]), len(bare.assumed)) == (["a", "b", "c"], 1)
    later = replayed(made.replace(b'{"at"', b'{"newer":{"x":1},"at"'), CATALOGUE)
    assert (later.now["order"], len(later.assumed)) == (["b"], 1)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (b"", "no decision record"),
        (b"{}", "names no route"),
        (b"[1]", "no decision record"),
        (b'{"at":"2023', "cut"),
        (b"\xff", "no decision record"),
        (b"[" * 100_000, "no decision record"),
        (recorded(asked()).replace(b'"default"', b'"gone"'), "no route 'gone'; it has default, turns"),
        (older(recorded(asked()), requestJson="{planted"), "cannot be read"),
        (older(recorded(asked()), requestJson="{}"), "cannot be read"),
    ],
)
def test_what_cannot_be_planned_again_says_why(made: bytes, why: str) -> None:
    """In a line of ours that quotes nothing of the record but names."""
    with pytest.raises(ReplayError, match=why) as refusal:
        replayed(made, CATALOGUE)
    assert "planted" not in str(refusal.value)


# -- The command ------------------------------------------------------------------------------------------------------


def explain(tmp_path: Path, *arguments: str, lines: tuple[bytes, ...] = (), config: str = CONFIG) -> Result:
    """Run it on the file `d.jsonl` of *lines*, also given on standard input, and the configuration `q.yaml`."""
    (tmp_path / "d.jsonl").write_bytes(b"".join(lines))
    (tmp_path / "q.yaml").write_text(config)
    given = [argument.replace("d.jsonl", str(tmp_path / "d.jsonl")) for argument in arguments]
    command = ["explain", *given, "--config", str(tmp_path / "q.yaml")]
    return CliRunner().invoke(main, command, input=b"".join(lines))


TWO = (
    recorded(asked(), name="r-1"),
    recorded(asked(directives=Directives(deny_backends=frozenset("b"))), Knowledge({"a": Circuit.OPEN}), name="r-2"),
)


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (("--replay", "d.jsonl"), "d.jsonl:2: request r-2"),
        (("--replay", "d.jsonl:1"), "d.jsonl:1: request r-1"),
        (("--replay", "d.jsonl:r-1"), "d.jsonl:1: request r-1"),
        (("--replay", "d.jsonl:qt-r-1"), "d.jsonl:1: request r-1"),
        (("--replay", "d.jsonl", "--id", "r-1"), "d.jsonl:1: request r-1"),
        (("--replay", "-"), "standard input:2: request r-2"),
        (("--replay", "-:1"), "standard input:1: request r-1"),
    ],
)
def test_one_record_is_chosen(tmp_path: Path, arguments: tuple[str, ...], where: str) -> None:
    """By line, by the request's or the call's identifier, else the last; from a file or standard input."""
    result = explain(tmp_path, *arguments, lines=TWO)
    assert (result.exit_code, where in result.output) == (0, True), result.output


def test_it_is_told_to_people(tmp_path: Path) -> None:
    """Both plans side by side, the circuits of then, and what differs; in JSON, all of it."""
    other = CONFIG.replace("backends: [a, b, c], hedge: {delay: p95}", "backends: [c, a, b], retry: {attempts: 2}")
    told = explain(tmp_path, "--replay", "d.jsonl", lines=TWO, config=other).output
    version = parse(other, "q.yaml", {}).version
    denied = "dropped: denied (named in directives.deny_backends)"
    assert told.partition("\n")[2].replace(str(tmp_path), "").splitlines() == [
        f"route default; configuration {CATALOGUE.version} then, now {version} (/q.yaml)",
        f"backend  {'then':<{len(denied)}}  {'now':<{len(denied)}}  circuit then",
        f"c        {'kept: 2':<{len(denied)}}  {'kept: 1':<{len(denied)}}  closed",
        f"a        {'kept: 1':<{len(denied)}}  {'kept: 2':<{len(denied)}}  open",
        f"b        {denied}  {denied}  closed",
        "order then: a, then c",
        "order now: c, then a",
        f"differs: configuration: was {CATALOGUE.version}; is {version}",
        "differs: order: was a, c; is c, a",
        "differs: hedging: was none (nobody to hedge to: a: its circuit is open); is none",
        "differs: lanes: was at most 3; is at most 2",
    ]
    described = json.loads(explain(tmp_path, "--replay", "d.jsonl", "--json", lines=TWO, config=other).output)
    assert described["now"]["order"] == ["c", "a"]
    assert len(described["differs"]) == 4
    assert "the plan is the same" in explain(tmp_path, "--replay", "d.jsonl:1", lines=TWO).output


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--replay", "d.jsonl:3"), "there is no line 3: it has 2"),
        (("--replay", "d.jsonl:0"), "there is no line 0"),
        (("--replay", "d.jsonl:r-3"), "there is no record of 'r-3'"),
        (("--replay", "nowhere.jsonl"), "nowhere.jsonl: No such file"),
        (("--replay", "d.jsonl:1", "--id", "r-1"), "named twice"),
        (("--replay", "d.jsonl", "hello"), "leave out PROMPT"),
        (("--replay", "d.jsonl", "--backend", "a"), "leave out PROMPT"),
        (("--id", "r-1", "hello"), "--id needs --replay"),
        ((), "Missing argument"),
    ],
)
def test_what_cannot_be_found_is_said_in_a_line(tmp_path: Path, arguments: tuple[str, ...], why: str) -> None:
    """Exit status 2."""
    result = explain(tmp_path, *arguments, lines=TWO)
    assert (result.exit_code, why in result.output) == (2, True), result.output


def test_a_broken_record_is_named_by_its_line(tmp_path: Path) -> None:
    """So that it can be looked at; a file without any says so."""
    result = explain(tmp_path, "--replay", "d.jsonl:2", lines=(TWO[0], b"{oops\n"))
    assert result.exit_code == 2
    assert "d.jsonl:2: this is no decision record, or one that was cut" in result.output
    assert "it holds no record" in explain(tmp_path, "--replay", "d.jsonl", lines=(b"\n",)).output
