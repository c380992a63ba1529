"""Broken streams that go on: every byte once and in order, over random breaks, cuts and second candidates.

The backends speak the bytes of a real wire format, cut and broken anywhere, inside characters, too.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from quickthorn_server.core.attempt import Outcome
from quickthorn_server.core.call import Call
from quickthorn_server.core.catalogue import Backend, OnBreak
from quickthorn_server.core.chunk import Burst, Opened, TextDelta, UsageReport
from quickthorn_server.core.content import Role, Text
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.plan import Verdict
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.provider import Ask
from quickthorn_server.core.seam import Method, Seam
from quickthorn_server.core.usage import Price, Usage
from quickthorn_server.execution.breakers import Breakers
from quickthorn_server.execution.carried import Estate
from quickthorn_server.execution.events import Finished, Joined, Said
from quickthorn_server.execution.executor import Executor
from quickthorn_server.execution.latency import Latency
from quickthorn_server.execution.limits import Limiters
from quickthorn_server.execution.purses import Purses
from quickthorn_server.execution.reaper import Reaper
from quickthorn_server.providers.openai import OpenAiFormat
from tests.support.cast import NEVER_OPENS, PROMPT, Told
from tests.support.decisions import PLAN
from tests.support.virtual import run_virtual

ANCHOR = 64  # characters
BATCHES, EACH = 10, 100
PRICE = Price(Decimal("0.37"), Decimal("2.11"))

PIECES = {
    "prose": ["The ", "sea ", "is ", "deep", ". ", "Über ", "naïve ", "\r\n", "\n\n", "they", "\t"],
    "graphemes": [
        "e\u0301",
        "👩\u200d👩\u200d👧",
        "🇩🇪",
        "한",
        "각",
        "\u0301",
        "✔\ufe0f",
        "\r\n",
        " ",
        "線",
        "नि",
        "\u202e",
    ],
    "repeats": ["na ", "na ", "na ", "batman", "\r\n"],
    "one": ["ab"],
    "table": ["| ", "1 ", "| ", "2 ", "|\r\n", "|---|---|\n", "| ", "x "],
    "braces": ["}", "\n", "  }", "\n", "    }\n", "]", "},\n", "{", "\r\n"],
    "blank": [" ", "\n", "\r\n", "\u00a0", "\u3000", "x", "  "],
}
"""What answers are put together from."""


class Case(NamedTuple):
    """One whole answer, and how its second backend goes on where the first one broke."""

    whole: str
    kind: str
    seed: int

    def prefilled(self, said: str) -> str:
        """Write on from what the model is told to have begun with."""
        return self.whole.removeprefix(said)

    def repeats(self, said: str) -> str:
        """Do as it is asked."""
        return said[-ANCHOR:] + self.whole.removeprefix(said)

    def repeats_less(self, said: str) -> str:
        """Repeat a shorter tail, where there is one."""
        most = min(ANCHOR, len(said)) - 1
        tail = random.Random(self.seed).randint(1, most) if most > 0 else 0
        return said[len(said) - tail :] + self.whole.removeprefix(said)

    def restarts(self, _: str) -> str:
        """Begin anew, with a word of its own before."""
        return random.Random(self.seed).choice(["Sure! ", "Here is the rest:\r\n\r\n", "\u2026"]) + self.whole

    def goes_on(self, said: str) -> str:
        """Repeat nothing."""
        return self.whole.removeprefix(said)


KINDS: dict[str, Callable[[Case, str], str]] = {
    "honours prefill": Case.prefilled,
    "repeats the anchor": Case.repeats,
    "repeats a shorter tail": Case.repeats_less,
    "restarts with a preamble": Case.restarts,
    "continues without repeating": Case.goes_on,
}
EXACT = {"honours prefill", "repeats the anchor"}


class Wire:
    """Says a text in server-sent events, as bytes that are cut at random; one that *breaks* does so anywhere in them.

    *said*: all that it would say.  *arrived*: the text of the events that had come whole before it broke.
    """

    def __init__(self, dice: random.Random, says: Callable[[Prompt], str], *, breaks: bool) -> None:
        self._dice, self._says, self._breaks = dice, says, breaks
        self._format = OpenAiFormat(Backend("w", "vllm", "m", "m", base_url="http://host/v1"))
        self.said = self.arrived = ""

    async def stream(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """Say it."""
        assert isinstance(ask.prompt, Prompt)
        self.said = self._says(ask.prompt)
        data, texts = self._bytes()
        end = self._dice.randint(texts[0][0], len(data) - 1) if self._breaks else len(data)
        self.arrived = "".join(text for place, text in texts if place <= end)
        yield [Opened("m")]
        reading, place = self._format.reading(Opened()), 0
        while place < end:
            until = min(end, place + self._dice.choice([1, 2, 3, 7, 64, 4096]))
            burst = reading.take(data[place:until])
            reading.check()
            if burst:
                yield burst
            place = until
            if self._dice.random() < 0.02:
                await asyncio.sleep(0.01)
        if self._breaks:
            await asyncio.sleep(self._dice.choice([0, 0, 1000]))  # the last is a stall
            raise BackendError(Failure.LOST)

    async def close(self) -> None:
        """Do nothing."""

    def _bytes(self) -> tuple[bytes, list[tuple[int, str]]]:
        """Return the body, and each text of it with the place behind which it can be read."""
        data, texts, rest = bytearray(), list[tuple[int, str]](), self.said
        counts, readable = self._dice.random() < 0.5, self._dice.random() < 0.5
        while rest:
            size = self._dice.choice([1, 1, 2, 3, 5, 8, 80])
            text, rest = rest[:size], rest[size:]
            event: dict[str, Any] = {"choices": [{"index": 0, "delta": {"content": text}}]}
            if counts:
                event["usage"] = {"prompt_tokens": 9, "completion_tokens": len(texts) + 1}
            data += b"data: " + json.dumps(event, ensure_ascii=not readable).encode() + b"\n\n"
            texts.append((len(data), text))
        data += b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
        data += b'data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": %d}}\n\n' % len(texts)
        return bytes(data + b"data: [DONE]\n\n"), texts


def begun(prompt: Prompt) -> str:
    """Return the assistant's turn in *prompt*, whatever follows it; "" = it is asked anew."""
    turns = [message for message in prompt.messages if message.role is Role.ASSISTANT]
    return "".join(part.kind.text for turn in turns for part in turn.parts if isinstance(part.kind, Text))


