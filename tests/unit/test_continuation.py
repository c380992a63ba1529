"""How another backend is asked to go on, and how what it says is fitted to what was there: pure."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import pytest

from quickthorn_server.core.catalogue import Backend, OnBreak
from quickthorn_server.core.chunk import Chunk, ReasoningDelta, TextDelta, ToolCallDelta, UsageReport, WholePart
from quickthorn_server.core.content import CacheHint, Citation, Message, OpaqueState, Part, Reasoning, Role, Text
from quickthorn_server.core.plan import Plan
from quickthorn_server.core.prompt import JsonObjectFormat, Prompt, ReasoningEffort, ReasoningOptions, Sampling
from quickthorn_server.core.seam import Method, Seam
from quickthorn_server.core.usage import Usage, UsageSource, summed
from quickthorn_server.execution.continuation import asked
from quickthorn_server.execution.continuation import said as continuing
from quickthorn_server.execution.draft import Draft
from quickthorn_server.execution.events import Event, Joined, Said
from quickthorn_server.execution.seam import Joint
from tests.support.decisions import PLAN

ANY = Backend("b", "scripted", "m", "m")
ABLE = replace(ANY, capabilities=frozenset({"text", "prefill"}))
LONG = "A text of more than sixty-four characters, so that its anchor is not all of it.\r\n"


def said(role: Role, *texts: str) -> Message:
    return Message(role, tuple(Part(Text(text)) for text in texts))


HI = said(Role.USER, "hi")
PROMPT = Prompt((HI,))


def test_a_prefill_is_the_text_so_far_as_the_last_turn() -> None:
    """Marked as the beginning of the answer, without the white space at its end, which may come again."""
    made = asked(PROMPT, LONG, None, ABLE)
    assert made.prompt == Prompt((HI, said(Role.ASSISTANT, LONG.rstrip())), prefill=True)
    assert (made.method, made.expected) == (Method.PREFILL, "\r\n")


def test_an_anchor_is_the_last_64_characters() -> None:
    """The whole text so far is the assistant's turn, and the user's next one asks for exactly that beginning."""
    made = asked(PROMPT, LONG, None, ANY)
    *before, instruction = made.prompt.messages
    assert before == [HI, said(Role.ASSISTANT, LONG)]
    assert (made.method, made.expected) == (Method.ANCHOR, LONG[-64:])
    (part,) = instruction.parts
    assert isinstance(part.kind, Text)
    assert part.kind.text.endswith(f"<repeat>{LONG[-64:]}</repeat>")
    assert "last 64 characters" in part.kind.text
    assert (instruction.role, made.prompt.prefill) == (Role.USER, False)
    assert asked(PROMPT, "short", None, ANY).expected == "short"


@pytest.mark.parametrize(("backend", "method"), [(ABLE, Method.PREFILL), (ANY, Method.ANCHOR)])
def test_where_there_is_only_white_space_the_question_is_asked_anew(backend: Backend, method: Method) -> None:
    """A turn of nothing but white space would be refused; should it come again, it is not said twice."""
    made = asked(PROMPT, "\n" * 70, None, backend)
    assert (made.prompt, made.method, made.expected) == (PROMPT, method, "\n" * 70)


def test_a_turn_that_the_caller_began_goes_on() -> None:
    """Two turns of the assistant in a row are more than some providers take; two texts some join by a line break."""
    begun = Prompt((HI, said(Role.ASSISTANT, "The ")))
    assert asked(begun, "sea ", None, ABLE).prompt.messages == (HI, said(Role.ASSISTANT, "The sea"))
    assert asked(begun, "sea ", None, ANY).prompt.messages[:2] == (HI, said(Role.ASSISTANT, "The sea "))
    cached = Part(Text("The "), cache=CacheHint())
    turn = asked(Prompt((HI, Message(Role.ASSISTANT, (cached,)))), "sea", None, ABLE).prompt.messages[-1]
    assert turn.parts == (cached, Part(Text("sea")))


@pytest.mark.parametrize(
    ("asks", "method"),
    [
        (ReasoningOptions(), Method.PREFILL),
        (ReasoningOptions(ReasoningEffort.NONE, 0), Method.PREFILL),
        (ReasoningOptions(ReasoningEffort.LOW), Method.ANCHOR),
        (ReasoningOptions(budget_tokens=1024), Method.ANCHOR),
    ],
)
def test_who_is_to_think_gets_an_anchor(asks: ReasoningOptions, method: Method) -> None:
    """Thinking comes before an answer, so none may have begun."""
    assert asked(replace(PROMPT, reasoning=asks), LONG, None, ABLE).method is method


@pytest.mark.parametrize(
    ("limit", "written", "backend", "left"),
    [(100, 30, ABLE, 70), (100, 30, ANY, 134), (100, 100, ABLE, 1), (100, None, ABLE, 100), (None, 30, ABLE, None)],
)
def test_what_was_written_counts_towards_the_limit(
    limit: int | None, written: int | None, backend: Backend, left: int | None
) -> None:
    """An anchor may be repeated on top of what is left; what is not known is not guessed."""
    prompt = replace(PROMPT, sampling=Sampling(max_output_tokens=limit))
    assert asked(prompt, LONG, written, backend).prompt.sampling.max_output_tokens == left


CONTINUES = replace(PLAN, order=(ANY, replace(ABLE, name="c")), on_break=OnBreak.CONTINUE, outline=None)


@pytest.mark.parametrize(
    ("plan", "prompt", "told"),
    [
        (CONTINUES, PROMPT, ["a stream that breaks is continued: b by an anchor, c by prefill"]),
        (
            CONTINUES,
            replace(PROMPT, reasoning=ReasoningOptions(ReasoningEffort.LOW)),
            ["a stream that breaks is continued: b by an anchor, c by an anchor"],
        ),
        (
            CONTINUES,
            replace(PROMPT, response_format=JsonObjectFormat()),
            ["a stream that breaks is not continued: it was to be JSON"],
        ),
        (
            replace(CONTINUES, failover=False),
            PROMPT,
            ["a stream that breaks is not continued: the call may not fail over"],
        ),
        (replace(CONTINUES, on_break=OnBreak.FAIL), PROMPT, []),
    ],
)
def test_explain_says_who_would_continue(plan: Plan, prompt: Prompt, told: list[str]) -> None:
    """By prefill where a backend can, else by an anchor; and why nobody would."""
    assert continuing(plan, prompt) == told


def test_a_draft_is_all_texts_and_ends_in_the_last() -> None:
    """The seam counts the bytes of that part alone, as UTF-8."""
    draft = Draft()
    draft.add([TextDelta(0, "one "), WholePart(0, Part(None, citations=(Citation("u"),)))])
    draft.add(
        [TextDelta(1, ""), TextDelta(2, "tw"), UsageReport(Usage(1, 1)), TextDelta(2, "ö"), ReasoningDelta(3, "")]
    )
    assert (draft.text, draft.part, draft.offset, draft.parts, draft.obstacle) == ("one twö", 2, 4, 4, "")


def test_a_draft_keeps_what_could_be_continued_and_nothing_else() -> None:
    """It holds a text's own size, and lets go of one that nobody could go on with, or that does not end."""
    draft = Draft()
    tracemalloc.start()
    for _ in range(10_000):
        draft.add([TextDelta(0, f"ü\r{chr(10)}")])
    assert tracemalloc.get_traced_memory()[0] < 2 * 40_000
    assert (draft.text, draft.offset) == ("ü\r\n" * 10_000, 40_000)
    for _ in range(33):
        draft.add([TextDelta(0, "x" * 32_768)])
    assert (draft.text, draft.obstacle) == ("", "it was too long")
    assert tracemalloc.get_traced_memory()[0] < 40_000
    tracemalloc.stop()


