"""What one route learns of one backend that is asked first, and of those that silence may lead to."""

from __future__ import annotations

from math import exp, inf, sqrt

from quickthorn_server.core.catalogue import BudgetRule, HedgeRule
from quickthorn_server.core.plan import Advice
from quickthorn_server.execution.hedging.first_lanes import FirstLanes, Race
from quickthorn_server.execution.hedging.hedges import MEMORY, Hedges
from quickthorn_server.execution.hedging.optimum import Rule, best_rule
from quickthorn_server.execution.hedging.rescues import Rescues
from quickthorn_server.execution.hedging.sizes import size_class
from quickthorn_server.execution.hedging.survival import Curve
from quickthorn_server.execution.purses import Purse

FEW, ENOUGH = 20, 500  # lanes: below the first nothing is done, below the second a fixed percentile
_PRIOR = 20.0  # lanes: what a backend is taken for that silence has hardly ever led to
_OFTEN, _SELDOM = 20, 1_000  # lanes from one look at everything to the next, at first and at last
_SURE = 0.055  # of the late calls, more or less: so well they are known in the end
_LITTLE = 1.25  # times the time
_NEAR = 8.0  # medians: no cliff is on this side of them
_LATER = (1.6, 2.0, 3.0, 5.0, 10.0)  # times as many late calls as the target allows: better than no rule
_RESERVE = 0.1  # of the burst, which is kept for critical calls
_MEDIANS = 3.0  # after which a lane is slow, whatever else is
_DOUBT = 8.0  # lanes beyond the percentile at which the gain must be twice as large
_ORDERS = 16  # of backends that are advised on at once, those that were asked for last
_TAIL = 5.0  # lanes beyond a percentile, or it is not known