def answer(dice: random.Random) -> str:
    """Return a text of one sort, long or shorter than an anchor."""
    pieces = PIECES[dice.choice(sorted(PIECES))]
    return "".join(dice.choice(pieces) for _ in range(dice.choice([2, 12, 60, 200])))


class Played(NamedTuple):
    """What the caller was sent: the texts before and behind the seam, and the end."""

    before: str
    seam: Seam
    after: str
    reports: list[Usage]
    finished: Finished


async def played(case: Case, dice: random.Random) -> tuple[Played, Wire, Wire]:
    """Break an answer and have it continued."""
    wires = {
        "a": Wire(dice, lambda _: case.whole, breaks=True),
        "b": Wire(dice, lambda prompt: KINDS[case.kind](case, begun(prompt)), breaks=False),
    }
    able = frozenset({"text", "prefill"} if case.kind == "honours prefill" else {"text"})
    backends = [
        Backend(name, "scripted", "m", "m", breaker=NEVER_OPENS, capabilities=able, price=PRICE) for name in wires
    ]
    clock = asyncio.get_running_loop().time
    told = Told()
    estate = Estate(
        wires,
        Breakers(backends, clock, told.circuit_changed),
        Limiters(backends, clock),
        Purses([PLAN.route]),
        Latency([]),
        told,
        Reaper(),
        dice,
    )
    plan = replace(PLAN, order=tuple(backends), verdicts=tuple(map(Verdict, backends)), hedging=None, panic=())
    plan = replace(plan, on_break=OnBreak.CONTINUE, outline=None, shows_reasoning=False, max_first_token=None)
    texts, seams, reports, end = [""], list[Seam](), list[Usage](), list[Finished]()
    async for event in Executor(estate).stream(plan, PROMPT, Call("1", "r", clock())):
        if isinstance(event, Joined):
            seams.append(event.seam)
            texts.append("")
        elif isinstance(event, Said):
            texts[-1] += "".join(chunk.text for chunk in event.chunks if isinstance(chunk, TextDelta))
            reports += [chunk.usage for chunk in event.chunks if isinstance(chunk, UsageReport)]
        elif isinstance(event, Finished):
            end.append(event)
    (seam,), (before, after), (finished,) = seams, texts, end
    await estate.reaper.idle(2000)
    return Played(before, seam, after, reports, finished), wires["a"], wires["b"]


