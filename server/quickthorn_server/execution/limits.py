"""How much each backend may be asked at once and in any one minute: what is over that is refused before it is sent.

A provider answers what exceeds its limits with 429 and may count that, too: what it would refuse need not be sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from quickthorn_server.core.catalogue import Backend, Limits
from quickthorn_server.core.usage import Usage
from quickthorn_server.execution.refusal import AtLimit
from quickthorn_server.execution.window import Clock

_MINUTE = 60.0  # seconds
_NEAR = 0.8  # of a limit: from there on nobody is hedged to the backend
_SOON = 1.0  # seconds; when another attempt will end nobody knows

Leave = Callable[[Usage | None], None]
"""Give a place back, once, with what the attempt is known to have used (None: nothing was said)."""


@dataclass(slots=True)
class Spent:
    """An amount that counts from the instant *at* on, for a minute."""

    at: float
    amount: int


class Minute:
    """Lets *most* through in any minute: it slides, so that twice as much never passes around an edge.

    Holds one entry per amount.  Instants in seconds, of one clock that never goes back.
    """

    __slots__ = ("_most", "_spent", "_sum")

    def __init__(self, most: int) -> None:
        self._most = most
        self._sum = 0
        self._spent: deque[Spent] = deque()  # oldest first

    def wait(self, amount: int, now: float) -> float:
        """Return the seconds until there is room for *amount*, 0 = now.

        What exceeds the limit needs all of it: refused altogether it would wait for ever.
        """
        self._forget(now)
        excess = self._sum + amount - self._most
        wait = 0.0
        for spent in self._spent:
            if excess <= 0:
                break
            excess -= spent.amount
            wait = spent.at + _MINUTE - now
        return wait

    def near(self, now: float) -> bool:
        """Whether four fifths of what it lets through have passed in the last minute."""
        self._forget(now)
        return self._sum >= _NEAR * self._most

    def take(self, amount: int, now: float) -> Spent:
        """Count *amount* from now on."""
        spent = Spent(now, amount)
        self._sum += amount
        self._spent.append(spent)
        return spent

    def correct(self, spent: Spent, amount: int, now: float) -> None:
        """Count *amount* instead of what was taken.  What it exceeds that by counts from now: nobody knew before."""
        self._forget(now)
        more = amount - spent.amount
        if more > 0:
            self._sum += more
            self._spent.append(Spent(now, more))
        elif spent.at + _MINUTE > now:
            self._sum += more
            spent.amount = amount

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0].at + _MINUTE <= now:
            self._sum -= self._spent.popleft().amount


class Limiter:
    """One backend's limits.  Whoever asks `wait` and hears 0 may `take` in the same step of the event loop."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self.in_flight = 0
        self._most = limits.in_flight
        self._requests = None if limits.rpm is None else Minute(limits.rpm)
        self._tokens = None if limits.tpm is None else Minute(limits.tpm)
        self._clock = clock

    def wait(self, tokens: int) -> float:
        """Return the seconds until an attempt of *tokens* may start, 0 = now."""
        now = self._clock()
        wait = _SOON if self._most is not None and self.in_flight >= self._most else 0.0
        if self._requests is not None:
            wait = max(wait, self._requests.wait(1, now))
        if self._tokens is not None:
            wait = max(wait, self._tokens.wait(tokens, now))
        return wait

    def near(self) -> bool:
        """Whether one of its limits has no more than a fifth left."""
        if self._most is not None and self.in_flight >= _NEAR * self._most:
            return True
        now = self._clock()
        return any(minute.near(now) for minute in (self._requests, self._tokens) if minute is not None)

    def take(self, tokens: int) -> Leave:
        """Count an attempt of *tokens*; its place is given back by what is returned, its minute passes by itself."""
        now = self._clock()
        self.in_flight += 1
        if self._requests is not None:
            self._requests.take(1, now)
        spent = None if self._tokens is None else self._tokens.take(tokens, now)

        def leave(usage: Usage | None) -> None:
            self.in_flight -= 1
            if self._tokens is not None and spent is not None and usage is not None and usage.input_tokens is not None:
                self._tokens.correct(spent, usage.input_tokens + (usage.output_tokens or 0), self._clock())

        return leave


class Limiters:
    """The limits of all *backends*, for those that have any."""

    def __init__(self, backends: Iterable[Backend], clock: Clock) -> None:
        none = Limits()
        self._all = {each.name: Limiter(each.limits, clock) for each in backends if each.limits != none}
        self.limited = frozenset(self._all)
        """Backends that have limits; the others need not be asked about."""

    def check(self, backend: str, tokens: int) -> None:
        """Raise AtLimit unless an attempt of about *tokens* at one of those *limited* may start now."""
        if wait := self._all[backend].wait(tokens):
            raise AtLimit(backend, wait)

    def near(self, backend: str) -> bool:
        """Whether one of those *limited* is so close to a limit that what is left is better kept for first attempts."""
        return self._all[backend].near()

    def take(self, backend: str, tokens: int) -> Leave:
        """Count an attempt that `check` has let through in this step; its end must call what is returned, once."""
        return self._all[backend].take(tokens)

    def reached(self) -> frozenset[str]:
        """Return the backends of which nothing at all may be asked now."""
        return frozenset(name for name, limiter in self._all.items() if limiter.wait(1))
