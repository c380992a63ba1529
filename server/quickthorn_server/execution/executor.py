"""Carry out a plan: pass on, or fold, what the winner of the race says."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from quickthorn_server.core.call import Call
from quickthorn_server.core.chunk import End, Vectors
from quickthorn_server.core.completion import Completion, Embeddings, Fold
from quickthorn_server.core.embedding import Vector
from quickthorn_server.core.failures import BackendError
from quickthorn_server.core.plan import Plan
from quickthorn_server.core.provider import AnyPrompt
from quickthorn_server.execution.carried import Carried, Estate
from quickthorn_server.execution.events import Begun, Event, Said
from quickthorn_server.execution.lane import Lane


class Executor:
    """Answers planned calls.  Safe for any number of calls at once on one event loop."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate

    async def stream(self, plan: Plan, prompt: AnyPrompt, call: Call) -> AsyncGenerator[Event, None]:
        """Yield `Begun`, `Said`..., `Finished`.  Raises CallError."""
        async with Carried(self._estate, plan, prompt, call, unary=False) as carried:
            lane = await carried.race.winner()
            yield Begun(lane.backend, lane.opened.model or lane.backend.model, lane.cause)
            while (chunks := await carried.race.more(lane)) is not None:
                if type(chunks[-1]) is End:
                    chunks.pop()
                if chunks:
                    carried.count(chunks)
                    yield Said(chunks)
            finished = carried.finished(lane)
        yield finished

    async def complete(self, plan: Plan, prompt: AnyPrompt, call: Call) -> Completion:
        """Return the whole answer.  A winner that breaks is replaced from scratch.  Raises CallError."""
        async with Carried(self._estate, plan, prompt, call, unary=True) as carried:
            while True:
                lane = await carried.race.winner()
                fold = Fold()
                try:
                    while (chunks := await carried.race.more(lane)) is not None:
                        fold.add(chunks)
                except BackendError:
                    continue  # its caller has seen nothing: the race goes on among the others
                done = carried.finished(lane)
                return Completion(
                    parts=fold.parts(),
                    finish_reason=done.end.reason,
                    stop_sequence=done.end.stop_sequence,
                    usage=done.usage,
                    cost_nano_usd=done.cost_nano_usd,
                    trace=done.trace,
                )

    async def embed(self, plan: Plan, prompt: AnyPrompt, call: Call) -> Embeddings:
        """Return one vector per input.  A winner that breaks is replaced from scratch.  Raises CallError."""
        async with Carried(self._estate, plan, prompt, call, unary=True) as carried:
            while True:
                lane = await carried.race.winner()
                try:
                    vectors = await _vectors(carried, lane)
                except BackendError:
                    continue
                done = carried.finished(lane)
                space = f"{lane.backend.embedding_space}/{len(vectors[0].values)}"
                return Embeddings(vectors, space, done.usage, done.cost_nano_usd, done.trace)


async def _vectors(carried: Carried, winner: Lane) -> tuple[Vector, ...]:
    found: tuple[Vector, ...] = ()
    while (chunks := await carried.race.more(winner)) is not None:
        found = next((chunk.vectors for chunk in chunks if isinstance(chunk, Vectors)), found)
    return found
