"""Carry out a plan: pass on, or fold, what the winner of the race says."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Protocol, TypeVar

from quickthorn_server.core.call import Call
from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.chunk import Chunk, End
from quickthorn_server.core.completion import Completion, Embeddings, Fold, VectorFold
from quickthorn_server.core.failures import BackendError
from quickthorn_server.core.plan import Plan
from quickthorn_server.core.provider import AnyPrompt
from quickthorn_server.execution.carried import Carried, Estate
from quickthorn_server.execution.continued import continued
from quickthorn_server.execution.events import Begun, Event, Finished, Quiet, Said
from quickthorn_server.execution.stand_in import Averted

_QUIET = Quiet()


class Executor:
    """Answers planned calls.  Safe for any number of calls at once on one event loop."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate

    def stream(self, plan: Plan, prompt: AnyPrompt, call: Call) -> AsyncGenerator[Event, None]:
        """Yield `Begun`, `Said`..., `Finished`, and `Quiet` wherever nothing is said for long.  Raises CallError.

        Where a winner that broke is continued there is one `Joined` among them.
        """
        raced = self._raced(plan, prompt, call)
        return raced if plan.route.ladder is None else _or_stand_in(raced)

    async def _raced(self, plan: Plan, prompt: AnyPrompt, call: Call) -> AsyncGenerator[Event, None]:
        with Carried(self._estate, plan, prompt, call, unary=False) as carried:
            while (lane := await carried.race.winner()) is None:
                yield _QUIET
                carried.sent()
            carried.decided()
            yield Begun(lane.backend, lane.opened.model or lane.backend.model, lane.cause)
            carried.sent()
            broken: BackendError | None = None
            try:
                while (chunks := await carried.race.more(lane)) is not None:
                    if chunks and type(chunks[-1]) is End:
                        chunks.pop()
                        if not chunks:
                            continue
                    carried.count(chunks)
                    yield Said(chunks) if chunks else _QUIET
                    carried.sent()
            except BackendError as error:
                broken = error
            if broken is not None:
                async with aclosing(continued(carried, lane, broken)) as events:
                    async for event in events:
                        yield event
                        carried.sent()
                lane = carried.race.lanes[-1]  # who continued: nobody is started after that
            finished = carried.finished(lane)
        yield finished

    async def complete(self, plan: Plan, prompt: AnyPrompt, call: Call) -> Completion:
        """Return the whole answer.  A winner that breaks is replaced from scratch.  Raises CallError."""
        try:
            with Carried(self._estate, plan, prompt, call, unary=True) as carried:
                fold, _, done = await _folded(carried, Fold)
                parts = fold.parts()
                carried.deliver(parts)
        except Averted as averted:
            return averted.stand_in.completion
        return Completion(
            parts=parts,
            finish_reason=done.end.reason,
            stop_sequence=done.end.stop_sequence,
            usage=done.usage,
            cost_nano_usd=done.cost_nano_usd,
            trace=done.trace,
        )

    async def embed(self, plan: Plan, prompt: AnyPrompt, call: Call) -> Embeddings:
        """Return one vector per input.  A winner that breaks is replaced from scratch.  Raises CallError."""
        with Carried(self._estate, plan, prompt, call, unary=True) as carried:
            fold, backend, done = await _folded(carried, VectorFold)
        length = len(fold.vectors[0].values) if fold.vectors else 0
        space = f"{backend.embedding_space}/{length}"
        return Embeddings(fold.vectors, space, done.usage, done.cost_nano_usd, done.trace)


async def _or_stand_in(raced: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """Yield what *raced* does, and what stands in for an answer where nobody could give one."""
    async with aclosing(raced) as events:
        last: tuple[Event, ...] = ()
        try:
            async for event in events:
                yield event
        except Averted as averted:
            last = averted.stand_in.events
    for event in last:
        yield event


class _Foldable(Protocol):
    def add(self, chunks: Iterable[Chunk]) -> None: ...


F = TypeVar("F", bound=_Foldable)


async def _folded(carried: Carried, fresh: Callable[[], F]) -> tuple[F, Backend, Finished]:
    """Race until one lane's reply is whole, and return its fold: each try begins a *fresh* one.

    Its caller has seen nothing of a winner that breaks, so the race goes on among the others.
    """
    while True:
        lane = await carried.race.winner()
        assert lane is not None  # noqa: S101 - a unary call has no heartbeat
        carried.decided()
        fold = fresh()
        if lane.end is not None:  # whole already: nothing can go wrong any more
            fold.add(lane.take())
            return fold, lane.backend, carried.finished(lane)
        try:
            while (chunks := await carried.race.more(lane)) is not None:
                fold.add(chunks)
        except BackendError:
            continue
        return fold, lane.backend, carried.finished(lane)
