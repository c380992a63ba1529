"""For providers that repeat the beginning of an answer which they were given: what they say, without it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from quickthorn_server.core.beginning import Beginning
from quickthorn_server.core.chunk import Burst, Chunk, End, TextDelta, ToolCallDelta, WholePart
from quickthorn_server.core.content import Text
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.provider import Ask
from quickthorn_server.providers.http_provider import HttpProvider


class Echoless:
    """Asks *provider*, and takes the beginning it was given away from what it says, once, if it is there."""

    def __init__(self, provider: HttpProvider) -> None:
        self._provider = provider

    async def stream(self, ask: Ask) -> AsyncGenerator[Burst, None]:
        """Yield the answer's bursts; see `Provider.stream`."""
        prompt = ask.prompt
        begun = _last(prompt) if isinstance(prompt, Prompt) and prompt.prefill else ""
        echo = _Echo(begun) if begun else None
        async with aclosing(self._provider.stream(ask)) as bursts:
            async for burst in bursts:
                yield burst if echo is None else echo.without(burst)

    async def whole(self, ask: Ask) -> Burst:
        """Return the whole answer; see `Whole`.  Nobody asks so for the rest of one that has begun."""
        return await self._provider.whole(ask)

    async def close(self) -> None:
        """Close the provider."""
        await self._provider.close()


class _Echo:
    """Looks at the first text part of an answer."""

    def __init__(self, begun: str) -> None:
        self._beginning = Beginning(begun)
        self._part: int | None = None

    def without(self, burst: Burst) -> Burst:
        if self._beginning.dropped is not None:
            return burst
        kept: list[Chunk] = []
        for chunk in burst:
            if type(chunk) is TextDelta and self._part in {None, chunk.part}:
                self._part = chunk.part
                kept.append(replace(chunk, text=self._beginning.take(chunk.text)))
                continue
            if isinstance(chunk, TextDelta | ToolCallDelta | WholePart | End):
                kept += self._rest()
            kept.append(chunk)
        return kept

    def _rest(self) -> list[Chunk]:
        """Return what was held back for nothing: another part, or the end, has come."""
        rest = self._beginning.close()
        return [TextDelta(self._part, rest)] if rest and self._part is not None else []


def _last(prompt: Prompt) -> str:
    """Return the beginning of the answer that *prompt* ends in."""
    return "".join(part.kind.text for part in prompt.messages[-1].parts if isinstance(part.kind, Text))