def judged(case: Case, got: Played, first: Wire, second: Wire) -> bool:
    """Hold one answer against what was said; returns whether its kind shows in what was said at all.

    Where a text repeats itself, what follows may be the anchor without having been meant as one: then it is one.
    """
    assert got.before == first.arrived
    assert case.whole.startswith(got.before)
    assert (got.seam.part, got.seam.offset) == (0, len(got.before.encode()))
    assert (got.seam.from_backend, got.seam.to_backend) == ("a", "b")
    anchor = got.before[-ANCHOR:] if got.before.strip() else got.before
    blank = got.before[len(got.before.rstrip()) :]
    dropped = blank if case.kind == "honours prefill" else anchor
    begins = second.said.startswith(dropped)
    assert got.after == (second.said[len(dropped) :] if begins else second.said)
    if case.kind == "honours prefill":
        assert got.seam.method is Method.PREFILL
    else:
        assert got.seam.method is (Method.ANCHOR if begins else Method.APPENDED)
    plain = case.kind in EXACT or not begins
    if plain:
        assert got.seam.exact is (case.kind in EXACT)
    if case.kind in EXACT:
        assert got.before + got.after == case.whole
    return plain


def paid(got: Played) -> None:
    """Hold usage and cost to be the sum of both lanes, and reports on the way never to fall."""
    lanes = got.finished.trace.attempts
    assert [lane.outcome for lane in lanes] == [Outcome.BROKE, Outcome.WON]
    assert got.finished.trace.served_by == 1
    used = [lane.usage for lane in lanes if lane.usage is not None]
    total = got.finished.usage
    assert total is not None
    assert total.input_tokens == sum(each.input_tokens or 0 for each in used)
    assert total.output_tokens == sum(each.output_tokens or 0 for each in used)
    assert got.finished.cost_nano_usd == sum(lane.cost_nano_usd or 0 for lane in lanes)
    counts = [each.output_tokens or 0 for each in got.reports]
    assert counts == sorted(counts)
    assert counts[-1] == total.output_tokens


@pytest.mark.parametrize("batch", range(BATCHES))
def test_every_byte_comes_once_and_in_order(batch: int) -> None:
    """Delivered is the first lane's text and the second's less exactly what the seam declares; usage is the sum.

    Exact are those that honour a prefill or repeat the anchor, and only they, and then the whole is as it was meant.
    """

    async def main() -> Counter[tuple[str, bool]]:
        seen = Counter[tuple[str, bool]]()
        for number in range(EACH):
            dice = random.Random(batch * EACH + number)
            case = Case(answer(dice), sorted(KINDS)[number % len(KINDS)], number)
            got, first, second = await played(case, dice)
            seen[case.kind, judged(case, got, first, second)] += 1
            paid(got)
        return seen

    seen = run_virtual(main())
    assert {kind: seen[kind, True] + seen[kind, False] for kind in KINDS} == dict.fromkeys(KINDS, EACH // len(KINDS))
    assert sum(seen[kind, True] for kind in KINDS) > 0.8 * EACH