def joined(joint: Joint, *bursts: list[Chunk]) -> list[Event]:
    return [event for burst in bursts for event in joint.take(burst)] + joint.close()


def anchored(text: str, parts: int = 1) -> Joint:
    return Joint(Seam(0, len(text.encode()), "a", "b", Method.ANCHOR), text[-64:], parts=parts, used=Usage(1, 2))


STATE = OpaqueState("p", "m", "", b"s")
REDACTED = WholePart(0, Part(Reasoning(""), opaque=STATE))
APPENDED = Joined(Seam(0, 3, "a", "b", Method.APPENDED))
EXACT = Joined(Seam(0, 3, "a", "b", Method.ANCHOR))


def test_the_seam_stands_where_the_text_goes_on() -> None:
    """What comes before it came before it: reports and thinking are not held back."""
    before: list[Chunk] = [UsageReport(Usage(4, 4)), ReasoningDelta(0, "?")]
    events = joined(anchored("abc"), [*before, TextDelta(1, "ab"), TextDelta(1, "cd")])
    assert events == [Said([UsageReport(Usage(5, 6)), ReasoningDelta(1, "?")]), EXACT, Said([TextDelta(0, "d")])]


@pytest.mark.parametrize("before", [[ReasoningDelta(0, "?"), WholePart(0, Part(None, opaque=STATE))], [REDACTED]])
def test_the_state_of_thinking_decides_nothing(before: list[ReasoningDelta | WholePart]) -> None:
    """The signature comes behind the thinking and before the text, which may still begin with the anchor."""
    events = joined(anchored("abc"), [*before], [TextDelta(1, "abcd")])
    assert events == [Said([replace(chunk, part=1) for chunk in before]), EXACT, Said([TextDelta(0, "d")])]


