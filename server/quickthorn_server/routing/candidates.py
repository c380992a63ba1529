"""Who may answer a request, and in what order: judged once for all requests that are alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import NamedTuple

from quickthorn_server.core.catalogue import Backend, Catalogue, Entry, Route, Strategy
from quickthorn_server.core.features import Feature
from quickthorn_server.core.outline import Needs, Outline
from quickthorn_server.core.plan import Drop, Knowledge, Verdict
from quickthorn_server.core.request import Objective
from quickthorn_server.routing.eligibility import judged_by
from quickthorn_server.routing.ordering import ordered, preferred
from quickthorn_server.routing.slow_start import eased
from quickthorn_server.routing.standby import beside, told, waiting
from quickthorn_server.routing.tiers import keeps_model, lower, parted, same_model

_MOST = 1024  # judgements kept; callers choose capabilities, so there might be very many


class Candidates(NamedTuple):
    """All of a route's entries with the verdict about each, and those kept in the order in which to ask them.

    *left_out*: what one of those kept cannot carry, by its name.  *standby*: who waits for which failures, by name.
    *lower*: who is of a lower tier than the first, with its name.
    """

    verdicts: tuple[Verdict, ...]
    order: tuple[Backend, ...]
    left_out: Mapping[str, frozenset[Feature]]
    standby: Mapping[str, frozenset[int | str]]
    lower: Mapping[str, str]


class _Judged(NamedTuple):
    """What holds for every plain request of the same capabilities and features that needs at most *room* tokens."""

    candidates: Candidates
    kept: tuple[Entry, ...]
    room: float


class Judges:
    """Judges the backends of one catalogue.

    Most requests are plain: nothing matters but what they use and how long they are.  For those nothing is judged twice
    (a plan over 50 backends: 36 -> 4 us).
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._backends = catalogue.backends
        self._known: dict[tuple[str, frozenset[str], frozenset[Feature], frozenset[str]], _Judged] = {}

    def candidates(self, call: Outline, route: Route, knowledge: Knowledge, turn: int) -> Candidates:
        """Return who may answer *call* on *route* when the route's wheel is at *turn*."""
        need, keys_refused = call.needs, knowledge.keys_refused
        if _is_plain(call) and (route.ladder is None or not keeps_model(call, route)):
            key = (route.name, need.capabilities, need.features, keys_refused)
            known = self._known.get(key)
            if known is None:
                known = self._judge_plain(call, route, keys_refused)
                if len(self._known) >= _MOST:
                    self._known.clear()
                self._known[key] = known
            if need.context_tokens <= known.room:
                found = known.candidates
                if route.strategy is Strategy.WEIGHTED:
                    found = found._replace(order=self._turned(route, known.kept, turn))
                if knowledge.ramps:
                    found = found._replace(order=tuple(_eased(found.order, found.standby, route, knowledge, turn)))
                return found
        verdicts, kept, standby = self._judge(call, route, need, keys_refused)
        order = preferred(list(self._turned(route, kept, turn)), call.preferences, need)
        order = _eased(order, standby, route, knowledge, turn)
        if order and keeps_model(call, route):
            verdicts, order = same_model(route, verdicts, order)
        return Candidates(verdicts, tuple(order), _left_out(order, need), standby, lower(route, order))

    def _judge_plain(self, call: Outline, route: Route, keys_refused: frozenset[str]) -> _Judged:
        verdicts, kept, standby = self._judge(call, route, replace(call.needs, context_tokens=0), keys_refused)
        order = self._turned(route, kept, 0)
        room = min((backend.context_window for backend in order if backend.context_window is not None), default=inf)
        below = lower(route, order)  # of every turn: who is first is always of the highest tier that is kept
        return _Judged(Candidates(verdicts, order, _left_out(order, call.needs), standby, below), kept, room)

    def _judge(
        self, call: Outline, route: Route, need: Needs, keys_refused: frozenset[str]
    ) -> tuple[tuple[Verdict, ...], tuple[Entry, ...], Mapping[str, frozenset[int | str]]]:
        weighted = route.strategy is Strategy.WEIGHTED
        judge = judged_by(need, call.directives)
        verdicts: list[Verdict] = []
        for entry in route.entries:
            backend = self._backends[entry.backend]
            if weighted and entry.weight == 0:
                verdict = Verdict(backend, Drop.WEIGHT_ZERO, "its weight is 0")
            else:
                verdict = judge(backend)
            if keys_refused and verdict.drop is None and backend.name in keys_refused:
                verdict = Verdict(backend, Drop.KEY_REFUSED, "its provider refused its key")
            verdicts.append(verdict)
        standby = waiting(route, verdicts, call.directives.backend)
        judged = told(verdicts, standby) if standby else tuple(verdicts)
        kept = tuple(entry for entry, verdict in zip(route.entries, judged, strict=True) if verdict.drop is None)
        return judged, kept, standby

    def _turned(self, route: Route, kept: tuple[Entry, ...], turn: int) -> tuple[Backend, ...]:
        return tuple([self._backends[entry.backend] for entry in ordered(kept, route.strategy, turn)])


def _is_plain(call: Outline) -> bool:
    """Whether capabilities, features and length alone decide who may answer, and the route alone in what order."""
    orders, wishes, need = call.directives, call.preferences, call.needs
    return not (
        orders.backend
        or orders.allow_backends
        or orders.deny_backends
        or orders.may_drop
        or orders.same_model
        or wishes.backends
        or wishes.regions
        or wishes.objective is Objective.COST
        or need.regions
        or need.data_policies
        or need.providers
        or need.states
        or need.max_cost_nano_usd is not None
    )


def _eased(
    order: Sequence[Backend],
    standby: Mapping[str, frozenset[int | str]],
    route: Route,
    knowledge: Knowledge,
    turn: int,
) -> list[Backend]:
    """Return *order* as slow start has it, which moves neither who waits for a failure nor who is of a lower tier."""
    above, below = parted(route, order)
    return beside(above, standby, lambda turned: eased(turned, route, knowledge, turn)) + below


def _left_out(order: Iterable[Backend], need: Needs) -> Mapping[str, frozenset[Feature]]:
    return {backend.name: lacking for backend in order if (lacking := need.features - backend.carries)}
