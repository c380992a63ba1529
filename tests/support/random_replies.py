"""Random answers, as the chunks of a provider."""

from __future__ import annotations

import random

from quickthorn_server.core.chunk import (
    Chunk,
    End,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
    WholePart,
)
from quickthorn_server.core.content import (
    CacheHint,
    Citation,
    Media,
    MediaKind,
    OpaqueState,
    Part,
    ProviderBlock,
    Refusal,
)
from quickthorn_server.core.usage import Usage

_ALPHABET = 'abc \n"\\{}é線🌿\u200d'


def random_reply(dice: random.Random) -> list[Chunk]:
    """Return one answer: up to six parts, streamed ones cut anywhere, all of them interleaved."""
    unopened = [_part(dice, index) for index in range(dice.randrange(7))]
    opened: list[list[Chunk]] = []
    chunks: list[Chunk] = []
    while unopened or opened:
        if unopened and (not opened or dice.random() < 0.3):
            opened.append(unopened.pop(0))
            chunks.append(opened[-1].pop(0))
        else:
            chunks.append(dice.choice(opened).pop(0))
        opened = [queue for queue in opened if queue]
        if dice.random() < 0.1:
            chunks.append(UsageReport(Usage(input_tokens=dice.randrange(1000))))
    return [*chunks, End(dice.choice(list(FinishReason)), dice.choice(["", "\n\n"]))]


def _part(dice: random.Random, index: int) -> list[Chunk]:
    """Return the chunks of one part; what comes late for it stands anywhere after its first."""
    chunks = _body(dice, index)
    for _ in range(dice.choice([0, 0, 0, 1, 2])):
        chunks.insert(dice.randint(1, len(chunks)), WholePart(index, _attributes(dice)))
    return chunks


def _body(dice: random.Random, index: int) -> list[Chunk]:
    match dice.choice(["text", "reasoning", "tool_call", "whole"]):
        case "text":
            return [TextDelta(index, piece) for piece in _pieces(dice)]
        case "reasoning":
            return [ReasoningDelta(index, piece) for piece in _pieces(dice)]
        case "tool_call":
            first, *others = _pieces(dice)
            opening = ToolCallDelta(index, f"call-{index}", dice.choice(["weather", "search"]), first)
            return [opening, *(ToolCallDelta(index, arguments_json=piece) for piece in others)]
        case _:
            return [WholePart(index, _attributes(dice, _whole_kind(dice)))]


def _pieces(dice: random.Random) -> list[str]:
    return [_text(dice, 6) for _ in range(dice.randint(1, 8))]


def _text(dice: random.Random, longest: int) -> str:
    return "".join(dice.choices(_ALPHABET, k=dice.randint(0, longest)))


def _whole_kind(dice: random.Random) -> Refusal | Media | ProviderBlock:
    kinds: list[Refusal | Media | ProviderBlock] = [
        Refusal(_text(dice, 20)),
        Media(MediaKind.IMAGE, data=dice.randbytes(9), media_type="image/png"),
        Media(MediaKind.AUDIO, uri="https://example.com/a.wav"),
        ProviderBlock("anthropic", "web_search_tool_result", '{"a": 40.0}'),
    ]
    return dice.choice(kinds)


def _attributes(dice: random.Random, kind: Refusal | Media | ProviderBlock | None = None) -> Part:
    return Part(
        kind=kind,
        cache=dice.choice([None, None, CacheHint(), CacheHint(300.0)]),
        citations=tuple(
            Citation(uri=f"https://example.com/{dice.randrange(99)}", start=dice.choice([None, 0, 3]))
            for _ in range(dice.randrange(3))
        ),
        opaque=dice.choice(
            [None, None, OpaqueState("gemini", "", "", b"\x00\xff"), OpaqueState("openai", "m", "item", b"")]
        ),
    )