def test_a_seam_is_told_when_it_is_given_out() -> None:
    """That of a prefill is known at once, and the caller may be late before anything of it comes."""
    joint = Joint(Seam(0, 3, "a", "b", Method.PREFILL), "", parts=1, used=Usage())
    assert not joint.told
    assert joint.take([UsageReport(Usage())])
    assert joint.told


def test_another_part_decides_that_the_anchor_has_not_come() -> None:
    """What was held back comes first, in its place."""
    call = ToolCallDelta(1, "c", "f", "{}")
    events = joined(anchored("abc", parts=2), [TextDelta(0, "ab"), call])
    assert events == [APPENDED, Said([TextDelta(0, "ab"), replace(call, part=2)])]
    assert joined(anchored("abc"), [call]) == [APPENDED, Said([replace(call, part=1)])]


@pytest.mark.parametrize(
    ("words", "start"),
    [(["abcd"], 13), (["ab", "cd"], 13), (["xyzd"], 16)],
)
def test_citations_are_counted_from_the_beginning_of_the_part(words: list[str], start: int) -> None:
    """As the continuing backend counts its own bytes from 0, the anchor included; whether told early or late."""
    notes = WholePart(0, Part(None, citations=(Citation("u", start=3, end=4), Citation("v")), opaque=STATE))
    joint = Joint(Seam(0, 13, "a", "b", Method.ANCHOR), "abc", parts=1, used=Usage())
    events = joined(joint, [TextDelta(0, words[0]), notes], [TextDelta(0, word) for word in words[1:]])
    (late,) = [
        chunk for event in events if isinstance(event, Said) for chunk in event.chunks if isinstance(chunk, WholePart)
    ]
    assert late.part == 0
    assert late.value == Part(None, citations=(Citation("u", start=start, end=start + 1), Citation("v")), opaque=STATE)


@pytest.mark.parametrize(
    ("one", "other", "total"),
    [
        (Usage(1, 2), Usage(3, 4), Usage(4, 6)),
        (Usage(1, 2, cache_read_tokens=1), Usage(3, 4), Usage(4, 6)),
        (Usage(1, None), Usage(3, 4), Usage(4, None)),
        (Usage(1, 2, units={"a": 1}), Usage(3, 4, units={"a": 2, "b": 1}), Usage(4, 6, units={"a": 3, "b": 1})),
        (Usage(1, 2, source=UsageSource.ESTIMATED), Usage(3, 4), Usage(4, 6, source=UsageSource.ESTIMATED)),
        (Usage(1, 2), Usage(source=UsageSource.UNKNOWN), Usage(source=UsageSource.UNKNOWN)),
    ],
)
def test_what_one_does_not_know_nobody_knows(one: Usage, other: Usage, total: Usage) -> None:
    """Sums never take an unknown number for 0."""
    assert summed(one, other) == summed(other, one) == total
