"""What hedging a call may cost at most, by what each provider bills of a lane that is cancelled.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from quickthorn_server.core.catalogue import Backend, Cancelled, HedgeRule
from quickthorn_server.core.outline import Outline
from quickthorn_server.core.usage import Usage, cost_nano_usd
from quickthorn_server.routing.eligibility import worst_cost

_NANO = 1_000_000_000
_UNPRICED = "its cost has no known bound, and hedges have a limit"


def usd(nano: int) -> str:
    """Return an amount of nano-USD as USD, exactly."""
    return f"{nano // _NANO}.{nano % _NANO:09}".rstrip("0").rstrip(".")


def bill_of(call: Outline, rule: HedgeRule, *, whole: bool) -> Bill | None:
    """Return the limits on what hedging *call* may cost, None = there are none."""
    limits = (rule.max_extra, call.directives.max_extra_cost_nano_usd)
    if rule.max_extra_hour is None and call.needs.max_cost_nano_usd is None and limits == (None, None):
        return None
    return Bill(call, min((limit for limit in limits if limit is not None), default=None), whole=whole)


class Bill:
    """The limits on what hedging one call may cost.  Amounts in nano-USD.

    Of the route's limit and the request's the smaller one holds.  What may be lost on a backend is what a lane there
    can cost that is cancelled before it has said anything: its input, and where the request asks for thinking, or for
    replies in one piece, all that it may write unseen.
    """

    __slots__ = ("_call", "_limit", "_unseen")

    def __init__(self, call: Outline, limit: int | None, *, whole: bool) -> None:
        self._call = call
        self._limit = limit
        self._unseen = (whole or "reasoning" in call.needs.capabilities) and not call.embeds

    def unknown(self, backend: Backend) -> str:
        """Return that nobody knows what may be lost on *backend*, "" = somebody does, or nothing may be."""
        return _UNPRICED if self._loss(backend) is None else ""

    def beyond_winner(self, first: Backend, others: Iterable[Backend]) -> int | None:
        """Return what a race of all these may cost beyond its winner, whoever wins; None = no bound is known."""
        losses = [self._loss(backend) for backend in (first, *others)]
        known = [loss for loss in losses if loss is not None]
        return sum(known) - min(known) if len(known) == len(losses) else None

    def refuses(self, first: Backend, taken: Sequence[Backend], backend: Backend, *, spare: bool) -> str:
        """Return which limit a lane of *backend* beside those of *first* and *taken* might break, "" = none.

        A *spare* one stands in for one of those taken, so it must be no dearer than any of them.
        """
        if spare:
            return (
                "" if all(self._no_dearer(backend, each) for each in taken) else "it costs more than who is before it"
            )
        lanes = (first, *taken, backend)
        extra = self.beyond_winner(first, lanes[1:])
        if extra is None:
            return _UNPRICED
        if self._limit is not None and extra > self._limit:
            return f"it may cost {usd(extra)} USD more, and the limit is {usd(self._limit)}"
        most = self._call.needs.max_cost_nano_usd
        if most is None:
            return ""
        worst = self._worst(lanes)
        return "" if worst is not None and worst <= most else f"max_cost_nano_usd does not cover {len(lanes)} lanes"

    def _worst(self, lanes: tuple[Backend, ...]) -> int | None:
        """Return what all lanes may cost together: whoever wins is paid in full, the others as cancelled."""
        losses = [self._loss(backend) or 0 for backend in lanes]
        worst = 0
        for backend, loss in zip(lanes, losses, strict=True):
            if (cost := worst_cost(backend, self._call.needs)) is None:
                return None
            worst = max(worst, cost + sum(losses) - loss)
        return worst

    def _no_dearer(self, one: Backend, other: Backend) -> bool:
        """Whether what *one* may cost, lost or in full, is known and at most what *other* may."""
        needs = self._call.needs
        pairs = ((self._loss(one), self._loss(other)), (worst_cost(one, needs), worst_cost(other, needs)))
        return all(much is None or (less is not None and less <= much) for less, much in pairs)

    def _loss(self, backend: Backend) -> int | None:
        if backend.cancelled is Cancelled.FREE:
            return 0
        if backend.cancelled is Cancelled.FULL or self._unseen:
            return worst_cost(backend, self._call.needs)
        read = self._call.needs.input_tokens
        plain = cost_nano_usd(Usage(read, 0), backend.price)
        written = cost_nano_usd(Usage(read, 0, cache_write_tokens=read), backend.price)
        return None if plain is None or written is None else max(plain, written)
