"""The fold: chunks in, parts out, however the chunks were cut."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import pytest

from quickthorn_server.core.chunk import (
    Chunk,
    End,
    FinishReason,
    Opened,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
    Vectors,
    WholePart,
)
from quickthorn_server.core.completion import Fold
from quickthorn_server.core.content import (
    CacheHint,
    Citation,
    OpaqueState,
    Part,
    ProviderBlock,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from quickthorn_server.core.usage import Usage
from tests.support.random_replies import random_reply

ONE, TWO = Citation("https://example.com/1"), Citation("https://example.com/2", start=0, end=3)
STATE, OTHER_STATE = OpaqueState("gemini", "", "", b"\x00\xff"), OpaqueState("gemini", "m", "i", b"")
BLOCK = ProviderBlock("anthropic", "web_search_tool_result", '{"a": 40.0}')


def folded(*chunks: Chunk) -> tuple[Part, ...]:
    fold = Fold()
    fold.add(chunks)
    return fold.parts()


@pytest.mark.parametrize(
    ("chunks", "parts"),
    [
        ([], ()),
        ([End(FinishReason.STOP)], ()),
        ([Opened("m"), UsageReport(Usage(1, 1))], ()),
        ([TextDelta(0, "Hel"), TextDelta(0, "lo")], (Part(Text("Hello")),)),
        ([TextDelta(0, "")], (Part(Text("")),)),
        ([ReasoningDelta(0, "h"), ReasoningDelta(0, "m")], (Part(Reasoning("hm")),)),
        ([ReasoningDelta(0, "")], (Part(Reasoning("")),)),
        ([ToolCallDelta(0, "1", "f")], (Part(ToolCall("1", "f", "")),)),
        (
            [ToolCallDelta(0, "1", "f", '{"a"'), ToolCallDelta(0, arguments_json=":40}")],
            (Part(ToolCall("1", "f", '{"a":40}')),),
        ),
        ([WholePart(0, Part(Refusal("no")))], (Part(Refusal("no")),)),
        ([WholePart(0, Part(BLOCK, opaque=STATE))], (Part(BLOCK, opaque=STATE),)),
    ],
)
def test_chunks_of_one_kind_make_their_part(chunks: list[Chunk], parts: tuple[Part, ...]) -> None:
    """Each kind of chunk, alone."""
    assert folded(*chunks) == parts


def test_parts_stand_in_the_order_of_their_indices() -> None:
    """Interleaving does not matter, and neither does who finished first."""
    assert folded(
        ToolCallDelta(2, "2", "g", "["),
        ReasoningDelta(0, "h"),
        ToolCallDelta(1, "1", "f", "{"),
        ToolCallDelta(2, arguments_json="]"),
        ReasoningDelta(0, "m"),
        ToolCallDelta(1, arguments_json="}"),
        TextDelta(64, "last"),
        WholePart(9, Part(Refusal("nine"))),
    ) == (
        Part(Reasoning("hm")),
        Part(ToolCall("1", "f", "{}")),
        Part(ToolCall("2", "g", "[]")),
        Part(Refusal("nine")),
        Part(Text("last")),
    )


def test_what_comes_late_is_added_to_its_part() -> None:
    """Citations accumulate in order; opaque state and cache hint are put on; the text stays."""
    assert folded(
        TextDelta(0, "a"),
        WholePart(0, Part(None, citations=(ONE,))),
        TextDelta(0, "b"),
        WholePart(0, Part(None, CacheHint(300.0), (TWO, ONE), STATE)),
        TextDelta(0, "c"),
    ) == (Part(Text("abc"), CacheHint(300.0), (ONE, TWO, ONE), STATE),)


def test_what_comes_early_is_kept_for_its_part() -> None:
    """A signature may precede the words that it signs."""
    assert folded(WholePart(0, Part(None, opaque=STATE)), ReasoningDelta(0, "hm")) == (
        Part(Reasoning("hm"), opaque=STATE),
    )


def test_state_is_set_once_and_can_be_replaced_whole() -> None:
    """The last opaque state counts as it is: bytes of two states are never mixed."""
    assert folded(
        ToolCallDelta(0, "1", "f"),
        WholePart(0, Part(None, opaque=STATE)),
        WholePart(0, Part(None, citations=(ONE,))),
        WholePart(0, Part(None, opaque=OTHER_STATE)),
    ) == (Part(ToolCall("1", "f", ""), citations=(ONE,), opaque=OTHER_STATE),)


def test_late_citations_reach_a_whole_part() -> None:
    """A part that came whole can be added to as well."""
    late = [WholePart(0, Part(BLOCK, citations=(ONE,))), WholePart(0, Part(None, citations=(TWO,)))]
    assert folded(*late) == (Part(BLOCK, citations=(ONE, TWO)),)


def test_a_tool_call_keeps_its_first_identity() -> None:
    """Id and name come once; an empty id later does not erase them."""
    assert folded(ToolCallDelta(0, "1", "f", "{"), ToolCallDelta(0, "", "", "}")) == (Part(ToolCall("1", "f", "{}")),)


def test_reasoning_stays_reasoning() -> None:
    """Two parts of different kinds never run into one another."""
    assert folded(ReasoningDelta(0, "hm"), TextDelta(1, "so"), ReasoningDelta(2, "hm"), TextDelta(3, "yes")) == (
        Part(Reasoning("hm")),
        Part(Text("so")),
        Part(Reasoning("hm")),
        Part(Text("yes")),
    )


def test_the_end_is_remembered() -> None:
    """Reason and stop sequence as the provider gave them; none until it came."""
    fold = Fold()
    fold.add([TextDelta(0, "x")])
    assert fold.end is None
    end = End(FinishReason.LENGTH, "###")
    fold.add([end])
    assert fold.end is end


def test_any_grouping_folds_alike() -> None:
    """Network reads may end anywhere between two chunks."""
    for dice, chunks in replies():
        at_once, one_by_one, in_bursts = Fold(), Fold(), Fold()
        at_once.add(chunks)
        for chunk in chunks:
            one_by_one.add([chunk])
        rest = chunks
        while rest:
            cut = dice.randint(0, len(rest))
            in_bursts.add(rest[:cut])
            rest = rest[cut:]
        assert at_once.parts() == one_by_one.parts() == in_bursts.parts()
        assert at_once.end == one_by_one.end == in_bursts.end == chunks[-1]


def test_any_cut_of_the_text_folds_alike() -> None:
    """A provider may say a word in one delta or letter by letter."""
    for dice, chunks in replies():
        assert folded(*_recut(chunks, dice)) == folded(*chunks)


def test_parts_do_not_see_each_other() -> None:
    """Each part is the fold of its own chunks alone, whatever stood between them."""
    for _, chunks in replies():
        indices = sorted(
            {chunk.part for chunk in chunks if not isinstance(chunk, Opened | UsageReport | Vectors | End)}
        )
        alone = [folded(*(chunk for chunk in chunks if getattr(chunk, "part", None) == index)) for index in indices]
        assert folded(*chunks) == tuple(part for parts in alone for part in parts)
        assert len(alone) == len(folded(*chunks))


def replies() -> Iterator[tuple[random.Random, list[Chunk]]]:
    """Yield 300 random answers, each with the dice that made it."""
    for seed in range(300):
        dice = random.Random(seed)
        yield dice, random_reply(dice)


def _recut(chunks: Iterable[Chunk], dice: random.Random) -> Iterator[Chunk]:
    for chunk in chunks:
        match chunk:
            case TextDelta(part, text):
                yield from (TextDelta(part, piece) for piece in _pieces(text, dice))
            case ReasoningDelta(part, text):
                yield from (ReasoningDelta(part, piece) for piece in _pieces(text, dice))
            case ToolCallDelta(part, call_id, name, text):
                first, *others = _pieces(text, dice)
                yield ToolCallDelta(part, call_id, name, first)
                yield from (ToolCallDelta(part, arguments_json=piece) for piece in others)
            case _:
                yield chunk


def _pieces(text: str, dice: random.Random) -> list[str]:
    """Cut *text* anywhere; at least one piece, pieces may be empty."""
    cuts = sorted(dice.choices(range(len(text) + 1), k=dice.randrange(4)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