class Learner:
    """One backend that is asked first.  *purse* pays for hedges of its route."""

    def __init__(self, rule: HedgeRule, budget: BudgetRule, purse: Purse) -> None:
        self._target = rule.target or 0.0
        self._aim = f"auto {rule.aim}"
        self._min_gain = rule.min_gain
        self._most = rule.max_parallel
        self._budget = budget.hedges
        self._burst = budget.burst
        self._purse = purse
        self.first = FirstLanes()
        self._advice: dict[tuple[str, ...], Advice] = {}
        self._curves: dict[str, Curve] = {}
        self._hedges: dict[str, Hedges] = {}
        self._open: dict[int, list[tuple[str, int, float]]] = {}  # by when calls began: their hedges on their way
        self._measured = 0, -inf  # the number of the latest call, and when
        self._rate = 0.0  # calls of the route in a second
        self._lag = 0.0  # calls between a call and its hedge
        self._stale: list[tuple[str, ...]] = []  # orders of backends that are still to be decided anew
        self._forget()

    def _forget(self) -> None:
        for hedges in self._hedges.values():
            hedges.forget()
        self._rescues = Rescues()
        self._looked_at = 0
        self._due = FEW
        self._rules: dict[tuple[str, ...], Rule] = {}  # by whom silence leads to first

    def advice(self, lanes: tuple[str, ...], tokens: int) -> Advice:
        """Return what to do for a call whose input is *tokens* large."""
        found = self._advice.pop(lanes, None) or self._new(lanes)
        self._advice[lanes] = found  # the last: callers who ask for rare orders push out rare orders
        factor = self.first.factor(tokens)
        if factor == 1.0 or found.delay is None:
            return found
        return Advice(
            delay=found.delay * factor,
            probability=found.probability,
            lanes=found.lanes,
            why="",
            basis=found.basis,
            expected=None if found.expected is None else found.expected * factor,
            expected_without=None if found.expected_without is None else found.expected_without * factor,
            learned_from=found.learned_from,
        )

    def _new(self, lanes: tuple[str, ...]) -> Advice:
        if len(self._advice) >= _ORDERS:
            self._advice.pop(next(iter(self._advice)))
        self._stale.append(lanes)
        known = self.first.known
        return self._nothing(f"{known} lanes heard, {FEW} tell something" if known < FEW else "asked in a new order")

    def hedge(self, backend: str, tokens: int, began: float, now: float) -> None:
        """Count a hedge that starts *now*, for a call that began at *began*."""
        self._hedges_on(backend).start(size_class(tokens), now)
        self._open.setdefault(_micros(began), []).append((backend, size_class(tokens), now))

    def leave(self, tokens: int, began: float) -> None:
        """Count a call no longer that taught nothing."""
        self._close(began)
        self.first.leave(tokens, began)

    def settled(self, race: Race, now: float) -> bool:
        """Learn from a race; True = `recompute` is due."""
        self._close(race.began)
        if self.first.settle(race, now) and len(race.lanes) > 1:
            self._learn_hedges(race)
        return self.first.known >= self._due or self.first.changed or (bool(self._stale) and self.first.known >= FEW)

    def _close(self, began: float) -> None:
        """Count the hedges of a call no longer."""
        if self._open:
            for instant in range(_micros(began) - 1, _micros(began) + 2):
                for backend, size, at in self._open.pop(instant, ()):
                    self._hedges_on(backend).end(size, at)

    def _hedges_on(self, backend: str) -> Hedges:
        if backend not in self._hedges:
            self._hedges[backend] = Hedges()
        return self._hedges[backend]

    def recompute(self, now: float) -> bool:
        """Look at everything anew, one order of backends at a time; True = there are more to decide."""
        if not self._stale or self.first.known >= self._due or self.first.changed:
            self._look(now)
        while self._stale:
            lanes = self._stale.pop()
            if lanes in self._advice:
                self._advice[lanes] = self._decided(lanes, now)
                break
        return bool(self._stale)

    def _look(self, now: float) -> None:
        """Take in what was learned since."""
        if self.first.relearn():
            self._forget()
            for race in self.first.recent:
                self._learn_hedges(race)
        known = self.first.known
        fading = exp((self._looked_at - known) / MEMORY)
        for hedges in self._hedges.values():
            hedges.fade(fading)
        self._rescues.fade(fading)
        self._looked_at = known
        self._due = known + (_OFTEN if known < ENOUGH else min(_SELDOM, max(_OFTEN, known // 10)))
        self.first.look(now)
        self._measure_rate(now)
        self._stale = list(self._advice)

    def _measure_rate(self, now: float) -> None:
        calls, since = self._measured
        if now > since:
            self._rate = (self._purse.latest - calls) / (now - since)
        self._measured = self._purse.latest, now

    def _learn_hedges(self, race: Race) -> None:
        factor = self.first.factor(race.tokens)
        for lane in race.lanes[1:]:
            self._hedges_on(lane.backend).add(lane.seconds / factor, lane.spoke)
        rule = self._rules.get(tuple(lane.backend for lane in race.lanes[1:2]))
        if rule is not None:
            self._count_rescue(race, factor, rule.within)

    def _count_rescue(self, race: Race, factor: float, within: float) -> None:
        began, told = race.lanes[1].started / factor, any(lane.spoke for lane in race.lanes)
        if began >= within or not (told or race.seconds / factor > within):
            return  # or it was stopped before anybody could tell whether it would be late
        unanswered = 1.0
        for lane in race.lanes[1:]:
            curve = self._curves.get(lane.backend, self.first.curve)
            unanswered *= curve.beyond(within - lane.started / factor)
        silent = self.first.curve.beyond(within) / max(self.first.curve.beyond(began), 1e-9)
        self._rescues.add(min(1.0, silent), unanswered, late=race.seconds / factor > within)

    def _decided(self, lanes: tuple[str, ...], now: float) -> Advice:
        self._rules.pop(lanes[1:2], None)
        if self.first.known < FEW:
            return self._nothing(f"{self.first.known} lanes heard, {FEW} tell something")
        if self.first.known < ENOUGH:
            return self._warming_up(len(lanes))
        curve = self.first.curve
        self._curves |= {name: self._hedge_curve(name, now) for name in lanes[1:]}
        target = min(self._target, 1.0 - _TAIL / curve.lanes)
        rule = self._best(curve, [self._curves[name] for name in lanes[1 : self._most]], target)
        without = curve.reaches(1.0 - target)
        reached = curve.last <= 1.0 - target
        gain = 0.0 if rule is None else 1.0 - rule.within / without if reached else 1.0
        if rule is None or gain < self._min_gain * (1.0 + sqrt(_DOUBT / (curve.lanes * (1.0 - target)))):
            return self._nothing(f"hedging gains {gain:.0%} of {without:.3g}s", without)
        self._rules[lanes[1:2]] = rule
        self._lag = rule.delay * self._rate
        return self._hedging(rule, f"{'' if reached else 'over '}{without:.3g}s", without if reached else None)

    def _hedging(self, rule: Rule, instead: str, without: float | None) -> Advice:
        return Advice(
            delay=rule.delay,
            probability=min(1.0, rule.probability * self._steering()),
            lanes=rule.lanes,
            why="",
            basis=f"{self._aim}: {self.first.known} lanes, {rule.within:.3g}s instead of {instead}",
            expected=rule.within,
            expected_without=without,
            learned_from=self.first.known,
        )

    def _best(self, curve: Curve, others: list[Curve], target: float) -> Rule | None:
        """Return the best rule for the target, or where none can hold it, for the highest percentile that one can.

        How many calls are late is known no better than their number tells.  So a rule that holds the target even if
        more are late is taken where that costs little; and one that holds it only if fewer are, where that halves the
        time: at a cliff the far side is the safe one.
        """
        late, trust, budget = 1.0 - target, self._rescues.trust, self._affordable()

        def best(share: float) -> Rule | None:
            return best_rule(curve, others, target=1.0 - min(0.5, late * share), budget=budget, trust=trust)

        plain, unsure = best(1.0), min(0.5, 1.0 / sqrt(curve.lanes * late))
        if plain is not None and unsure > _SURE:
            safe = best(1.0 - unsure)
            if safe is not None and safe.within < plain.within * _LITTLE:
                return safe
        if plain is not None and plain.within < curve.reaches(0.5) * _NEAR:
            return plain
        for share in (1.0 + unsure / 4, 1.0 + unsure / 2, 1.0 + unsure, *(_LATER if curve.last > late else ())):
            bold = best(share) if plain is None or share <= 1.0 + unsure else None
            if bold is not None and (plain is None or bold.within < plain.within / 2):
                return bold
        return plain

    def _hedge_curve(self, name: str, now: float) -> Curve:
        """Return the curve of a backend that silence leads to; the less is known of it, the more like the first."""
        hedges = self._hedges.get(name)
        return self.first.curve if hedges is None else hedges.curve(now).blended(self.first.curve, _PRIOR)

    def _affordable(self) -> float:
        """Return the budget, and what the purse has saved beside it, spent over as many calls as are known."""
        saved = self._purse.held_by(self._purse.latest - round(self._lag)) / 1_000_000 - self._burst * _RESERVE
        return self._budget + max(0.0, saved) / self.first.known

    def _steering(self) -> float:
        """Return by how much to hedge more while the purse is full, or less while it is empty.

        What counts is what calls found whose hedges are sent by now.  The more calls are between a call and its hedge,
        the less is steered: what is done now is seen only then.
        """
        full = 1_000_000 * max(1, self._burst)
        off = self._purse.held_by(self._purse.latest - round(self._lag)) / full - 0.5
        return 1.0 + 2.0 * off * off * off * min(1.0, self._burst / max(1.0, self._budget * self._lag))

    def _warming_up(self, lanes: int) -> Advice:
        """Hedge after a percentile that the purse can pay until enough is known; medians bound it if many are slow."""
        curve = self.first.curve
        share = min(0.95, max(0.5, 1.0 - self._budget))
        return Advice(
            delay=min(curve.reaches(1.0 - share), _MEDIANS * curve.reaches(0.5)),
            probability=1.0,
            lanes=min(self._most, lanes),
            why="",
            basis=f"{self._aim}: warm-up, p{share * 100:.0f} of {self.first.known} lanes",
            expected=None,
            expected_without=None,
            learned_from=self.first.known,
        )

    def _nothing(self, why: str, without: float | None = None) -> Advice:
        return Advice(
            delay=None,
            probability=0.0,
            lanes=1,
            why=why,
            basis=f"{self._aim}: {self.first.known} lanes, {why}",
            expected=without,
            expected_without=without,
            learned_from=self.first.known,
        )


def _micros(seconds: float) -> int:
    return round(seconds * 1e6)
