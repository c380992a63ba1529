"""How an attempt is answered, with or without a fault."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Protocol

from tests.chaos import answers
from tests.chaos.answers import chunk
from tests.chaos.faults import BREAKS, HEAD, LIMIT, START, Fault, Pace

_FOREVER = 3600.0
_NO_FAULT = Fault("slow", factor=1.0)


class Provider(Protocol):
    """What a provider decides about an attempt."""

    pace: Pace

    def draw(self, call: str) -> tuple[random.Random, Fault | None]:
        """Return the attempt's dice and fault."""

    def first_after(self, call: str) -> float:
        """Return the seconds to the first token."""


class Line(Protocol):
    """A connection to write to."""

    limit: int | None
    pieces: random.Random | None

    @property
    def provider(self) -> Provider:
        """Whose it is."""

    async def send(self, data: bytes) -> None:
        """Send bytes."""

    def close(self) -> None:
        """End with a FIN."""

    def reset(self) -> None:
        """End with an RST."""


class Attempt(Protocol):
    """What is written down of an attempt."""

    call: str
    stream: bool
    fault: str
    continues: bool


async def play(line: Line, attempt: Attempt, body: bytes) -> None:
    """Answer the request with *body*."""
    dice, fault = line.provider.draw(attempt.call)
    attempt.fault = fault.name if fault else ""
    pace, wait = line.provider.pace, line.provider.first_after(attempt.call)
    tokens, attempt.continues = answers.left_of(body, answers.tokens_of(attempt.call, pace.tokens))
    fault = fault or _NO_FAULT
    where, how = BREAKS.get(fault.name, ("", ""))
    line.limit = dice.randrange(1, 4000) if fault.name == LIMIT else None
    line.pieces = dice if fault.name == "slicer" else None
    if where == START:
        await _ENDS[how](line, fault, dice)
        return
    await asyncio.sleep(wait * fault.factor if fault.name == "slow" else wait)
    if attempt.stream:
        await _stream(line, tokens, pace, fault, dice)
    else:
        await _whole(line, tokens, pace, fault, dice)


async def _stream(line: Line, tokens: list[str], pace: Pace, fault: Fault, dice: random.Random) -> None:
    where, how = BREAKS.get(fault.name, ("", ""))
    if where == HEAD:
        await line.send(answers.SSE + chunk(answers.FIRST))
        await _ENDS[how](line, fault, dice)
        return
    said = dice.randrange(1, max(2, len(tokens))) if where else len(tokens)
    gap = pace.gap * fault.factor if fault.name == "slow_tokens" else pace.gap
    before = answers.SSE + chunk(answers.FIRST)
    for group in _groups(tokens[:said], pace.reads):
        await line.send(before + chunk(answers.text_events(group, pace.pad)))
        before = b""
        await asyncio.sleep(gap)
    if where:
        await _ENDS[how](line, fault, dice)
        return
    await line.send(before + chunk(answers.last_events(len(tokens))))
    if fault.name == "slow_close":
        await asyncio.sleep(1.0)
    await line.send(b"0\r\n\r\n")


def _groups(tokens: list[str], reads: int) -> Iterator[list[str]]:
    """Yield the first token alone, then the others in *reads* - 1 parts."""
    yield tokens[:1]
    size = max(1, -(-(len(tokens) - 1) // max(1, reads - 1)))
    for start in range(1, len(tokens), size):
        yield tokens[start : start + size]


async def _whole(line: Line, tokens: list[str], pace: Pace, fault: Fault, dice: random.Random) -> None:
    where, how = BREAKS.get(fault.name, ("", ""))
    gap = pace.gap * fault.factor if fault.name == "slow_tokens" else pace.gap
    await asyncio.sleep(gap * pace.reads)
    more = "Connection: close\r\n" if fault.name == "slow_close" else ""
    data = answers.reply(200, answers.whole_body("".join(tokens), len(tokens)), more=more)
    if how == "error":
        await line.send(
            answers.reply(200, b'{"error": {"message": "The server had an error", "type": "server_error"}}')
        )
        return
    if where:
        body_at = data.index(b"\r\n\r\n") + 4
        await line.send(data[: body_at if where == HEAD else dice.randrange(body_at, len(data))])
        await _ENDS[how](line, fault, dice)
        return
    await line.send(data)
    if fault.name == "slow_close":
        await asyncio.sleep(1.0)
        line.close()


async def _silence(line: Line, fault: Fault, dice: random.Random) -> None:
    del line, fault, dice
    await asyncio.sleep(_FOREVER)


async def _reset(line: Line, fault: Fault, dice: random.Random) -> None:
    del fault, dice
    line.reset()


async def _close(line: Line, fault: Fault, dice: random.Random) -> None:
    del fault, dice
    line.close()


async def _garbage(line: Line, fault: Fault, dice: random.Random) -> None:
    del fault
    await line.send(dice.randbytes(200))
    await asyncio.sleep(0.01)
    line.close()


async def _dribble(line: Line, fault: Fault, dice: random.Random) -> None:
    """Send the head a byte at a time, for ever."""
    del fault, dice
    for byte in answers.SSE[:-4]:
        await line.send(bytes((byte,)))
        await asyncio.sleep(0.1)
    await _forever(line, b"x-more: 1\r\n", 0.1)


async def _status(line: Line, fault: Fault, dice: random.Random) -> None:
    status = dice.choice(fault.statuses)
    more = "" if fault.retry_after is None else f"Retry-After: {fault.retry_after:g}\r\n"
    await line.send(answers.reply(status, b'{"error": {"message": "no", "type": "server_error"}}', more=more))


async def _html(line: Line, fault: Fault, dice: random.Random) -> None:
    del fault, dice
    await line.send(answers.reply(200, answers.HTML, "text/html"))


async def _comments(line: Line, fault: Fault, dice: random.Random) -> None:
    del fault, dice
    await _forever(line, chunk(answers.COMMENT), 0.05)


async def _error(line: Line, fault: Fault, dice: random.Random) -> None:
    del fault, dice
    await line.send(chunk(answers.ERROR) + b"0\r\n\r\n")


async def _truncate(line: Line, fault: Fault, dice: random.Random) -> None:
    """Promise a chunk of 256 bytes and send fewer."""
    del fault
    await line.send(b"100\r\n: " + b"." * dice.randrange(200))
    line.close()


async def _garble(line: Line, fault: Fault, dice: random.Random) -> None:
    del fault, dice
    await line.send(chunk(answers.GARBAGE_EVENT))
    await asyncio.sleep(_FOREVER)


async def _babble(line: Line, fault: Fault, dice: random.Random) -> None:
    """Say more, for ever."""
    del fault, dice
    await _forever(line, chunk(answers.text_events([" more"])), 0.1)


async def _forever(line: Line, data: bytes, gap: float) -> None:
    while True:
        await line.send(data)
        await asyncio.sleep(gap)


_ENDS: dict[str, Callable[[Any, Fault, random.Random], Awaitable[None]]] = {
    "silence": _silence,
    "reset": _reset,
    "close": _close,
    "garbage": _garbage,
    "dribble": _dribble,
    "status": _status,
    "html": _html,
    "comments": _comments,
    "error": _error,
    "truncate": _truncate,
    "garble": _garble,
    "babble": _babble,
}
