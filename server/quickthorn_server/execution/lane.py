"""One attempt in a race: a task that owns its stream from first byte to close."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable

from quickthorn_server.core.attempt import Attempt, Outcome
from quickthorn_server.core.bug import sketch
from quickthorn_server.core.catalogue import Cancelled
from quickthorn_server.core.chunk import (
    Burst,
    Chunk,
    End,
    Opened,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
    Vectors,
    WholePart,
)
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.provider import Ask, Provider
from quickthorn_server.core.usage import Usage
from quickthorn_server.core.value import value
from quickthorn_server.execution.alarm import Alarm
from quickthorn_server.execution.consumed import consumed, reached
from quickthorn_server.execution.deadlines import Patience
from quickthorn_server.execution.limits import Leave
from quickthorn_server.execution.schedule import Start

log = logging.getLogger(__name__)

_HELD = 256 * 1024  # characters of unseen reasoning after which a lane commits all the same
_OVERHEAD = 16  # of a chunk, so that empty ones count too
_WHOLE = 1024  # of a whole part and of a report: they are few
_AHEAD = 256 * 1024  # characters a lane may read ahead of its reader
_NO_HEAD = Opened()
_CUT = frozenset({Outcome.LOST, Outcome.ABANDONED})


@value
class LaneRule:
    """How a lane is to read its stream.

    *shows_reasoning*: thinking counts as speaking.  *whole*: the reply comes in one piece.  *until_end*: so is total.
    *input_tokens*: the estimate of what it is sent.
    """

    shows_reasoning: bool
    whole: bool
    until_end: bool
    input_tokens: int = 0


class Lane:
    """Asks one provider and reads what it says; what it has read waits in a bounded box until `take`.

    *wake* is called whenever there is something new to see, *alarm* watches the attempt's limits.  The permit is
    settled exactly once, however the task ends, and in that step the place is left (*leave* None = there is none).
    """

    __slots__ = (
        "_box",
        "_leave",
        "_loop",
        "_patience",
        "_permit",
        "_room",
        "_rule",
        "_settled",
        "_size",
        "_taken",
        "_told",
        "_wake",
        "backend",
        "cause",
        "end",
        "ended_at",
        "error",
        "input_tokens",
        "noted",
        "opened",
        "outcome",
        "spoke_at",
        "started_at",
        "task",
        "usage",
        "waited",
    )

    def __init__(
        self,
        start: Start,
        provider: Provider,
        ask: Ask,
        *,
        leave: Leave | None,
        rule: LaneRule,
        alarm: Alarm,
        wake: Callable[[], None],
    ) -> None:
        self.backend = start.backend
        self.cause = start.cause
        self.opened = _NO_HEAD
        self.end: End | None = None
        self.usage: Usage | None = None
        self.error: BackendError | None = None
        self.noted = False  # its error, by the race
        self.outcome: Outcome | None = None
        self.spoke_at: float | None = None
        self.ended_at: float | None = None
        self.waited = False  # for its reader: the times that follow are not the backend's
        self.input_tokens = rule.input_tokens  # the estimate of what it is sent
        self._rule = rule
        self._permit = start.permit
        self._leave = leave
        self._settled = False
        self._wake = wake
        self._loop = loop = asyncio.get_running_loop()
        self._box: list[Chunk] = []
        self._size = 0
        self._taken = self._told = 0  # characters that were taken; that had come when usage was last told
        self._room: asyncio.Future[None] | None = None
        self.started_at = loop.time()
        self._patience = Patience(start.backend.timeouts, alarm, self.started_at, whole=rule.whole)
        alarm.watch(self._look)
        self.task = loop.create_task(self._run(provider, ask), name=start.backend.name)

    @property
    def running(self) -> bool:
        """Whether the lane may still speak, or say more."""
        return self.error is None and self.end is None and (self.outcome is None or self.outcome is Outcome.WON)

    @property
    def first_content(self) -> float | None:
        """Seconds until the backend said anything, seen or not; None = not yet, or its reply comes whole."""
        return self._patience.first_content

    def take(self) -> list[Chunk]:
        """Return what has been read and not yet taken; may be empty."""
        self._taken += self._size - _OVERHEAD * len(self._box)
        chunks, self._box, self._size = self._box, [], 0
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        return chunks

    def stop(self, outcome: Outcome) -> None:
        """Give the attempt up for a reason that is not its own, and its place at the circuit; returns at once."""
        if self.error is not None or not (self.outcome is None or self.outcome is Outcome.WON):
            return
        self.outcome = outcome
        if self.end is None:
            self.ended_at = self._loop.time()
            self._abandon()
            self._cut()

    def attempt(self, arrived: float) -> Attempt:
        """Return what happened so far; *arrived* is the instant from which times are counted."""
        return Attempt(
            backend=self.backend.name,
            provider=self.backend.provider,
            model=self.opened.model or self.backend.model,
            cause=self.cause,
            outcome=self.outcome or (Outcome.FAILED if self.error else Outcome.ABANDONED),
            started=self.started_at - arrived,
            first_content=None if self.spoke_at is None else self.spoke_at - arrived,
            ended=None if self.ended_at is None else self.ended_at - arrived,
            failure=self.error.failure if self.error else None,
            http_status=(self.error.http_status if self.error else None) or self.opened.http_status,
            provider_request_id=(self.error.provider_request_id if self.error else "")
            or self.opened.provider_request_id,
            usage=(usage := self.usage if self.end is not None else self._used()),
            cost_nano_usd=self._cost(usage),
        )

    @property
    def cut(self) -> bool:
        """Whether we cancelled it before its reply was whole: for another lane, or because it was silent too long."""
        if self.error is not None:
            ours = self.error.failure is Failure.TIMEOUT and self.error.http_status is None
            return ours and self.spoke_at is None
        return self.end is None and self.outcome in _CUT

    def _cost(self, usage: Usage | None) -> int | None:
        if self.backend.cancelled is Cancelled.FREE and self.cut:
            return 0
        return None if usage is None or (price := self.backend.price) is None else price.nano_usd(usage)

    @property
    def _said(self) -> int:
        """How many characters have come."""
        return self._taken + self._size - _OVERHEAD * len(self._box)

    def _used(self) -> Usage | None:
        """Return what was told of a lane without an end, and an estimate of the rest if it was cut; None = unknown."""
        if not self._settled:
            return self.usage
        said = self._said
        if self.usage is None and not said and self.opened is _NO_HEAD and not reached(self.error):
            return None
        return consumed(self.usage, self.input_tokens, said - self._told)

    async def _run(self, provider: Provider, ask: Ask) -> None:
        try:
            whole: Callable[[Ask], Awaitable[Burst]] | None = getattr(provider, "whole", None) if ask.whole else None
            if whole is not None:  # the provider is a `Whole`
                self._read(await whole(ask))
            else:
                await self._follow(provider.stream(ask))
            if self.end is None:
                raise BackendError(Failure.PROTOCOL, "the stream ended early")  # noqa: TRY301 - one place fails a lane
        except BackendError as error:
            self._fail(error)
        except Exception as bug:  # noqa: BLE001 - whatever it is, the lane must end, and its text may quote the prompt
            log.error("bug backend=%s at=%s", self.backend.name, sketch(bug))  # noqa: TRY400 - the same
            self._fail(BackendError(Failure.INTERNAL, "internal error"))

    async def _follow(self, bursts: AsyncGenerator[Burst, None]) -> None:
        try:
            async for burst in bursts:
                self._read(burst)
                if self._size > _AHEAD and self.spoke_at is not None and self.end is None:
                    await self._make_room()
        finally:
            await bursts.aclose()

    def _read(self, burst: Burst) -> None:
        if self.end is not None:
            return  # nothing can follow: a provider that goes on has its last words left out
        now = self._loop.time()
        for chunk in burst:
            if type(chunk) is TextDelta and chunk.text:  # nearly all of them, so without a question to anybody
                self._patience.heard(now)
                self._box.append(chunk)
                self._size += len(chunk.text) + _OVERHEAD
                if self.spoke_at is None:
                    self._commit(now)
                continue
            match chunk:
                case TextDelta() | ToolCallDelta() | ReasoningDelta() | WholePart() | Vectors():
                    if not _is_empty(chunk):
                        self._patience.heard(now)
                    self._box.append(chunk)
                    self._size += _size(chunk)
                    if self.spoke_at is None and self._speaks(chunk):
                        self._commit(now)
                case UsageReport(usage):
                    self.usage = usage
                    self._box.append(chunk)
                    self._size += _WHOLE
                    self._told = self._said
                case Opened():
                    self.opened = chunk
                case End():
                    self._finish(chunk, now)
                    break
        self._wake()

    def _speaks(self, chunk: Chunk) -> bool:
        match chunk:
            case TextDelta(_, text):
                return bool(text)
            case ReasoningDelta(_, text):
                return (self._rule.shows_reasoning and bool(text)) or self._size > _HELD
            case _:
                return True

    def _commit(self, now: float) -> None:
        self.spoke_at = now
        if not self._rule.until_end:
            self._patience.committed()

    def _finish(self, end: End, now: float) -> None:
        """Take a clean end: an answer, even an empty one."""
        self._box.append(end)
        self.end = end
        self.ended_at = now
        if self.spoke_at is None:
            self._commit(now)
        self._patience.stop()
        if self._leaves():
            self._permit.succeeded(None if self._rule.whole else self.first_content)

    def _fail(self, error: BackendError) -> None:
        if not self.running:
            return  # the answer was whole already, the lane has failed before, or nobody waits for it any more
        self.error = error
        self.ended_at = self._loop.time()
        self._patience.stop()
        if self._leaves():
            self._permit.failed(error)
        self._wake()

    def _look(self, now: float) -> float | None:
        """Fail where a limit has passed, and not when the stream has closed: who hangs may hang in its close, too."""
        limit = self._patience.passed(now)
        if limit is not None:
            self._fail(BackendError(Failure.TIMEOUT, f"{limit.value} limit passed"))
            self._cut()
        return self._patience.due()

    def _cut(self) -> None:
        """Cancel the task, once: a second cancel would interrupt the clean-up of the first."""
        self._patience.stop()
        self.task.cancel()

    def _abandon(self) -> None:
        if self._leaves():
            self._permit.abandoned(self._patience.silence(self._loop.time()))

    def _leaves(self) -> bool:
        """Leave the place; returns whether it was held until now, so that the permit is still to be settled."""
        if self._settled:
            return False
        self._settled = True
        if self._leave is not None:
            self._leave(self.usage)
        return True

    async def _make_room(self) -> None:
        self.waited = True
        self._patience.paused()
        self._room = self._loop.create_future()
        try:
            await self._room
        finally:
            self._room = None
            self._patience.heard(self._loop.time())


def _is_empty(chunk: Chunk) -> bool:
    """Whether *chunk* is a delta without a word: some providers send one at once, long before the first token."""
    return isinstance(chunk, TextDelta | ReasoningDelta) and not chunk.text


def _size(chunk: Chunk) -> int:
    match chunk:
        case TextDelta(_, text) | ReasoningDelta(_, text):
            return len(text) + _OVERHEAD
        case ToolCallDelta():
            return len(chunk.arguments_json) + _OVERHEAD
        case _:
            return _WHOLE
